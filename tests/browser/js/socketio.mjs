// The official socket.io-client against the server at a URL: `socketio.mjs WHAT URL TRANSPORT MESSAGE`.
// Prints, as JSON, what it received.

import { io } from "socket.io-client";

const [what, url, transport, message] = process.argv.slice(2);
const socket = io(url, { transports: [transport], reconnectionDelay: 200, reconnectionDelayMax: 400 });

const connected = () => new Promise((resolve) => socket.once("connect", resolve));

/** Everything that comes in answer to one ask, up to its terminal event. */
function ask(payload, atToken = () => {}) {
  return new Promise((resolve) => {
    const tokens = [];
    const end = (terminal) => (data) => {
      socket.off("chat_token").off("chat_complete").off("chat_stream_error").off("disconnect");
      resolve({ tokens, terminal, data });
    };
    socket.on("chat_token", (token) => atToken(tokens.push(token)));
    for (const name of ["chat_complete", "chat_stream_error", "disconnect"]) socket.on(name, end(name));
    socket.emit("chat_stream", payload);
  });
}

const plays = {
  async reply() {
    return [await ask({ message, session_id: "official" })];
  },
  async bad() {
    const answers = [];
    for (const payload of [null, "text", [1], {}, { message: " " }]) answers.push(await ask(payload));
    return [...answers, await ask({ message })];
  },
  async leave() {
    return [await ask({ message }, (count) => count === 3 && socket.disconnect())];
  },
  async reconnect() {
    const lost = await ask({ message });
    await connected();
    return [lost, await ask({ message: "scenario three-tokens" })];
  },
};

await connected();
const answers = await plays[what]();
console.log(JSON.stringify({ transport: socket.io.engine?.transport.name, answers }));
socket.disconnect();
