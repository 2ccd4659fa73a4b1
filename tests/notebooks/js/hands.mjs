/**
 * What a person does to a document, as the editor writes it: tokens typed, deleted and made bold; blocks
 * broken in two, joined, wrapped, moved and dropped; all of it undone and redone.
 *
 * A token such as `[3.17]` is written once in all the world and never broken apart.
 */
import { ySyncPluginKey } from "@tiptap/y-tiptap";
import * as Y from "yjs";

const TOKEN = /\[\d+\.\d+\]/g;

export const contentOf = (doc) => doc.getXmlFragment("document");

/** Return everything that can be read in a document, marks and attributes included. */
export function reading(doc) {
  const read = (node) => {
    if (node instanceof Y.XmlText) return JSON.stringify(node.toDelta());
    const inside = node.toArray().map(read).join("");
    if (!(node instanceof Y.XmlElement)) return inside;
    return `<${node.nodeName} ${JSON.stringify(node.getAttributes())}>${inside}</${node.nodeName}>`;
  };
  return read(contentOf(doc));
}

export const tokensIn = (text) => text.match(TOKEN) ?? [];

const plain = (text) =>
  text
    .toDelta()
    .map((piece) => piece.insert)
    .join("");

/** Return a delta's part from one place on. */
function tail(delta, from) {
  const kept = [];
  let at = 0;
  for (const piece of delta) {
    const rest = piece.insert.slice(Math.max(0, from - at));
    if (rest) kept.push({ ...piece, insert: rest });
    at += piece.insert.length;
  }
  return kept;
}

function paragraph(name, delta) {
  const made = new Y.XmlElement("paragraph");
  made.setAttribute("name", name);
  const text = new Y.XmlText();
  text.applyDelta(delta);
  made.insert(0, [text]);
  return made;
}

export class Hands {
  #next = 1;
  #acts;

  /** `number` tells one person's tokens from another's; `undoing` is the share of acts that undo or redo. */
  constructor(number, chance, { undoing = 0.2 } = {}) {
    this.number = number;
    this.chance = chance;
    this.undoing = undoing;
    this.written = [];
    const often = [this.insert, this.insert, this.insert, this.insert, this.delete, this.delete];
    this.#acts = [...often, this.format, this.split, this.join, this.move, this.wrap, this.drop];
  }

  /** Sit down at a document, with the undo of its editor. */
  take(doc, undo) {
    this.content = contentOf(doc);
    this.doc = doc;
    this.undo = undo;
  }

  act() {
    if (this.chance.happens(this.undoing)) {
      if (this.chance.happens(0.6)) this.undo.undo();
      else this.undo.redo();
      return;
    }
    // What is done within half a second is undone as one; here a whole run is over within that.
    if (this.chance.happens(0.2)) this.undo.stopCapturing();
    const act = this.chance.pick(this.#acts);
    this.doc.transact(() => act.call(this), ySyncPluginKey);
  }

  insert() {
    const text = this.#someText(() => true);
    if (!text) return this.#newBlock();
    text.insert(this.#somePlace(text), this.#token());
  }

  delete() {
    const [text, from, length] = this.#someTokens();
    text?.delete(from, length);
  }

  format() {
    const [text, from, length] = this.#someTokens();
    text?.format(from, length, { bold: this.chance.happens(0.5) ? {} : null });
  }

  split() {
    const text = this.#someText((one) => one.length > 0);
    if (!text) return this.#newBlock();
    const at = this.#somePlace(text);
    const rest = tail(text.toDelta(), at);
    text.delete(at, text.length - at);
    this.#insertBlock(text.parent.parent, this.#indexOf(text.parent) + 1, rest);
  }

  join() {
    const at = this.chance.below(Math.max(0, this.content.length - 1));
    const [one, other] = this.content.toArray().slice(at, at + 2);
    if (this.content.length < 3 || one?.nodeName !== "paragraph" || other?.nodeName !== "paragraph") return;
    const rest = other.get(0).toDelta();
    one.get(0).applyDelta(one.get(0).length ? [{ retain: one.get(0).length }, ...rest] : rest);
    this.content.delete(at + 1, 1);
  }

  move() {
    const [block, at] = this.#someBlock();
    if (!block) return;
    const copy = block.clone();
    this.content.delete(at, 1);
    this.content.insert(this.chance.below(this.content.length + 1), [copy]);
  }

  wrap() {
    const [block, at] = this.#someBlock();
    if (!block) return;
    const isQuote = block.nodeName === "blockquote";
    const copies = (isQuote ? block.toArray() : [block]).map((one) => one.clone());
    this.content.delete(at, 1);
    if (isQuote) return this.content.insert(at, copies);
    const quote = new Y.XmlElement("blockquote");
    quote.insert(0, copies);
    this.content.insert(at, [quote]);
  }

  drop() {
    if (this.content.length > 3) this.content.delete(this.chance.below(this.content.length), 1);
  }

  #token() {
    const token = `[${this.number}.${this.#next++}]`;
    this.written.push(token);
    return token;
  }

  #newBlock() {
    this.#insertBlock(this.content, this.chance.below(this.content.length + 1), [{ insert: this.#token() }]);
  }

  #insertBlock(parent, at, delta) {
    parent.insert(at, [paragraph(`p${this.number}-${this.#next++}`, delta)]);
  }

  #indexOf(block) {
    return block.parent.toArray().indexOf(block);
  }

  #someBlock() {
    const at = this.chance.below(this.content.length);
    return [this.content.get(at), at];
  }

  #someText(fits) {
    const found = [];
    const look = (node) => {
      if (node instanceof Y.XmlText) found.push(node);
      else for (const child of node.toArray()) look(child);
    };
    look(this.content);
    return this.chance.pick(found.filter(fits));
  }

  /** Return a place before, between or behind tokens. */
  #somePlace(text) {
    const ends = [...plain(text).matchAll(TOKEN)].map((match) => match.index + match[0].length);
    return this.chance.pick([0, ...ends]);
  }

  /** Return a text and where one to three of its tokens stand; nothing where there is no token. */
  #someTokens() {
    const text = this.#someText((one) => plain(one).search(TOKEN) >= 0);
    if (!text) return [];
    const matches = [...plain(text).matchAll(TOKEN)];
    const first = this.chance.below(matches.length);
    const chosen = matches.slice(first, first + 1 + this.chance.below(3));
    const end = chosen.at(-1).index + chosen.at(-1)[0].length;
    return [text, chosen[0].index, end - chosen[0].index];
  }
}
