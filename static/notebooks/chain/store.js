/**
 * What the page knows of the chain: how every cell stands, what Update would do, what is being written.
 *
 * The server's answer (apps/notebooks/chain_page.py) is the truth; events say when to ask again, and carry the words
 * of running steps in between. At most once for each frame that is drawn, and only for what differs, there is a DOM
 * event: `change` when cells stand differently, `words` when no more than words have come. Its detail is the set of the
 * cells' ids, null for all.
 */
import { isUnreached, postForm, Refused } from "../editor/requests.js";
import { say } from "../editor/words.js";
import { LiveTexts } from "./liveTexts.js";

const REST_MS = 80; // events come in groups
const EACH_MS = 8; // for each page that has the notebook open: a hundred of them do not ask at once
const SPREAD_MS = 1500; // at most
const GAP_MS = 300; // a snapshot lags behind the deltas by about so much
const POLL_MS = 1000; // while something is written and events cannot reach us
const POLL_IDLE_MS = 5000;
const LANDING_MS = 3000; // what was written should be in the document by then
const SAVED_MS = 3000; // longest wait for what was just typed to arrive
const OVER = new Set(["succeeded", "cached", "failed", "cancelled"]);
const GONE_ON = new Set(["queued", "running"]); // of runs: not over

export class ChainStore extends EventTarget {
  #timer = 0;
  #due = 0;
  #asking = false;
  #again = false;
  #late = false; // something happened while nobody was looking
  #tookMs = 0;
  #frame = 0;
  #differing = new Set(); // cells that differ since the last frame; null: all
  #onlyWords = true;
  #live = new LiveTexts();
  #steps = new Map(); // cell key -> {run, step, status, error, variants}
  #problems = new Map(); // cell key -> words
  #stop = new AbortController();

