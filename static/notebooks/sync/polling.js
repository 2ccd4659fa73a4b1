/**
 * The same as SocketLink over plain HTTP, for networks that let no WebSocket through.
 *
 * Presence does not travel this way; everything else does.
 */
import { fromBase64 } from "./wire.js";

const POLL_MS = 1_500;
const POLL_HIDDEN_MS = 10_000;

const csrfToken = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";

export class PollingLink {
  kind = "http";
  #url;
  #hello;
  #on;
  #seq;
  #isWelcomed = false;
  #isDown = false;
  #timer = null;
  #aborting = new AbortController();

  constructor(url, hello, on) {
    this.#url = url;
    this.#hello = hello;
    this.#on = on;
    this.#seq = hello.seq;
    this.#poll();
  }

  async sendUpdate(id, update, { resent = false } = {}) {
    const query = new URLSearchParams({ schema: this.#hello.schema, resent: resent ? "1" : "0" });
    if (this.#hello.epoch) query.set("epoch", this.#hello.epoch);
    const answer = await this.#ask(`${this.#url}?${query}`, {
      method: "POST",
      body: update,
      headers: { "X-CSRFToken": csrfToken(), "Content-Type": "application/octet-stream" },
    });
    if (!answer) return;
    if (answer.type === "ack") this.#on.ack({ ids: [id], first: answer.first, last: answer.last });
    else if (answer.type === "refused") this.#on.refused({ id, reason: answer.reason });
    else this.#on.message(answer);
  }

  sendBytes() {} // presence needs a socket

  send(message) {
    if (message.type === "resync") this.#seq = message.seq;
  }

  check() {
    clearTimeout(this.#timer);
    this.#poll();
  }

  close() {
    this.#isDown = true;
    clearTimeout(this.#timer);
    this.#aborting.abort();
  }

  async #poll() {
    const query = new URLSearchParams({ since: this.#seq, schema: this.#hello.schema });
    if (this.#hello.epoch) query.set("epoch", this.#hello.epoch);
    if (!this.#isWelcomed && this.#hello.vector) query.set("vector", this.#hello.vector);
    const answer = await this.#ask(`${this.#url}?${query}`, {});
    if (!answer || this.#isDown) return;
    if (answer.type !== "changes") {
      this.#on.message(answer);
      return;
    }
    this.#take(answer);
    this.#timer = setTimeout(() => this.#poll(), document.hidden ? POLL_HIDDEN_MS : POLL_MS);
  }

  #take(answer) {
    const updates = answer.updates.map(fromBase64);
    if (!this.#isWelcomed) {
      this.#isWelcomed = true;
      this.#hello = { ...this.#hello, epoch: answer.epoch };
      this.#on.welcome(answer);
      this.#on.sync({ seq: answer.seq, updates });
    } else {
      this.#on.message({ type: "level", level: answer.level, trashed: answer.trashed });
      if (answer.seq > this.#seq) {
        this.#on.changes({ first: this.#seq + 1, last: answer.seq, updates });
      }
    }
    this.#seq = answer.seq;
  }

  /** Return the JSON answer; null when the server was not reached, which ends this link. */
  async #ask(url, options) {
    try {
      const response = await fetch(url, {
        ...options,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.any([this.#aborting.signal, AbortSignal.timeout(20_000)]),
        headers: { Accept: "application/json", ...options.headers },
      });
      // Whatever is no JSON of ours comes from something in between.
      if (response.headers.get("X-Notebook-Sync") !== "1") throw new Error(`status ${response.status}`);
      return await response.json();
    } catch {
      if (!this.#isDown) {
        this.close();
        this.#on.down({ code: 1006 });
      }
      return null;
    }
  }
}
