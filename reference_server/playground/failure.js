// Why an ask has no complete reply, in words for a person.

export class Failure extends Error {
  /** A title of a few words, and what the server (or the browser) said. */
  constructor(title, text) {
    super(text);
    this.title = title;
  }
}

export class Stopped extends Failure {
  constructor() {
    super("Stopped", "You stopped this reply.");
  }
}

/** An answer with an HTTP status of 4xx or 5xx: its `error`, and for how long to wait if it says so. */
export async function refusal(response) {
  const body = await response.json().catch(() => null);
  const said = typeof body?.error === "string" ? body.error : response.statusText || "The server gave no reason.";
  const title = response.status === 429 ? "Too many requests (429)" : `Refused (${response.status})`;
  return new Failure(title, `${said}${wait(response.headers.get("Retry-After"))}`);
}

function wait(retryAfter) {
  if (!retryAfter) return "";
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? ` Try again in ${Math.max(0, Math.ceil(seconds))} s.` : "";
}

/** The text of an error event, whatever the server put there. */
export function eventFailure(data) {
  return new Failure("The reply failed", typeof data.error === "string" ? data.error : JSON.stringify(data.error));
}
