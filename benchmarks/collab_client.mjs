/**
 * Many people in one notebook, in one Node process: the client of benchmarks/collab.py.
 *
 * The same typists, readers and Yjs documents for both servers; only the adapter differs that puts an
 * update on the wire and takes one off it. Editors hold a document each. Viewers decode what arrives and
 * keep none: a hundred documents in one process would measure its garbage collector. Reads one JSON object
 * from its first argument (see `main`) and prints one.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import WebSocket from "ws";
import * as Y from "yjs";
import { SCHEMA_VERSION } from "../static/notebooks/schema/version.js";

const REMOTE = "remote";
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** An editor's copy. */
class Copy {
  constructor() {
    this.doc = new Y.Doc();
    this.doc.getXmlFragment("document");
  }

  get client() {
    return this.doc.clientID;
  }

  get vector() {
    return Y.encodeStateVector(this.doc);
  }

  missing(vector) {
    return Y.encodeStateAsUpdate(this.doc, vector);
  }

  onOwn(put) {
    this.doc.on("update", (update, origin) => {
      if (origin !== REMOTE) put(update);
    });
  }

  /** Call with (client, clock before, clock after) for whatever arrives. */
  onArrival(note) {
    this.doc.on("afterTransaction", ({ origin, beforeState, afterState }) => {
      if (origin !== REMOTE) return;
      for (const [client, clock] of afterState) note(client, beforeState.get(client) ?? 0, clock);
    });
  }

  take(updates) {
    this.doc.transact(() => {
      for (const update of updates) Y.applyUpdate(this.doc, update, REMOTE);
    }, REMOTE);
  }
}

/** A viewer's eyes: the same interface without a document. */
class Eyes {
  client = Math.floor(Math.random() * 2 ** 32);
  vector = new Uint8Array([0]);
  #note = () => {};

  missing() {
    return new Uint8Array([0, 0]);
  }

  onOwn() {}

  onArrival(note) {
    this.#note = note;
  }

  take(updates) {
    for (const update of updates) {
      const { from, to } = Y.parseUpdateMeta(update);
      for (const [client, clock] of to) this.#note(client, from.get(client) ?? 0, clock);
    }
  }
}

/** What both adapters share: a socket, a copy, and the count of bytes until it is joined. */
class Line {
  bytes = 0;
  joinedBytes = 0;
  joined = new Promise((resolve) => {
    this.resolveJoined = resolve;
  });

  constructor(url, options, copy) {
    this.copy = copy;
    this.socket = new WebSocket(url, options);
    this.socket.on("open", () => this.greet());
    this.socket.on("message", (data) => {
      this.bytes += data.length;
      this.take(data);
    });
    this.socket.on("error", (error) => console.error(String(error)));
    copy.onOwn((update) => this.put(update));
  }

  markJoined() {
    this.joinedBytes ||= this.bytes;
    this.resolveJoined();
  }

  close() {
    this.socket.removeAllListeners("message");
    this.socket.close();
  }
}

/** apps/notebooks/messages.py */
class OurLine extends Line {
  acks = [];
  #sentAt = new Map();
  #nextId = 1;

  greet() {
    this.socket.send(
      JSON.stringify({ type: "hello", schema: SCHEMA_VERSION, client: this.copy.client, seq: 0 }),
    );
  }

  put(update) {
    const id = this.#nextId++;
    this.#sentAt.set(id, performance.now());
    const encoder = encoding.createEncoder();
    encoding.writeUint8(encoder, 3);
    encoding.writeVarUint(encoder, id);
    encoding.writeUint8Array(encoder, update);
    this.socket.send(encoding.toUint8Array(encoder));
  }

  get unacknowledged() {
    return this.#sentAt.size;
  }

  take(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "ack") this.#acknowledge(message.ids);
      else if (message.type === "refused") throw new Error(`refused: ${message.reason}`);
      return;
    }
    const decoder = decoding.createDecoder(data);
    const kind = decoding.readUint8(decoder);
    if (kind > 1) return;
    decoding.readVarUint(decoder);
    if (kind === 1) decoding.readVarUint(decoder);
    const updates = [];
    while (decoding.hasContent(decoder)) updates.push(decoding.readVarUint8Array(decoder));
    this.copy.take(updates);
    if (kind === 0) this.markJoined();
  }

  #acknowledge(ids) {
    const now = performance.now();
    for (const id of ids) {
      this.acks.push(now - this.#sentAt.get(id));
      this.#sentAt.delete(id);
    }
  }
}

/** y-websocket 2.1.0 (y-protocols' sync messages). */
class PeerLine extends Line {
  acks = [];
  unacknowledged = 0;

  greet() {
    this.#send(0, this.copy.vector);
  }

  put(update) {
    this.#send(2, update);
  }

  take(data) {
    const decoder = decoding.createDecoder(data);
    if (decoding.readVarUint(decoder) !== 0) return;
    const kind = decoding.readVarUint(decoder);
    const content = decoding.readVarUint8Array(decoder);
    if (kind === 0) {
      this.#send(1, this.copy.missing(content));
      return;
    }
    this.copy.take([content]);
    if (kind === 1) this.markJoined();
  }

