// One reply over POST and Server-Sent Events.

import { Failure, Stopped, eventFailure, refusal } from "./failure.js";

/**
 * Ask, and call `onToken` with each token event. Resolves to the completion event; rejects with a Failure.
 * Aborting the signal closes the connection, which is how a client of this API stops a reply.
 */
export async function askOverSse({ message, sessionId, jwt }, signal, onToken) {
  let completion = null;
  try {
    const response = await fetch("api/chat/stream", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization(jwt) },
      body: JSON.stringify({ message, ...(sessionId && { session_id: sessionId }) }),
      signal,
    });
    if (!response.ok) throw await refusal(response);
    for await (const text of eventData(response.body)) {
      const event = JSON.parse(text);
      if (event.error) throw eventFailure(event);
      if (event.done) completion = event; // and read on: closing the connection now would look like a client's disconnect
      else if (event.token) onToken(event);
    }
  } catch (problem) {
    if (completion) return completion;
    if (problem instanceof Failure) throw problem;
    if (signal.aborted) throw new Stopped();
    if (problem instanceof SyntaxError) throw new Failure("Not the chat protocol", problem.message);
    throw new Failure("Connection lost", "Cannot connect to the server, or it closed the connection.");
  }
  if (completion) return completion;
  throw new Failure("Connection lost", "The stream ended without a completion.");
}

export function authorization(jwt) {
  return jwt ? { Authorization: `Bearer ${jwt}` } : {};
}

/** Yield the data of each event of a body that is received in pieces of any size, even cut inside a character. */
async function* eventData(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // A CR at the end may be the first half of a CRLF: wait for more.
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        } else if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the stream may have failed already; the caller gets that error
  }
}
