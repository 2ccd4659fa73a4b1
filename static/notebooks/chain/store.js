/**
 * What the page knows of the chain: how every cell stands, what Update would do, what is being written.
 *
 * The server's answer (apps/notebooks/chain_page.py) is the truth; events say when to ask again, and carry the words
 * of running steps in between. DOM event `change` after every difference.
 */
import { postForm, Refused } from "../editor/requests.js";
import { say } from "../editor/words.js";
import { LiveTexts } from "./liveTexts.js";

const REST_MS = 80; // events come in groups
const GAP_MS = 300; // a snapshot lags behind the deltas by about so much
const POLL_MS = 1000; // while something is written and events cannot reach us
const OVER = new Set(["succeeded", "cached", "failed", "cancelled"]);

export class ChainStore extends EventTarget {
  #timer = 0;
  #asking = null;
  #again = false;
  #live = new LiveTexts();
  #steps = new Map(); // cell key -> {run, step, status, error, variants}
  #stop = new AbortController();

  constructor({ session, url, notebookId, note }) {
    super();
    Object.assign(this, { session, url, notebookId, note });
    this.cells = new Map();
    this.update = { count: 0, elsewhere: 0, seconds: 0, tokens: 0 };
    this.runs = [];
    this.ai = false;
    this.mayRun = false;
    this.mayEdit = false;
    this.known = false;
    const { signal } = this.#stop;
    session.addEventListener("event", ({ detail }) => this.#hear(detail), { signal });
    session.addEventListener("level", () => this.refresh(), { signal });
    session.addEventListener("state", () => this.#reconnected(), { signal });
    this.refresh(0);
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }

  /** Whether any run of the notebook goes on. */
  get isWriting() {
    return this.runs.some(({ status }) => status === "queued" || status === "running");
  }

  /** Whether somebody has pressed Stop and the words have not ended yet. */
  get isStopping() {
    return this.runs.some(({ stopping, status }) => stopping && !OVER.has(status));
  }

  /** Place in the organization's line of the first run that waits; 0 when none does. */
  get position() {
    return this.runs.find(({ status }) => status === "queued")?.position ?? 0;
  }

  cell(id) {
    return this.cells.get(id);
  }

  /** Return why a source cannot be read from here, in words; nothing where it can. */
  problemOf(key) {
    for (const { problems } of this.cells.values()) {
      const found = problems.find(({ target }) => target === key);
      if (found) return found.words;
    }
    return "";
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
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), rest);
  }

  async #ask() {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = new AbortController();
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(this.url, { headers, signal: this.#stop.signal });
      if (answer.ok) this.#take(await answer.json());
    } catch {
      // offline or leaving: the next event or connection asks again
    } finally {
      this.#asking = null;
      if (this.#again) {
        this.#again = false;
        this.refresh();
      }
    }
  }

  #take(state) {
    this.known = true;
    this.ai = state.ai;
    this.mayRun = state.may_run;
    this.mayEdit = state.may_edit ?? false;
    this.cells = new Map(state.cells.map((cell) => [cell.id, cell]));
    this.update = state.update ?? { count: 0, elsewhere: 0, seconds: 0, tokens: 0 };
    this.runs = state.runs ?? [];
    this.#takeSteps();
    if (!this.#live.catchUp(this.runs)) this.refresh(GAP_MS);
    this.#live.keepOnly(new Set([...this.#steps.values()].map(({ step }) => step)));
    this.#changed();
    if (this.isWriting && this.session.state.transport !== "socket") this.refresh(POLL_MS);
  }

  /** Keep the steps that are not written yet, and the failures of the last run of each cell. */
  #takeSteps() {
    this.#steps.clear();
    for (const { run, status, steps } of this.runs) {
      for (const { key, step, status: at, error, variants } of steps) {
        const shown = !OVER.has(at) || at === "failed";
        if (shown) this.#steps.set(key, { run, step, status: at, error, variants });
        else if (!OVER.has(status)) this.#steps.delete(key);
      }
    }
  }

  #hear(event) {
    if (event.type === "inference.delta") this.#delta(event);
    else if (event.type === "inference.step") this.#step(event);
    else if (event.type === "inference.run" || event.type === "chain.changed") this.refresh();
  }

  #delta(event) {
    const step = this.#steps.get(event.key);
    if (!step || step.step !== event.step) this.refresh();
    else if (!OVER.has(step.status)) step.status = "streaming";
    if (this.#live.take(event)) this.#changed();
    else this.refresh(GAP_MS);
  }

  #step({ key, step, status, error }) {
    const known = this.#steps.get(key);
    if (known?.step === step) Object.assign(known, { status, error });
    this.refresh();
    this.#changed();
  }

  #reconnected() {
    const { transport } = this.session.state;
    if (transport && transport !== this.transport) this.refresh();
    this.transport = transport;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Write what is out of date, or the given cells; a second press with the same key is the same run. */
  async run(cells = []) {
    await this.session.settled();
    const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    await this.#post("run/", { key, cells: cells.join(",") });
  }

  stop() {
    return this.#post("stop/");
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
      if (!(error instanceof Refused)) throw error;
      this.note(error.message || say("chain_refused"), "error");
      this.refresh(0);
      return null;
    }
  }
}
