/**
 * The line to the server: a WebSocket where one gets through, HTTP where none does, again and again.
 *
 * Knows when to try what; what travels is the business of the session that made it.
 */
import { PollingLink } from "./polling.js";
import { SocketLink } from "./socket.js";

const WELCOME_WITHIN_MS = 3_000;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 20_000;
const SOCKET_AGAIN_MS = 30_000;

export class Line {
  #urls;
  #hello;
  #on;
  #link = null;
  #timers = new Map();
  #failures = 0;
  #socketFailed = false;
  #isOpen = false;

  /** `hello` returns what to introduce oneself with; `on` has the calls of a link, and up(), down(). */
  constructor(urls, hello, on) {
    this.#urls = urls;
    this.#hello = hello;
    this.#on = on;
  }

  open() {
    this.#isOpen = true;
    addEventListener("online", this.#wake);
    addEventListener("pageshow", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.#connect(SocketLink);
  }

  close() {
    this.#isOpen = false;
    removeEventListener("online", this.#wake);
    removeEventListener("pageshow", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#link?.close();
    this.#link = null;
    this.transport = null;
  }

  /** "socket", "http", or null while the server is not reached. */
  transport = null;

  sendUpdate(id, update, options) {
    this.#link?.sendUpdate(id, update, options);
  }

  sendBytes(frame) {
    this.#link?.sendBytes(frame);
  }

  send(message) {
    this.#link?.send(message);
  }

  #after(name, delayMs, work) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(work, delayMs));
  }

  #connect(Kind) {
    this.#link?.close();
    const isSocket = Kind === SocketLink;
    const on = {
      ...this.#on,
      welcome: (message) => this.#welcomed(link, message),
      down: (event) => this.#fell(link, event),
    };
    const link = new Kind(isSocket ? this.#urls.socket : this.#urls.updates, this.#hello(), on);
    this.#link = link;
    const patience = () => this.#fell(link, { code: 1006 });
    this.#after("welcome", isSocket ? WELCOME_WITHIN_MS : 2 * WELCOME_WITHIN_MS, patience);
  }

  #welcomed(link, message) {
    if (link !== this.#link) return;
    clearTimeout(this.#timers.get("welcome"));
    this.transport = link.kind;
    this.#failures = 0;
    this.#socketFailed = link.kind === "http";
    if (link.kind === "http") this.#trySocketLater();
    this.#on.welcome(message);
  }

  /** While HTTP carries the updates, see now and then whether a socket gets through again. */
  #trySocketLater() {
    const pause = SOCKET_AGAIN_MS * (0.75 + Math.random() / 2);
    this.#after("socket", pause, () => this.#probeSocket());
  }

  #probeSocket() {
    const probe = new WebSocket(this.#urls.socket);
    const again = () => {
      probe.onopen = probe.onerror = null;
      probe.close();
      if (this.transport === "http") this.#trySocketLater();
    };
    this.#after("probe", WELCOME_WITHIN_MS, again);
    probe.onerror = again;
    probe.onopen = () => {
      clearTimeout(this.#timers.get("probe"));
      probe.onerror = null;
      probe.close();
      if (!this.#isOpen || this.transport !== "http") return;
      this.#socketFailed = false;
      this.#lose({ code: 1000 });
      this.#connect(SocketLink);
    };
  }

  #fell(link, event) {
    if (link !== this.#link || !this.#isOpen) return;
    const wasUp = this.transport !== null;
    this.#lose(event);
    if (!this.#isOpen) return; // the session has closed us on hearing it
    if (link.kind === "socket" && !wasUp && !this.#socketFailed) {
      this.#socketFailed = true; // perhaps only sockets are blocked here
      this.#connect(PollingLink);
      return;
    }
    this.#socketFailed = false;
    this.#failures += wasUp ? 0 : 1;
    const limit = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#after("again", limit * (0.5 + Math.random() / 2), () => this.#connect(SocketLink));
  }

  #lose(event) {
    clearTimeout(this.#timers.get("welcome"));
    this.transport = null;
    const link = this.#link;
    this.#link = null;
    link?.close();
    this.#on.down(event);
  }

  /** The network, the page or the phone has come back: do not wait for a timer. */
  #wake = () => {
    if (document.hidden || !this.#isOpen) return;
    if (this.transport !== null) {
      this.#link?.check(3_000);
    } else if (!this.#link) {
      clearTimeout(this.#timers.get("again"));
      this.#failures = 0;
      this.#connect(SocketLink);
    }
  };
}
