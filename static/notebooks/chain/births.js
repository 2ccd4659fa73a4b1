/**
 * Which characters a model wrote, for good: the truth behind the mark `output` when edits meet.
 *
 * Yjs keeps marks as signposts between characters. Two people who edit the same words at once, or an undo, can leave a
 * signpost out of its place. Every character has an id that never changes, though. So the browser that puts a
 * model's words in notes their ids with them (a map "origins" in the document: `client.clock` -> [length, output id,
 * variant], and `client` -> 1 for who takes part), and whoever finds a mark that says something else mends it.
 * Characters of clients that took no part (seeds, copies) are as their mark says.
 */
import { ySyncPluginKey } from "@tiptap/y-tiptap";
import * as Y from "yjs";

const NEAR = 64; // characters around an insertion: of two equal letters a comparison may have taken the wrong one
const REST_MS = 400;
const SPREAD_MS = 600; // not everybody who looks mends at once

const sameAs = (one, other) => (one?.outputId ?? null) === (other?.outputId ?? null);

/** Call `visit(item, index, output)` for all the text that stands in a Y.XmlText. */
function walk(text, visit) {
  let output = null;
  let index = 0;
  for (let item = text._start; item; item = item.right) {
    if (item.deleted) continue;
    const { content } = item;
    if (content instanceof Y.ContentFormat) {
      if (content.key === "output") output = content.value;
    } else if (item.countable) {
      if (content instanceof Y.ContentString) visit(item, index, output);
      index += item.length;
    }
  }
}

function texts(parent, found = []) {
  for (let item = parent._start; item; item = item.right) {
    const type = item.deleted ? null : item.content.type;
    if (type instanceof Y.XmlText) found.push(type);
    else if (type) texts(type, found);
  }
  return found;
}

export class Births {
  #ranges = new Map(); // client -> [{from, to, output}], of clients that take part
  #seen = new Map(); // the same of all others, as their marks were at first sight; for undoing alone
  #timer = 0;
  #map;

  constructor(doc, { field = "document", mayEdit = () => true } = {}) {
    Object.assign(this, { doc, field, mayEdit });
    this.#map = doc.getMap("origins");
    for (const key of this.#map.keys()) this.#learn(key);
    this.#look();
    this.#map.observe(this.#onMap);
    doc.on("beforeObserverCalls", this.#onTransaction);
  }

  destroy() {
    clearTimeout(this.#timer);
    this.#map.unobserve(this.#onMap);
    this.doc.off("beforeObserverCalls", this.#onTransaction);
  }

  #onMap = ({ keysChanged }) => {
    for (const key of keysChanged) this.#learn(key);
  };

  #learn(key) {
    const [client, clock] = key.split(".");
    const ranges = this.#ranges.get(client) ?? [];
    this.#ranges.set(client, ranges);
    const value = this.#map.get(key);
    if (clock === undefined || !Array.isArray(value)) return;
    const [length, outputId, variant] = value;
    const from = Number(clock);
    const others = ranges.filter((one) => one.from !== from);
    others.push({ from, to: from + length, output: outputId ? { outputId, variant } : null });
    this.#ranges.set(
      client,
      others.sort((a, b) => a.to - a.from - (b.to - b.from)), // what says more about less comes first
    );
  }

  /** Yield the pieces of an item of one origin each: {offset, length, output}; undefined where nobody knows. */
  *#pieces({ id, length }, known = this.#ranges) {
    const ranges = known.get(String(id.client));
    if (!ranges) return yield { offset: 0, length, output: undefined };
    const end = id.clock + length;
    const cuts = [id.clock, end];
    for (const { from, to } of ranges)
      for (const cut of [from, to]) if (cut > id.clock && cut < end) cuts.push(cut);
    cuts.sort((a, b) => a - b);
    for (let at = 1; at < cuts.length; at++) {
      const [from, to] = [cuts[at - 1], cuts[at]];
      const range = to > from && ranges.find((one) => one.from <= from && one.to >= to);
      if (to > from)
        yield { offset: from - id.clock, length: to - from, output: range ? range.output : null };
    }
    return undefined;
  }

  #onTransaction = (transaction) => {
    const { origin, local } = transaction;
    if (origin === this) return;
    // The binding does not always say that it is the one who writes.
    if (origin instanceof Y.UndoManager) this.#noteUndone(transaction);
    else if (local) this.#note(transaction, this.#inserted(transaction));
    if (!local && this.#isFromOthers(transaction)) this.#look();
    if (origin !== ySyncPluginKey) this.#mendSoon();
  };

