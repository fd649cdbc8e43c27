// The session that both transports share: its id, its state on the server, its deletion.

import { authorization } from "./sse.js";
import { refusal } from "./failure.js";

const form = document.getElementById("session");
const field = document.getElementById("session-id");
const jwt = document.getElementById("jwt");
const about = document.getElementById("session-about");

/** The session and the user of each request. With an empty `sessionId`, the server chooses the session. */
export function asker() {
  return { sessionId: field.value, jwt: jwt.value.trim() };
}

export async function showSession() {
  if (field.value) await tell(() => request("GET"), describe);
}

function startSession() {
  const digits = crypto.getRandomValues(new Uint8Array(6));
  field.value = `playground-${[...digits].map((digit) => digit.toString(16).padStart(2, "0")).join("")}`;
  say("");
}

function describe({ messages, timestamp }) {
  const when = new Date(timestamp);
  const time = Number.isNaN(when.getTime()) ? timestamp : when.toLocaleTimeString();
  return `${messages} ${messages === 1 ? "message" : "messages"}, last at ${time}`;
}

async function request(method) {
  const url = `api/chat/sessions/${encodeURIComponent(field.value)}`;
  const response = await fetch(url, { method, headers: authorization(jwt.value.trim()) });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

async function tell(ask, words) {
  const id = field.value;
  try {
    const answer = await ask();
    if (id === field.value) say(words(answer)); // otherwise the response is for another session
  } catch (problem) {
    say(problem.title ? `${problem.title}: ${problem.message}` : "Cannot connect to the server.", true);
  }
}

function say(text, wrong = false) {
  about.textContent = text;
  about.classList.toggle("error", wrong);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (field.value) showSession();
  else say("There is no session id to show.", true);
});
document.getElementById("session-new").addEventListener("click", startSession);
document.getElementById("session-delete").addEventListener("click", () => {
  if (field.value) tell(() => request("DELETE"), (answer) => answer.message);
  else say("There is no session id to delete.", true);
});
field.addEventListener("input", () => say(""));
startSession();
