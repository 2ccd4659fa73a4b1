/**
 * One open notebook: a Yjs document that is kept on this device and in step with the server.
 *
 *   const session = new Session({ notebookId, user, schemaVersion, level, urls });
 *   await session.open();           // the local copy is loaded, or the first sync has arrived
 *   session.doc, session.awareness  // bind the editor to these
 *
 * `urls` may name {socket, updates, fork}. DOM events: `state`, `level` {level, trashed}, `gone`,
 * `forked` {url}, `unkeepable`, `reload`, `signedout`, `event` (any other message of the notebook's topic).
 *
 * `state.kind` tells the truth: "saved" only when the server has acknowledged every one of our updates
 * as stored; "saving" while it has not; "offline" while the server is not reached (`pending` changes
 * wait on this device, `kept` says whether they survive closing the tab); "readonly"; "refused" when
 * the server did not take some of them: `fork()` makes a copy of one's own of what is on the screen.
 */
import { uuidv4 } from "lib0/random";
import * as awarenessProtocol from "y-protocols/awareness";
import * as Y from "yjs";
import { CaretSender } from "./caretSender.js";
import { forkOf, hasMoreThanServer } from "./copies.js";
import { Line } from "./line.js";
import { forgetPage, keepPage } from "./offline.js";
import { Outgoing } from "./outgoing.js";
import { Seen } from "./seen.js";
import { nameOf, Store } from "./store.js";
import { Tabs } from "./tabs.js";
import { Timers } from "./timers.js";
import { defaultUrls } from "./urls.js";
import { toBase64 } from "./wire.js";

const EDIT = 40; // the lowest level whose updates are taken (apps.organizations.policy.Level)
const HOLE_AFTER_MS = 2_000;
const CONNECTING_MS = 3_000;
const ORPHANS_EVERY_MS = 15_000;
const SIGNED_OUT = 4401;

export class Session extends EventTarget {
  #store;
  #tabs;
  #line;
  #urls;
  #schema;
  #tabId = uuidv4();
  #outgoing = new Outgoing();
  #seen = new Seen();
  #epoch = null;
  #nextKey = 1;
  #timers = new Timers();
  #carets;
  #opened = Promise.withResolvers?.() ?? deferred();
  #isJoined = false;
  #isEnded = false;
  #isConnecting = true;
  #trashed = false;
  #savedAt = new Date();
  #lastState = "";

  constructor({ notebookId, user, schemaVersion, level = 0, urls = {} }) {
    super();
    this.notebookId = notebookId;
    this.user = user;
    this.level = level;
    this.doc = new Y.Doc();
    this.awareness = new awarenessProtocol.Awareness(this.doc);
    this.#schema = schemaVersion;
    this.#urls = { ...defaultUrls(notebookId), ...urls };
    this.#store = new Store(user.id, notebookId);
    this.#tabs = new Tabs(nameOf(user.id, notebookId), this.#tabId, {
      update: (update) => Y.applyUpdate(this.doc, update, this.#tabs),
      asked: (vector) => Y.encodeStateAsUpdate(this.doc, vector),
      left: () => this.#adoptOrphans(),
    });
    this.#line = new Line(this.#urls, () => this.#hello(), this.#calls());
    this.#carets = new CaretSender(this.awareness, this.doc.clientID, (frame) => this.#line.sendBytes(frame));
    this.doc.on("update", this.#onDocUpdate);
    this.doc.on("afterTransaction", this.#leaveFormatting);
  }

  /** Resolve when there is a document to show: the copy on this device, or the first sync. */
  async open() {
    const { meta, updates, pending } = await this.#store.load();
    this.#applyAll([...updates, ...pending.map((own) => own.update)], this.#store);
    for (const own of pending) this.#outgoing.add(own.key, own.update, { resent: true });
    if (meta) {
      this.#epoch = meta.epoch;
      this.#seen = new Seen(meta.seq);
      this.#opened.resolve();
    }
    this.#tabs.ask(Y.encodeStateVector(this.doc));
    this.#line.open();
    this.#timers.after("connecting", CONNECTING_MS, () => {
      this.#isConnecting = false;
      this.#tellState();
    });
    this.#timers.every("orphans", ORPHANS_EVERY_MS, () => this.#adoptOrphans());
    addEventListener("pagehide", this.#onPageHide);
    this.#tellState();
    keepPage();
    return this.#opened.promise;
  }

