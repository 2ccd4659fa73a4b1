/**
 * What a page finds in a browser, as far as static/notebooks/sync asks for it: IndexedDB in memory, and
 * sockets whose other end is whoever started this process.
 *
 * Pauses below three seconds pass twenty times as fast; what waits for an answer waits as long as ever.
 */
import { setMaxListeners } from "node:events";

const FAST_BELOW_MS = 3_000;
const TIMES = 20;
const tick = () => new Promise((resolve) => setImmediate(resolve));

// --- IndexedDB: one transaction at a time, requests in their order -----------------------------------

class Transaction {
  #requests = [];

  constructor(stores, before) {
    this.stores = stores;
    this.done = before.then(() => this.#run());
  }

  objectStore(name) {
    const { rows, keys } = this.stores.get(name);
    const ask = (work) => {
      const request = {};
      this.#requests.push([request, work]);
      return request;
    };
    return {
      get: (key) => ask(() => rows.get(key)),
      getAll: () => ask(() => [...rows.values()]),
      getAllKeys: () => ask(() => [...rows.keys()]),
      count: () => ask(() => rows.size),
      add: (value) => ask(() => rows.set(keys.next++, structuredClone(value))),
      put: (value, key) => ask(() => rows.set(key, structuredClone(value))),
      delete: (key) => ask(() => rows.delete(key)),
      clear: () => ask(() => rows.clear()),
    };
  }

  async #run() {
    await tick();
    while (this.#requests.length) {
      const [request, work] = this.#requests.shift();
      request.result = work();
      request.onsuccess?.({ target: request });
      await tick();
    }
    this.oncomplete?.();
  }
}

class Database {
  #stores = new Map();
  #last = Promise.resolve();

  createObjectStore(name) {
    this.#stores.set(name, { rows: new Map(), keys: { next: 1 } });
  }

  transaction() {
    const transaction = new Transaction(this.#stores, this.#last);
    this.#last = transaction.done;
    return transaction;
  }

  close() {}
}

const databases = new Map();

const indexedDB = {
  open(name) {
    const request = {};
    tick().then(() => {
      const isNew = !databases.has(name);
      if (isNew) databases.set(name, new Database());
      request.result = databases.get(name);
      if (isNew) request.onupgradeneeded?.({ target: request });
      request.onsuccess?.({ target: request });
    });
    return request;
  },
  deleteDatabase(name) {
    const request = {};
    databases.delete(name);
    tick().then(() => request.onsuccess?.({ target: request }));
    return request;
  },
  databases: async () => [...databases.keys()].map((name) => ({ name })),
};

// --- sockets -----------------------------------------------------------------------------------------

const sockets = new Map();
const offline = new Set();
let tell = () => {};
let nextId = 1;

class LineSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 3;
  readyState = 0;

  constructor(url) {
    this.page = new URL(url).hostname;
    this.id = nextId++;
    if (offline.has(this.page)) {
      tick().then(() => this.end(1006));
      return;
    }
    sockets.set(this.id, this);
    tell({ socket: this.id, page: this.page, does: "open" });
  }

  send(data) {
    if (this.readyState !== 1) return;
    const words = typeof data === "string" ? { text: data } : { bytes: Buffer.from(data).toString("base64") };
    tell({ socket: this.id, does: "send", ...words });
  }

  close() {
    if (this.readyState === 3) return;
    tell({ socket: this.id, does: "close" });
    this.end(1000);
  }

  hear(news) {
    if (news.opened) {
      this.readyState = 1;
      this.onopen?.({});
    } else if (news.closed) this.end(news.closed);
    else this.onmessage?.({ data: news.text ?? Uint8Array.from(Buffer.from(news.bytes, "base64")).buffer });
  }

  end(code) {
    sockets.delete(this.id);
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

/** Pass on what the other end of a socket says. */
export function hear(news) {
  sockets.get(news.socket)?.hear(news);
}

/** Take a page off the network, or let it back. */
export function setOffline(page, isOffline) {
  if (!isOffline) {
    offline.delete(page);
    globalThis.dispatchEvent(new Event("online"));
    return;
  }
  offline.add(page);
  for (const socket of [...sockets.values()]) if (socket.page === page) socket.end(1006);
}

/** Put all this where the page's scripts look for it; `say` carries what sockets do. */
export function become(say) {
  tell = say;
  const events = new EventTarget();
  const { setTimeout: later, setInterval: often } = globalThis;
  const page = Object.assign(new EventTarget(), { hidden: false, cookie: "" });
  setMaxListeners(0, events, page); // many pages share them
  const soon = (ms) => (ms < FAST_BELOW_MS ? ms / TIMES : ms);
  Object.assign(globalThis, {
    indexedDB,
    WebSocket: LineSocket,
    document: page,
    addEventListener: (...words) => events.addEventListener(...words),
    removeEventListener: (...words) => events.removeEventListener(...words),
    dispatchEvent: (event) => events.dispatchEvent(event),
    fetch: async () => {
      throw new Error("only sockets lead out of here");
    },
    setTimeout: (work, ms, ...words) => later(work, soon(ms), ...words),
    setInterval: (work, ms, ...words) => often(work, soon(ms), ...words),
  });
  globalThis.navigator ??= {};
}
