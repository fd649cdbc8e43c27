// Replies over Socket.IO, one at a time, with the same interface as `askOverSse`.

import { Failure, Stopped, eventFailure } from "./failure.js";
import { SocketClient } from "./socketio.js";

export class SocketChat {
  #reply = null; // the running reply: {onToken, resolve, reject}
  #jwt = ""; // the JWT of the current connection

  constructor(onState) {
    const url = new URL("socket.io/?EIO=4&transport=websocket", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.client = new SocketClient(url, {
      onState,
      onEvent: (name, data) => this.#event(name, data),
      onLost: () => this.#fail(new Failure("Connection lost", "The Socket.IO connection ended in mid-reply.")),
      onRefused: (reason) => this.#fail(new Failure("Connection refused", String(reason))),
    });
    this.client.connect();
  }

  /** See askOverSse. In this API, a Socket.IO client cancels a reply by disconnecting. */
  ask({ message, sessionId, jwt }, signal, onToken) {
    if (jwt !== this.#jwt) {
      this.#jwt = jwt;
      this.client.auth = jwt ? { token: jwt } : null;
      this.client.restart();
    }
    const reply = new Promise((resolve, reject) => {
      this.#reply = { onToken, resolve, reject };
    });
    signal.addEventListener("abort", () => {
      if (!this.#reply) return;
      this.#fail(new Stopped());
      this.client.restart();
    });
    this.client.emit("chat_stream", { message, ...(sessionId && { session_id: sessionId }) });
    return reply;
  }

  #event(name, data) {
    const reply = this.#reply;
    if (!reply) return;
    if (name === "chat_token") {
      reply.onToken(data);
    } else if (name === "chat_complete") {
      this.#reply = null;
      reply.resolve(data);
    } else if (name === "chat_stream_error") {
      this.#fail(eventFailure(data));
    }
  }

  #fail(failure) {
    const reply = this.#reply;
    this.#reply = null;
    reply?.reject(failure);
  }
}