  constructor({ session, url, notebookId, note, ai = false }) {
    super();
    Object.assign(this, { session, url, notebookId, note, ai });
    this.cells = new Map();
    this.update = { count: 0, elsewhere: 0, seconds: 0, tokens: 0 };
    this.runs = [];
    this.mayRun = false;
    this.mayEdit = false;
    this.known = false;
    this.isStopping = false; // Stop was pressed here and is not answered yet
    this.sources = new Map(); // cell key -> what a cell of another notebook is called
    const { signal } = this.#stop;
    session.addEventListener("event", ({ detail }) => this.#hear(detail), { signal });
    session.addEventListener("level", () => this.refresh(0), { signal });
    session.addEventListener("state", () => this.#reconnected(), { signal });
    document.addEventListener("visibilitychange", () => this.#late && this.refresh(0), { signal });
    this.refresh(0);
  }

  destroy() {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#stop.abort();
  }

  /** Whether any run of the notebook goes on. */
  get isWriting() {
    return this.runs.some(({ status }) => GONE_ON.has(status));
  }

  /** Place in the organization's line of the first run that waits; 0 when none does. */
  get position() {
    return this.runs.find(({ status }) => status === "queued")?.position ?? 0;
  }

  /** Why the first run that waits has to, beyond its place in the line; empty when nothing else holds it. */
  get heldBy() {
    return this.runs.find(({ status }) => status === "queued")?.held ?? "";
  }

  cell(id) {
    return this.cells.get(id);
  }

  /** Return why a source cannot be read from here, in words; nothing where it can. */
  problemOf(key) {
    return this.#problems.get(key) ?? "";
  }

  /** Return what is being written into a cell: {status, error, texts}; null when nothing is. */
  writing(id) {
    const step = this.#steps.get(`${this.notebookId}:${id}`);
    if (!step) return null;
    const texts = Array.from({ length: step.variants }, (_, variant) => this.#live.get(step.step, variant));
    return { ...step, texts };
  }

  /** Ask the server soon; many wishes are one question. */
  refresh(rest = REST_MS) {
    const due = performance.now() + rest;
    if (this.#timer && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#ask(), rest);
  }

  /** Ask soon, but not with everybody else, nor faster than the server answers. */
  #refreshAmongOthers() {
    const others = Math.max(0, this.session.awareness.getStates().size - 1);
    const spread = Math.random() * Math.min(SPREAD_MS, others * EACH_MS);
    this.refresh(Math.max(REST_MS, this.#tookMs) + spread);
  }

  async #ask() {
    this.#timer = 0;
    this.#late = document.hidden && this.known;
    if (this.#late) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    const since = performance.now();
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(this.url, { headers, signal: this.#stop.signal });
      if (answer.ok) this.#take(await answer.json());
    } catch {
      // offline or leaving: the next event or connection asks again
    } finally {
      this.#tookMs = performance.now() - since;
      this.#asking = false;
      if (this.#again) this.refresh(Math.max(REST_MS, this.#tookMs));
      this.#again = false;
      this.#pollSoon();
    }
  }

  /** Where no socket is let through nobody tells us of events. */
  #pollSoon() {
    if (this.#stop.signal.aborted || this.session.state.transport !== "http") return;
    this.refresh(this.isWriting ? POLL_MS : POLL_IDLE_MS * (1 + Math.random() / 2));
  }

  #take(state) {
    this.known = true;
    this.ai = state.ai;
    this.mayRun = state.may_run;
    this.mayEdit = state.may_edit ?? false;
    this.cells = new Map(state.cells.map((cell) => [cell.id, cell]));
    const problems = state.cells.flatMap((cell) => cell.problems);
    this.#problems = new Map(problems.map(({ target, words }) => [target, words]));
    this.sources = new Map(Object.entries(state.sources ?? {}));
    this.update = state.update ?? { count: 0, elsewhere: 0, seconds: 0, tokens: 0 };
    this.runs = state.runs ?? [];
    this.#takeSteps();
    if (!this.#live.catchUp(this.runs)) this.refresh(GAP_MS);
    this.#live.keepOnly(new Set([...this.#steps.values()].map(({ step }) => step)));
    this.#differs(null);
  }

  /** Keep the steps that are not written yet, the words that the document lacks, and the last run's failures. */
  #takeSteps() {
    this.#steps = new Map();
    for (const { run, steps } of this.runs) {
      for (const { key, step, status, error, variants } of steps) {
        const cell = this.#cellOf(key);
        const hasLanded = cell?.step === step && cell.came_back >= variants;
        const lands = status === "succeeded" && cell && !hasLanded;
        const shown = !OVER.has(status) || status === "failed" || lands;
        if (shown) this.#steps.set(key, { run, step, status, error, variants });
        else this.#steps.delete(key); // an older run's: this one came after it
      }
    }
  }

  #cellOf(key) {
    const [notebook, cell] = key.split(":");
    return notebook === this.notebookId ? this.cells.get(cell) : undefined;
  }

  #hear(event) {
    if (event.type === "inference.delta") this.#delta(event);
    else if (event.type === "inference.step") this.#step(event);
    else if (event.type === "inference.run") this.#run(event);
    else if (event.type === "chain.changed") this.#refreshAmongOthers();
    else if (event.type === "ai.switched") this.refresh(0);
  }

  #delta(event) {
    const step = this.#steps.get(event.key);
    if (!step || step.step !== event.step) this.refresh();
    else if (!OVER.has(step.status)) step.status = "streaming";
    if (this.#live.take(event)) this.#differs(event.key, { onlyWords: true });
    else this.refresh(GAP_MS);
  }

  #step({ key, step, status, error }) {
    const known = this.#steps.get(key);
    if (known?.step !== step) return this.#refreshAmongOthers();
    Object.assign(known, { status, error });
    // What was written lands in the document next, which is an event of its own; this is for when it gets lost.
    if (status === "succeeded") this.refresh(LANDING_MS + Math.random() * SPREAD_MS);
    else if (OVER.has(status)) this.#refreshAmongOthers();
    return this.#differs(key);
  }

  #run({ run, status }) {
    const known = this.runs.find((one) => one.run === run);
    if (!known || OVER.has(status) || this.position) this.#refreshAmongOthers();
    if (!known) return;
    known.status = status;
    this.#differs();
  }

  #reconnected() {
    const { transport } = this.session.state;
    if (transport && transport !== this.transport) this.refresh();
    this.transport = transport;
  }

  /** Tell of it at the next frame: of one cell, of all (null), or of nothing but the runs. */
  #differs(key, { onlyWords = false } = {}) {
    if (key === null) this.#differing = null;
    else if (key) this.#differing?.add(key.split(":")[1]);
    this.#onlyWords &&= onlyWords;
    this.#frame ||= requestAnimationFrame(() => {
      const [kind, detail] = [this.#onlyWords ? "words" : "change", this.#differing];
      [this.#frame, this.#differing, this.#onlyWords] = [0, new Set(), true];
      this.dispatchEvent(new CustomEvent(kind, { detail }));
    });
  }

  /** Write what is out of date, or the given cells; a second press with the same key is the same run. */
  async run(cells = []) {
    await this.#saved();
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    await this.#post("run/", { key, cells: cells.join(",") });
  }

  /** Wait until the server has what was typed, as far as it can be reached: models read what stands there. */
  #saved() {
    const { session } = this;
    const isSaved = () => !session.state.pending;
    if (isSaved()) return Promise.resolve();
    return new Promise((resolve) => {
      const listening = new AbortController();
      const done = () => {
        listening.abort();
        resolve();
      };
      session.addEventListener("state", () => isSaved() && done(), { signal: listening.signal });
      setTimeout(done, SAVED_MS);
    });
  }

  async stop() {
    this.isStopping = true;
    this.#differs();
    try {
      await this.#post("stop/");
    } finally {
      this.isStopping = false;
    }
  }

  adopt(output) {
    return this.#post(`outputs/${output}/adopt/`);
  }

  dismiss(output) {
    return this.#post(`outputs/${output}/dismiss/`);
  }

  back(cell) {
    return this.#post(`cells/${cell}/back/`);
  }

  async release(cell) {
    const done = await this.#post(`cells/${cell}/release/`);
    if (done) this.note(say("chain_released", { number: done.release }));
  }

  async #post(path, fields = {}) {
    try {
      const done = await postForm(this.url + path, fields);
      this.refresh(0);
      return done;
    } catch (error) {
      if (isUnreached(error)) this.note(say("chain_unreached"), "error");
      else if (error instanceof Refused) this.note(error.message || say("chain_refused"), "error");
      else throw error;
      this.refresh(0);
      return null;
    }
  }
}
