/**
 * A viewer of words that stream: messages are late, lost, repeated; connections end and begin again.
 *
 *   node texts.js SEED ROUNDS   ->   JSON of {rounds, disconnects, gaps, wrong}
 */
import { LiveTexts } from "../../../../static/notebooks/chain/liveTexts.js";
import { chance } from "./people.js";

const [seed, rounds] = process.argv.slice(2).map(Number);
const { below, next, pick } = chance(seed);
const PIECES = ["a", " ", "word", "ü", "👋🏽", "日本", "\n", "e\u0301"];
let disconnects = 0;
let gaps = 0;

/** What the server has: every delta that was ever sent, and the checkpoint that a snapshot shows. */
class Server {
  text = "";
  saved = "";
  deltas = [];

  write() {
    const text = pick(PIECES);
    this.deltas.push({ step: "s", variant: 0, seq: this.text.length, text });
    this.text += text;
    if (next() < 0.3) this.saved = this.text;
    return this.deltas.at(-1);
  }

  /** A killed worker goes on from its checkpoint and says again what follows it. */
  resume() {
    return this.deltas.filter(({ seq }) => seq >= this.saved.length);
  }

  snapshot(isOver = false) {
    const text = isOver ? this.text : this.saved;
    return [
      { steps: [{ step: "s", texts: [{ variant: 0, text, seq: text.length, output: isOver && "o" }] }] },
    ];
  }
}

class Viewer {
  live = new LiveTexts();
  inFlight = [];

  constructor(server) {
    this.server = server;
  }

  get shown() {
    return this.live.get("s", 0);
  }

  disconnect() {
    disconnects += 1;
    this.inFlight.splice(0, below(this.inFlight.length + 1));
    this.live.catchUp(this.server.snapshot());
  }

  /** Hear something, now and then not the oldest, now and then not for the last time. */
  hear() {
    const { inFlight } = this;
    const delta = next() < 0.9 ? inFlight.shift() : inFlight.splice(below(inFlight.length), 1)[0];
    if (next() < 0.1) inFlight.push(delta);
    if (this.live.take(delta)) return;
    gaps += 1;
    this.live.catchUp(this.server.snapshot());
  }
}

function watch() {
  const server = new Server();
  const viewer = new Viewer(server);
  for (let at = 0; at < 40; at++) {
    if (next() < 0.85) viewer.inFlight.push(server.write());
    if (next() < 0.05) viewer.inFlight.push(...server.resume());
    if (next() < 0.1) viewer.disconnect();
    while (viewer.inFlight.length && next() < 0.6) viewer.hear();
    if (!server.text.startsWith(viewer.shown)) return { shown: viewer.shown, sent: server.text };
  }
  for (const delta of viewer.inFlight) viewer.live.take(delta);
  viewer.live.catchUp(server.snapshot(true));
  return viewer.shown === server.text ? null : { shown: viewer.shown, sent: server.text };
}

const wrong = [];
for (let round = 0; round < rounds; round++) wrong.push(watch());
const found = wrong.filter(Boolean).slice(0, 3);
process.stdout.write(JSON.stringify({ rounds, disconnects, gaps, wrong: found }));