  #send(kind, content) {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, 0);
    encoding.writeVarUint(encoder, kind);
    encoding.writeVarUint8Array(encoder, content);
    this.socket.send(encoding.toUint8Array(encoder));
  }
}

function person(config, number, copy = new Copy()) {
  if (config.server === "y-websocket") return { copy, line: new PeerLine(config.url, {}, copy) };
  const headers = { cookie: `sessionid=${config.sessions[number % config.sessions.length]}` };
  return { copy, line: new OurLine(config.url, { headers, origin: config.origin }, copy) };
}

/** Types letter after letter into a paragraph of its own, a new one after each line. */
class Typist {
  #text = null;

  constructor(doc) {
    this.doc = doc;
  }

  type(letter) {
    this.doc.transact(() => {
      if (this.#text === null || this.#text.length >= 80) {
        const paragraph = new Y.XmlElement("paragraph");
        this.#text = new Y.XmlText();
        paragraph.insert(0, [this.#text]);
        this.doc.getXmlFragment("document").push([paragraph]);
      }
      this.#text.insert(this.#text.length, letter);
    });
  }
}

/** Notes when each key was pressed, and when each peer had it. */
class Watch {
  latencies = [];
  #pressedAt = new Map(); // client -> clock -> when

  press(doc, work) {
    const at = performance.now();
    work();
    const clocks = this.#pressedAt.get(doc.clientID) ?? new Map();
    clocks.set(Y.getState(doc.store, doc.clientID), at);
    this.#pressedAt.set(doc.clientID, clocks);
  }

  watch(copy) {
    copy.onArrival((client, before, clock) => this.#arrived(client, before, clock, performance.now()));
  }

  #arrived(client, before, clock, now) {
    const clocks = this.#pressedAt.get(client);
    for (let at = before + 1; clocks && at <= clock; at++) {
      const pressed = clocks.get(at);
      if (pressed !== undefined) this.latencies.push(now - pressed);
    }
  }
}

function percentiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** Write `words` words into the notebook, each an update of its own, by several hands. */
async function fill(config) {
  const hands = await Promise.all(
    Array.from({ length: 8 }, async (_none, number) => {
      const { copy, line } = person(config, number);
      await line.joined;
      return { typist: new Typist(copy.doc), line };
    }),
  );
  const words = readFileSync(new URL(import.meta.url), "utf8").match(/[a-z]+/gi);
  for (let number = 0; number < config.words; number++) {
    const hand = hands[Math.floor(number / 12) % hands.length];
    hand.typist.type(`${words[number % words.length]} `);
    if (number % 100 === 99) await pause(config.server === "y-websocket" ? 4 : 1);
    while (hand.line.unacknowledged > 200) await pause(1);
  }
  while (hands.some(({ line }) => line.unacknowledged > 0)) await pause(5);
  await pause(500);
  for (const { line } of hands) line.close();
  return { words: config.words };
}

async function join(config) {
  const { copy, line } = person(config, 0);
  await line.joined;
  await pause(100);
  line.close();
  const content = copy.doc.getXmlFragment("document").toString();
  return { bytes: line.joinedBytes, length: content.length };
}

async function type(config) {
  const people = [];
  for (let number = 0; number < config.editors + config.viewers; number++) {
    people.push(person(config, number, number < config.editors ? new Copy() : new Eyes()));
    if (number % 10 === 9) await Promise.all(people.map(({ line }) => line.joined));
  }
  await Promise.all(people.map(({ line }) => line.joined));
  const watch = new Watch();
  for (const { copy } of people) watch.watch(copy);
  const period = 1000 / config.keysPerSecond;
  let pressed = 0;
  const editors = people.slice(0, config.editors).map(async ({ copy: { doc } }, number) => {
    const typist = new Typist(doc);
    await pause((number * period) / config.editors);
    const start = performance.now();
    const keys = Math.round(config.seconds * config.keysPerSecond);
    for (let key = 0; key < keys; key++) {
      await pause(Math.max(0, start + key * period - performance.now()));
      watch.press(doc, () => typist.type("abcdefghijklmnopqrstuvwxyz"[key % 26]));
      pressed += 1;
    }
  });
  const cpuBefore = process.cpuUsage();
  await Promise.all(editors);
  const cpu = process.cpuUsage(cpuBefore);
  const expected = pressed * (people.length - 1);
  for (let wait = 0; wait < 400 && watch.latencies.length < expected; wait++) await pause(25);
  const acks = people.flatMap(({ line }) => line.acks);
  for (const { line } of people) line.close();
  return {
    latency: percentiles(watch.latencies),
    ack: percentiles(acks),
    pressed,
    missing: expected - watch.latencies.length,
    clientCpuShare: (cpu.user + cpu.system) / 1e6 / config.seconds,
  };
}

async function main() {
  const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
  const figures = await { fill, join, type }[config.task](config);
  console.log(JSON.stringify(figures));
  process.exit(0);
}

export { Copy, Eyes, pause, percentiles, person, Typist, Watch };

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
