// Why a request has no complete reply, in words for the user.

export class Failure extends Error {
  /** A short title, and the message of the server or the browser. */
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

/** A response with status 4xx or 5xx: its `error`, and how long to wait, from Retry-After. */
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

/** The text of an error event; works for a value of any type. */
export function eventFailure(data) {
  return new Failure("The reply failed", typeof data.error === "string" ? data.error : JSON.stringify(data.error));
}