  /** Whether edits made here are taken by the server. */
  get mayEdit() {
    return this.level >= EDIT && !this.#trashed && !this.#isEnded;
  }

  get state() {
    return {
      kind: this.#kind(),
      at: this.#savedAt,
      pending: this.#outgoing.pending,
      transport: this.#isJoined ? this.#line.transport : null,
      kept: this.#store.works,
    };
  }

  #kind() {
    if (this.#outgoing.hasRefused) return "refused";
    if (!this.#isJoined) return this.#isConnecting ? "saving" : "offline";
    if (!this.mayEdit) return this.#outgoing.pending ? "refused" : "readonly";
    return this.#outgoing.pending ? "saving" : "saved";
  }

  /** Send a message of one's own to the server. */
  send(message) {
    this.#line.send(message);
  }

  /** Resolve once everything typed so far is on this device's disk. */
  settled() {
    return this.#store.settled();
  }

  /** Make a new notebook of what is on the screen; return its address. */
  async fork() {
    const url = await forkOf(this.doc, this.#urls.fork);
    await this.#forget();
    this.#tell("forked", { url });
    return url;
  }

  /** Leave: the caret disappears for the others, the copy on this device stays. */
  destroy() {
    this.#end();
    this.doc.destroy();
  }

  #end() {
    if (this.#isEnded) return;
    this.#carets.end();
    this.#isEnded = true;
    this.#isJoined = false;
    this.#timers.cancelAll();
    removeEventListener("pagehide", this.#onPageHide);
    this.doc.off("update", this.#onDocUpdate);
    this.#line.close();
    this.#tabs.leave();
  }

  // --- what we write ---------------------------------------------------------------------------

  #onDocUpdate = (update, origin) => {
    if ([this, this.#store, this.#tabs].includes(origin)) return;
    if (!this.mayEdit) return;
    const key = `${this.#tabId}:${this.#nextKey++}`;
    this.#outgoing.add(key, update);
    this.#flush(); // first on its way, then onto the disk
    this.#store.addOwn(key, update);
    this.#tabs.update(update);
    this.#tellState();
  };

  /**
   * After every change that arrives Yjs deletes marks that look superfluous, on its own. A reader's deletions are
   * neither kept nor sent, and would make his copy another than everybody's.
   */
  #leaveFormatting = (transaction) => {
    if (!this.mayEdit) transaction._needFormattingCleanup = false;
  };

  #flush() {
    if (!this.#isJoined || !this.mayEdit) return;
    this.#outgoing.flush((id, update, options) => this.#line.sendUpdate(id, update, options));
  }

  /** Send what a tab that is gone has left on this device. */
  async #adoptOrphans() {
    if (this.#isEnded) return;
    const found = await this.#store.pending();
    const orphans = found.filter(
      ({ key }) => !key.startsWith(`${this.#tabId}:`) && !this.#outgoing.knows(key),
    );
    if (!orphans.length) return;
    this.#applyAll(
      orphans.map((own) => own.update),
      this.#tabs,
    );
    for (const own of orphans) this.#outgoing.add(own.key, own.update, { resent: true });
    this.#flush();
    this.#tellState();
  }

  #onPageHide = () => this.#carets.leave();

  // --- what the server says ----------------------------------------------------------------------

  #hello() {
    const hello = { schema: this.#schema, client: this.doc.clientID, seq: 0 };
    if (this.#epoch) {
      hello.epoch = this.#epoch;
      hello.seq = this.#seen.upto;
      hello.vector = toBase64(Y.encodeStateVector(this.doc));
    }
    return hello;
  }

  #calls() {
    return {
      welcome: (message) => this.#onWelcome(message),
      sync: (frame) => this.#onSync(frame),
      changes: (frame) => this.#onChanges(frame),
      awareness: (carets) => this.#carets.receive(carets),
      ack: (message) => this.#onAck(message),
      refused: (message) => this.#onRefused(message),
      message: (message) => this.#onMessage(message),
      down: (event) => this.#onDown(event),
    };
  }

  #onWelcome({ epoch, level, trashed }) {
    this.#epoch = epoch;
    this.#isConnecting = false;
    this.#setLevel(level, trashed);
  }

  #onSync({ seq, updates }) {
    this.#applyAll(updates, this);
    if (seq > this.#seen.upto) this.#seen = new Seen(seq);
    this.#store.addRemote(updates, this.#meta());
    this.#isJoined = true;
    this.#carets.repeat();
    this.#flush();
    this.#opened.resolve();
    this.#tellState();
  }

  #onChanges({ first, last, updates }) {
    this.#applyAll(updates, this);
    this.#seen.add(first, last);
    this.#store.addRemote(updates, this.#meta());
    this.#watchHole();
  }

