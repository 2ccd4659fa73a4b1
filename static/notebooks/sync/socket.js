/**
 * One WebSocket to a notebook. Lives once: after `down` a new one is made.
 *
 * Calls of its `on`: welcome(message), sync({seq, updates}), changes({first, last, updates}),
 * awareness(bytes), ack(message), refused(message), message(any other), down({code}).
 */
import { readFrame, updateFrame } from "./wire.js";

const PING_EVERY_MS = 20_000;
const ANSWER_WITHIN_MS = 8_000;

export class SocketLink {
  kind = "socket";
  #socket;
  #on;
  #pinging;
  #deadline = null;
  #isDown = false;

  constructor(url, hello, on) {
    this.#on = on;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#socket.send(JSON.stringify({ type: "hello", ...hello }));
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = (event) => this.#down(event.code);
    this.#socket.onerror = () => this.#down(1006);
    this.#pinging = setInterval(() => this.check(), PING_EVERY_MS);
  }

  sendUpdate(id, update, options) {
    this.sendBytes(updateFrame(id, update, options));
  }

  sendBytes(frame) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame);
  }

  send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Ask for a sign of life: after a phone's sleep a socket looks open and is dead. */
  check(withinMs = ANSWER_WITHIN_MS) {
    this.send({ type: "ping" });
    this.#deadline ??= setTimeout(() => this.#down(1006), withinMs);
  }

  close() {
    this.#isDown = true;
    this.#end();
  }

  #receive(data) {
    clearTimeout(this.#deadline);
    this.#deadline = null;
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "pong") return;
      const handler = ["welcome", "ack", "refused"].includes(message.type) ? message.type : "message";
      this.#on[handler](message);
      return;
    }
    const frame = readFrame(new Uint8Array(data));
    if (frame.kind === "awareness") this.#on.awareness(frame.carets);
    else this.#on[frame.kind](frame);
  }

  #down(code) {
    if (this.#isDown) return;
    this.#isDown = true;
    this.#end();
    this.#on.down({ code });
  }

  #end() {
    clearInterval(this.#pinging);
    clearTimeout(this.#deadline);
    this.#socket.onmessage = null;
    this.#socket.close();
  }
}
