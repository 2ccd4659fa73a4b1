/**
 * People in ten notebooks on several web processes, in one Node process: the client of benchmarks/load.py.
 *
 * `type` and `flood` use the typists and viewers of collab_client.mjs. `idle` opens sockets that only listen,
 * and brings them back as the page does (static/notebooks/sync/line.js) when their servers go away. It reads
 * one JSON object from its first argument, prints one JSON object per line, and in `idle` takes words from its
 * input: what the benchmark does to the servers meanwhile.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { SCHEMA_VERSION } from "../static/notebooks/schema/version.js";
import { Copy, Eyes, pause, percentiles, person, Typist, Watch } from "./collab_client.mjs";

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 20_000;
const WELCOME_WITHIN_MS = 3_000;
const PING_EVERY_MS = 20_000;
const AT_ONCE = 10;

const say = (words) => console.log(JSON.stringify(words));
const room = (web, notebook) => `${web.replace("http", "ws")}/ws/notebooks/${notebook}/`;

/** Everybody, joined: people in turns over notebooks, and over the web processes. */
async function crowd(config) {
  const people = [];
  for (const [number, session] of config.sessions.entries()) {
    const place = number % config.notebooks.length;
    const web = config.webs[Math.floor(number / config.notebooks.length) % config.webs.length];
    const one = { server: "ours", url: room(web, config.notebooks[place]), origin: web, sessions: [session] };
    const isEditor = number < config.editors;
    people.push({ ...person(one, 0, isEditor ? new Copy() : new Eyes()), place, isEditor });
    if (number % AT_ONCE === AT_ONCE - 1) await Promise.all(people.map(({ line }) => line.joined));
  }
  await Promise.all(people.map(({ line }) => line.joined));
  return people;
}

function leave(people) {
  for (const { line } of people) line.close();
}

/** Everybody types at a person's pace; how long until each peer has each letter? */
async function type(config) {
  const people = await crowd(config);
  const watches = config.notebooks.map(() => new Watch());
  for (const { copy, place } of people) watches[place].watch(copy);
  say({ event: "joined" });
  const period = 1000 / config.keysPerSecond;
  const keys = Math.round(config.seconds * config.keysPerSecond);
  let expected = 0;
  const before = process.cpuUsage();
  const typing = people
    .filter(({ isEditor }) => isEditor)
    .map(async ({ copy: { doc }, place }, number) => {
      const typist = new Typist(doc);
      const peers = people.filter((other) => other.place === place).length - 1;
      await pause((number * period) / config.editors);
      const start = performance.now();
      for (let key = 0; key < keys; key++) {
        await pause(Math.max(0, start + key * period - performance.now()));
        watches[place].press(doc, () => typist.type("abcdefghijklmnopqrstuvwxyz"[key % 26]));
        expected += peers;
      }
    });
  await Promise.all(typing);
  const cpu = process.cpuUsage(before);
  const arrived = () => watches.reduce((sum, { latencies }) => sum + latencies.length, 0);
  for (let wait = 0; wait < 400 && arrived() < expected; wait++) await pause(25);
  leave(people);
  return {
    latency: percentiles(watches.flatMap(({ latencies }) => latencies)),
    ack: percentiles(people.flatMap(({ line }) => line.acks ?? [])),
    missing: expected - arrived(),
    clientCpuS: (cpu.user + cpu.system) / 1e6,
  };
}

/** Each editor types its next letter as soon as the one before is acknowledged: how many a second? */
async function flood(config) {
  const people = await crowd(config);
  say({ event: "joined" });
  const before = process.cpuUsage();
  const end = performance.now() + config.seconds * 1000;
  const acknowledged = people.map(async ({ copy, line, isEditor }) => {
    if (!isEditor) return 0;
    const typist = new Typist(copy.doc);
    let count = 0;
    while (performance.now() < end) {
      typist.type("x");
      while (line.unacknowledged > 0 && performance.now() < end) await pause(1);
      count += line.unacknowledged === 0 ? 1 : 0;
    }
    return count;
  });
  const count = (await Promise.all(acknowledged)).reduce((sum, one) => sum + one, 0);
  const cpu = process.cpuUsage(before);
  leave(people);
  return { keysPerS: count / config.seconds, clientCpuS: (cpu.user + cpu.system) / 1e6 };
}

/** A socket that listens, and comes back. */
class Idler {
  isJoined = false;
  #failures = 0;

  constructor(number, config, count) {
    this.number = number;
    this.config = config;
    this.count = count;
    this.connect();
    setTimeout(() => setInterval(() => this.#ping(), PING_EVERY_MS), Math.random() * PING_EVERY_MS);
  }

  connect() {
    const { webs, notebooks, sessions } = this.config;
    const web = webs[(this.number + this.#failures) % webs.length]; // as a proxy would: another one next
    const headers = { cookie: `sessionid=${sessions[this.number % sessions.length]}` };
    const url = room(web, notebooks[this.number % notebooks.length]);
    const socket = new WebSocket(url, { headers, origin: web });
    const late = setTimeout(() => this.#giveUp(socket), WELCOME_WITHIN_MS);
    socket.on("open", () => {
      const client = Math.floor(Math.random() * 2 ** 32);
      socket.send(JSON.stringify({ type: "hello", schema: SCHEMA_VERSION, client, seq: 0 }));
    });
    socket.on("message", (data) => {
      if (this.isJoined || typeof data !== "string" || JSON.parse(data).type !== "welcome") return;
      clearTimeout(late);
      this.#failures = 0;
      this.#turn(true);
    });
    socket.on("error", (error) => {
      if (!socket.isGivenUp) this.count.fail(error);
    });
    socket.on("close", () => {
      clearTimeout(late);
      if (!this.isJoined) this.#failures += 1;
      this.#turn(false);
      const limit = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
      setTimeout(() => this.connect(), limit * (0.5 + Math.random() / 2));
    });
    this.socket = socket;
  }

  #ping() {
    if (this.isJoined) this.socket.send(JSON.stringify({ type: "ping" }));
  }

  #giveUp(socket) {
    this.count.late += 1;
    socket.isGivenUp = true;
    socket.terminate();
  }

  #turn(isJoined) {
    if (this.isJoined === isJoined) return;
    this.isJoined = isJoined;
    this.count.joined += isJoined ? 1 : -1;
  }
}

/** How many are there, and what went wrong while the servers listened. */
class Count {
  joined = 0;
  late = 0;
  errors = [];
  listens = true;

  fail(error) {
    if (this.listens) this.errors.push(String(error));
  }

  async reaches(wanted, withinMs) {
    const start = performance.now();
    while (this.joined < wanted && performance.now() - start < withinMs) await pause(10);
    return (performance.now() - start) / 1000;
  }
}

async function idle(config) {
  const count = new Count();
  const opened = performance.now();
  for (let number = 0; number < config.sockets; number++) {
    new Idler(number, config, count);
    if (number % 50 === 49) await count.reaches(number - 100, 10_000);
  }
  await count.reaches(config.sockets, 60_000);
  say({
    event: "joined",
    joined: count.joined,
    seconds: (performance.now() - opened) / 1000,
    late: count.late,
  });
  const words = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  await words.next(); // the servers are about to die
  count.listens = false;
  say({ event: "ready" });
  await words.next(); // they listen again
  count.listens = true;
  count.late = 0;
  const backAfterUpS = await count.reaches(config.sockets, 60_000);
  const away = config.sockets - count.joined;
  const { errors, late } = count;
  return { backAfterUpS, away, late, errors: errors.length, examples: errors.slice(0, 5) };
}

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
say(await { type, flood, idle }[config.task](config));
process.exit(0);