  #onAck({ ids, first, last }) {
    if (first) this.#seen.add(first, last);
    const keys = this.#outgoing.acknowledged(ids);
    this.#store.acknowledged(keys, this.#meta());
    this.#savedAt = new Date();
    this.#flush();
    this.#watchHole();
    this.#tellState();
  }

  #onRefused({ id, reason }) {
    this.#outgoing.refused(id);
    this.#tell("refused", { reason });
    this.#flush();
    this.#tellState();
  }

  #onMessage(message) {
    const answers = {
      level: () => this.#setLevel(message.level, message.trashed),
      gone: () => this.#onGone(),
      reload: () => this.#onReload(),
      diverged: () => this.#onDiverged(),
      signedout: () => this.#onSignedOut(),
    };
    const answer = answers[message.type];
    if (answer) answer();
    else this.#tell("event", message);
  }

  #onDown({ code }) {
    this.#isJoined = false;
    this.#outgoing.interrupted();
    this.#carets.forgetOthers();
    if (code === SIGNED_OUT) this.#onSignedOut();
    // A short interruption is no news: the line may be back within the second.
    this.#timers.after("down", this.#outgoing.pending ? 0 : 1_000, () => this.#tellState());
  }

  #setLevel(level, trashed) {
    const before = this.mayEdit;
    const changed = level !== this.level || Boolean(trashed) !== this.#trashed;
    this.level = level;
    this.#trashed = Boolean(trashed);
    if (!changed) return;
    if (this.mayEdit && !before) this.#outgoing.retry();
    this.#flush();
    this.#tell("level", { level, trashed: this.#trashed });
    this.#tellState();
  }

  async #onGone() {
    await this.#forget();
    this.#tell("gone");
  }

  #onReload() {
    this.#end(); // unsent edits stay on this device and are sent by the page that follows
    this.#tell("reload");
  }

  /** The session has ended. What was not sent waits here until the person signs in again. */
  async #onSignedOut() {
    if (this.#isEnded) return;
    const pending = this.#outgoing.pending;
    if (pending) this.#end();
    else await this.#forget();
    this.#tell("signedout", { pending });
    this.#tellState();
  }

  /** Our copy has another history: keep it as a notebook of its own if anything in it is only here. */
  async #onDiverged() {
    this.#line.close();
    this.#isJoined = false;
    // One tab at a time (where the browser has locks): the second finds the copy wiped.
    const settle = () => this.#settleDivergence();
    await (navigator.locks?.request(`diverged.${this.notebookId}`, settle) ?? settle());
  }

  async #settleDivergence() {
    try {
      const theirs = `${this.#urls.updates}?${new URLSearchParams({ since: 0, schema: this.#schema })}`;
      if (this.#outgoing.pending || (await hasMoreThanServer(this.doc, theirs))) {
        await this.fork();
      } else {
        await this.#forget();
        this.#tell("reload");
      }
    } catch (error) {
      if (error.isFinal) {
        this.#end(); // the copy stays on this device and can be downloaded
        this.#tell("unkeepable");
        return;
      }
      this.#timers.after("diverged", 5_000, () => this.#onDiverged());
    }
  }

  async #forget() {
    this.#end();
    this.#outgoing.clear();
    await Promise.all([this.#store.wipe(), forgetPage(this.#urls.page)]);
  }

  #watchHole() {
    if (!this.#seen.hasHole) return this.#timers.cancel("hole");
    if (this.#timers.has("hole")) return;
    this.#timers.after("hole", HOLE_AFTER_MS, () => {
      this.#timers.cancel("hole");
      if (this.#seen.hasHole) this.#line.send({ type: "resync", seq: this.#seen.upto });
    });
  }

  // --- small things ------------------------------------------------------------------------------

  #applyAll(updates, origin) {
    this.doc.transact(() => {
      for (const update of updates) Y.applyUpdate(this.doc, update, origin);
    }, origin);
  }

  #meta() {
    return { epoch: this.#epoch, schema: this.#schema, seq: this.#seen.upto };
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #tellState() {
    const state = this.state;
    const essence = `${state.kind} ${state.pending} ${state.transport} ${+state.at}`;
    if (essence === this.#lastState) return;
    this.#lastState = essence;
    this.#tell("state", state);
  }
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
