// The official Socket.IO client in a page: `ask(url, transports, message)` gives what it received.

import { io } from "socket.io-client";

window.ask = (url, transports, message) =>
  new Promise((resolve) => {
    const socket = io(url, { transports, reconnection: false, forceNew: true });
    const tokens = [];
    const end = (terminal, data) => {
      const transport = socket.io.engine?.transport.name;
      socket.disconnect();
      resolve({ terminal, data, tokens: tokens.length, transport });
    };
    socket.on("connect_error", (error) => end("connect_error", error.message));
    socket.on("chat_token", (token) => tokens.push(token));
    for (const name of ["chat_complete", "chat_stream_error"]) socket.on(name, (data) => end(name, data));
    const send = () => socket.emit("chat_stream", { message });
    socket.on("connect", () => {
      // the message waits for the upgrade, which may come before or after this
      const { engine } = socket.io;
      if (engine.transport.name === transports.at(-1)) send();
      else engine.once("upgrade", send);
    });
  });
