// The page: sends a message over one transport or both; each panel shows its own reply.

import { Panel } from "./panel.js";
import { asker, showSession } from "./session.js";
import { SocketChat } from "./socketchat.js";
import { askOverSse } from "./sse.js";

const SUGGESTIONS = ["paced", "slow", "pairs", "nasty", "unicode", "silent", "server-error", "cut-mid", "rate-limited"];

const composer = document.getElementById("composer");
const field = document.getElementById("message");
const send = document.getElementById("send");

const sse = new Panel({
  id: "sse",
  title: "Server-Sent Events",
  short: "SSE",
  about: "POST /api/chat/stream. Each event of the response is one token.",
  ask: askOverSse,
  onChange: update,
});
const socketio = new Panel({
  id: "socketio",
  title: "Socket.IO",
  short: "Socket.IO",
  about: "chat_stream out; chat_token, then chat_complete or chat_stream_error back.",
  ask: (...request) => chat.ask(...request),
  onChange: update,
});
const panels = [sse, socketio];
const chat = new SocketChat((name, seconds) => {
  const text = name === "waiting" ? `disconnected: again in ${seconds.toFixed(1)} s` : name;
  socketio.setState(name, text);
});
update();
show(sse);
introduce();

function chosen() {
  const to = new FormData(composer).get("to");
  return panels.filter((panel) => to === "both" || panel.root.id === to);
}

function update() {
  send.disabled = chosen().some((panel) => panel.busy);
  sse.setState(sse.busy ? "connected" : "idle", sse.busy ? "streaming" : "idle");
}

/** On a small screen: show one panel. On a large one both are seen. */
function show(panel) {
  document.getElementById("panels").dataset.shown = panel.root.id;
  for (const one of panels) {
    one.tab.setAttribute("aria-selected", one === panel);
    one.tab.tabIndex = one === panel ? 0 : -1;
  }
}

async function submit() {
  const message = field.value;
  if (send.disabled || message === "") return;
  field.value = "";
  const request = { message, ...asker() };
  const completed = await Promise.all(chosen().map((panel) => panel.send(request)));
  if (completed.some(Boolean)) showSession();
}

/** Show which provider answers. If it is the fake provider, suggest scripts. */
async function introduce() {
  const badge = document.getElementById("provider");
  try {
    const health = await (await fetch("health")).json();
    badge.textContent = health.offline === true ? "offline: a fake provider answers" : `provider: ${health.provider}`;
    if (health.offline === true) suggest();
  } catch {
    badge.textContent = "the server does not answer";
  }
}

function suggest() {
  const list = document.getElementById("suggestions");
  for (const name of SUGGESTIONS) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.textContent = name;
    chip.addEventListener("click", () => {
      field.value = `scenario ${name}`;
      field.focus();
    });
    list.append(chip);
  }
  list.hidden = false;
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
composer.addEventListener("change", () => {
  update();
  if (chosen().length === 1) show(chosen()[0]);
});
panels.forEach((panel, index) => {
  panel.tab.addEventListener("click", () => show(panel));
  panel.tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = panels[1 - index];
    show(other);
    other.tab.focus();
  });
});
field.addEventListener("keydown", (event) => {
  // isComposing: this Enter belongs to an input method and does not send the message
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    submit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const panel of panels) panel.stop();
});
field.focus();
