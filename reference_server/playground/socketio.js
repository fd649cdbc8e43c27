// A Socket.IO 5 client (Engine.IO 4) over WebSocket, as small as this page needs it: text events on
// the namespace `/`, heartbeats, reconnection. Your own page should use the official socket.io-client.

const FIRST_DELAY = 500; // milliseconds before the first reconnection; doubled each time
const LONGEST_DELAY = 5_000;
const CONNECT_TIME = 10_000;

export class SocketClient {
  #socket = null;
  #connected = false;
  #unsent = [];
  #attempts = 0;
  #timer = 0;

  /**
   * `onState(name, seconds)` is called with connecting, connected, refused or waiting (for `seconds`);
   * `onEvent(name, data)` with each event; `onLost()` when an open connection ends, by whichever side;
   * `onRefused(reason)` when the server does not want this client, which is not tried again by itself.
   */
  constructor(url, { onState, onEvent, onLost, onRefused }) {
    this.url = url;
    this.auth = null; // sent with the next connection
    this.onState = onState;
    this.onEvent = onEvent;
    this.onLost = onLost;
    this.onRefused = onRefused;
  }

  connect() {
    this.#close();
    this.onState("connecting");
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    // Ignore events of a socket that was replaced.
    const current = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onmessage = current((event) => this.#read(event.data));
    socket.onclose = current(() => this.#reconnect());
    this.#expect(CONNECT_TIME);
  }

  /** Sent at once, or after connecting. */
  emit(name, data) {
    const packet = `42${JSON.stringify([name, data])}`;
    if (this.#connected) this.#socket.send(packet);
    else this.#unsent.push(packet);
    if (!this.#socket && !this.#timer) this.connect(); // an earlier connection was refused
  }

  /** Disconnect, drop unsent events, and connect again. */
  restart() {
    this.#unsent = [];
    if (this.#connected) this.#socket.send("41");
    this.#attempts = 0;
    this.connect();
  }

  #read(packet) {
    switch (packet[0]) {
      case "0": // open: the server sets the heartbeat
        this.heartbeat = heartbeat(packet.slice(1));
        this.#socket.send(`40${this.auth ? JSON.stringify(this.auth) : ""}`);
        break;
      case "1":
        this.#reconnect();
        return;
      case "2":
        this.#socket.send("3");
        break;
      case "4":
        this.#readMessage(packet.slice(1));
        break;
    }
    if (this.#socket) this.#expect(this.heartbeat ?? CONNECT_TIME);
  }

  #readMessage(message) {
    if (message[0] === "0") {
      this.#connected = true;
      this.#attempts = 0;
      this.onState("connected");
      for (const packet of this.#unsent.splice(0)) this.#socket.send(packet);
    } else if (message[0] === "1") {
      this.#reconnect(); // the server has ended the namespace
    } else if (message[0] === "4") {
      this.#unsent = [];
      this.#close();
      this.onState("refused");
      this.onRefused(JSON.parse(message.slice(message.indexOf("{"))).message);
    } else if (message[0] === "2") {
      const [name, data] = JSON.parse(message.slice(message.indexOf("[")));
      this.onEvent(name, data);
    }
  }

  #expect(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#reconnect(), milliseconds);
  }

  #reconnect() {
    const wasConnected = this.#connected;
    this.#close();
    const delay = Math.min(FIRST_DELAY * 2 ** this.#attempts++, LONGEST_DELAY) * (0.75 + Math.random() / 2);
    this.onState("waiting", delay / 1000);
    this.#timer = setTimeout(() => this.connect(), delay);
    if (wasConnected) this.onLost();
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    this.#connected = false;
    socket?.close();
  }
}

function heartbeat(open) {
  const { pingInterval, pingTimeout } = JSON.parse(open);
  return pingInterval + pingTimeout; // milliseconds without data after which the connection is lost
}
