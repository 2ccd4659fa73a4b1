/**
 * Our own updates on their way: not one of them is forgotten before the server says that it is stored.
 */
import * as Y from "yjs";

const IN_FLIGHT = 4; // messages; what is typed beyond that is merged into the next one
const MERGED_BYTES = 1_000_000;
const LIMIT_BYTES = 4 * 1024 * 1024; // settings.UPDATE_LIMIT_BYTES: the socket closes on what is much larger

export class Outgoing {
  #waiting = []; // {keys, update, resent}
  #sent = new Map(); // id -> the same
  #refused = [];
  #nextId = 1;

  /** How many of our updates the server has not acknowledged. */
  get pending() {
    const count = (entries) => entries.reduce((sum, entry) => sum + entry.keys.length, 0);
    return count(this.#waiting) + count([...this.#sent.values()]) + count(this.#refused);
  }

  get hasRefused() {
    return this.#refused.length > 0;
  }

  add(key, update, { resent = false } = {}) {
    this.#waiting.push({ keys: [key], update, resent });
  }

  knows(key) {
    const has = (entry) => entry.keys.includes(key);
    return this.#waiting.some(has) || [...this.#sent.values()].some(has) || this.#refused.some(has);
  }

  /** Hand what waits to `send(id, update, {resent})`, as long as not too much is under way. */
  flush(send) {
    while (this.#waiting.length && this.#sent.size < IN_FLIGHT) {
      const entry = this.#take();
      if (entry.update.length > LIMIT_BYTES) {
        this.#refused.push(entry);
        continue;
      }
      const id = this.#nextId++;
      this.#sent.set(id, entry);
      send(id, entry.update, { resent: entry.resent });
    }
  }

  #take() {
    const taken = [this.#waiting.shift()];
    let size = taken[0].update.length;
    while (this.#waiting.length && size + this.#waiting[0].update.length < MERGED_BYTES) {
      taken.push(this.#waiting.shift());
      size += taken.at(-1).update.length;
    }
    if (taken.length === 1) return taken[0];
    return {
      keys: taken.flatMap((entry) => entry.keys),
      update: Y.mergeUpdates(taken.map((entry) => entry.update)),
      resent: taken.some((entry) => entry.resent),
    };
  }

  /** Return the keys of what these messages carried: it is stored. */
  acknowledged(ids) {
    const keys = [];
    for (const id of ids) {
      keys.push(...(this.#sent.get(id)?.keys ?? []));
      this.#sent.delete(id);
    }
    return keys;
  }

  /** Keep what the server did not take, for a copy of one's own. */
  refused(id) {
    const entry = this.#sent.get(id);
    if (!entry) return;
    this.#sent.delete(id);
    this.#refused.push(entry);
  }

  /** What was under way may or may not have arrived: it goes first when the line is back. */
  interrupted() {
    const entries = [...this.#sent.values()].map((entry) => ({ ...entry, resent: true }));
    this.#sent.clear();
    this.#waiting.unshift(...entries);
  }

  /** Try what was refused once more (the right to edit has come back). */
  retry() {
    this.#waiting.unshift(...this.#refused.map((entry) => ({ ...entry, resent: true })));
    this.#refused = [];
  }

  clear() {
    this.#waiting = [];
    this.#refused = [];
    this.#sent.clear();
  }
}