  #isFromOthers({ beforeState, afterState }) {
    for (const [client, clock] of afterState)
      if (clock !== (beforeState.get(client) ?? 0) && !this.#ranges.has(String(client))) return true;
    return false;
  }

  /** Remember what the marks say of characters that came without a note. */
  #look() {
    for (const text of texts(this.doc.getXmlFragment(this.field))) {
      walk(text, ({ id, length }, _index, output) => {
        const client = String(id.client);
        if (this.#ranges.has(client)) return;
        const ranges = this.#seen.get(client) ?? [];
        this.#seen.set(client, ranges);
        const [from, to] = [id.clock, id.clock + length];
        if (!ranges.some((one) => one.from <= from && one.to >= to)) ranges.push({ from, to, output });
      });
    }
  }

  /** Return the text that this browser put in, by the Y.XmlText that it stands in. */
  #inserted({ beforeState, afterState, doc }) {
    const found = new Map();
    const from = beforeState.get(doc.clientID) ?? 0;
    if (from === (afterState.get(doc.clientID) ?? 0)) return found;
    const structs = doc.store.clients.get(doc.clientID);
    for (let at = Y.findIndexSS(structs, from); at < structs.length; at++) {
      const item = structs[at];
      if (!(item.content instanceof Y.ContentString) || item.deleted) continue;
      found.set(item.parent, (found.get(item.parent) ?? new Set()).add(item));
    }
    return found;
  }

  /** Note where what was put in comes from, and what a comparison of equal letters has exchanged beside it. */
  #note({ doc }, inserted) {
    if (!inserted.size) return;
    const notes = new Map();
    for (const [text, fresh] of inserted) {
      const all = [];
      walk(text, (item, index, output) => all.push({ item, index, output, end: index + item.length }));
      const places = all.filter(({ item }) => fresh.has(item));
      const isNear = ({ index, end }) =>
        places.some((one) => index - one.end < NEAR && one.index - end < NEAR);
      for (const one of places) if (one.output) notes.set(one.item.id, [one.item.length, one.output]);
      for (const one of all) if (!fresh.has(one.item) && isNear(one)) this.#noteExchanged(notes, one);
    }
    this.#write(doc, notes);
  }

  #noteExchanged(notes, { item: { id, length: whole }, output: marked }) {
    for (const { offset, length, output } of this.#pieces({ id, length: whole })) {
      const isExchanged = output !== undefined && !sameAs(output, marked);
      if (isExchanged) notes.set({ client: id.client, clock: id.clock + offset }, [length, marked]);
    }
  }

  /** What an undo brings back is new to Yjs, and comes from where the words that it stands for came. */
  #noteUndone({ beforeState, doc }) {
    const from = beforeState.get(doc.clientID) ?? 0;
    const notes = new Map();
    const isNew = ({ redone, content }) =>
      redone?.client === doc.clientID && redone.clock >= from && content instanceof Y.ContentString;
    for (const structs of doc.store.clients.values())
      for (const item of structs) if (isNew(item)) this.#noteAgain(notes, item);
    this.#write(doc, notes);
  }

  #noteAgain(notes, item) {
    const known = this.#ranges.has(String(item.id.client)) ? this.#ranges : this.#seen;
    const { client, clock } = item.redone;
    for (const { offset, length, output } of this.#pieces(item, known))
      if (output) notes.set({ client, clock: clock + offset }, [length, output]);
  }

  #write(doc, notes) {
    const me = String(doc.clientID);
    if (!notes.size && this.#map.has(me)) return;
    doc.transact(() => {
      if (!this.#map.has(me)) this.#map.set(me, 1);
      for (const [{ client, clock }, [length, output]] of notes)
        this.#map.set(`${client}.${clock}`, [length, output?.outputId ?? null, output?.variant ?? 0]);
    }, this);
    for (const key of this.#map.keys()) if (key.startsWith(me)) this.#learn(key);
  }

  #mendSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.mend(), REST_MS + Math.random() * SPREAD_MS);
  }

  /** Make every mark say what is known of its characters; return how many pieces were wrong. */
  mend() {
    if (!this.mayEdit()) return 0;
    const wrong = [];
    for (const text of texts(this.doc.getXmlFragment(this.field))) {
      walk(text, (item, index, marked) => {
        for (const { offset, length, output } of this.#pieces(item))
          if (output !== undefined && !sameAs(output, marked))
            wrong.push({ text, index: index + offset, length, output });
      });
    }
    if (!wrong.length) return 0;
    this.doc.transact(() => {
      for (const { text, index, length, output } of wrong) text.format(index, length, { output });
    }, this);
    return wrong.length;
  }
}
