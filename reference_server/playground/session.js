// The session that both transports share: its id, what the server says of it, its end.

import { authorization } from "./sse.js";
import { refusal } from "./failure.js";

const form = document.getElementById("session");
const field = document.getElementById("session-id");
const jwt = document.getElementById("jwt");
const about = document.getElementById("session-about");

/** What each request says of who asks and where: an empty `sessionId` leaves it to the server. */
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
    if (id === field.value) say(words(answer)); // else it is the answer about another session
  } catch (problem) {
    say(problem.title ? `${problem.title}: ${problem.message}` : "The server cannot be reached.", true);
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
