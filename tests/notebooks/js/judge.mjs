/**
 * What a document must say when nothing is lost and nothing comes twice: the sum of what everybody wrote,
 * without a server and without a network.
 */
import * as Y from "yjs";
import { contentOf, reading, tokensIn } from "./hands.mjs";

function docOf(updates, options) {
  const doc = new Y.Doc(options);
  doc.on("afterTransaction", (transaction) => {
    transaction._needFormattingCleanup = false; // who only reads changes nothing
  });
  for (const update of updates) Y.applyUpdate(doc, update);
  return doc;
}

export const readingOf = (updates) => reading(docOf(updates));

/** Return the reading of the sum, and how often each token stands in it by the account of ids. */
export function accountOf(updates) {
  const whole = docOf([Y.mergeUpdates(updates)], { gc: false });
  const sums = new Set([updates, [...updates].reverse()].map(readingOf));
  sums.add(reading(whole));
  const { pieces, deleted } = entries(updates);
  const isDead = (client, clock, length) =>
    (deleted.get(client) ?? []).some(([from, upto]) => from < clock + length && clock < upto);
  const tokens = {};
  let broughtBack = 0;
  for (const { client, clock, text } of pieces.values()) {
    for (const match of text.matchAll(/\[\d+\.\d+\]/g)) {
      const [token] = match;
      const at = clock + match.index;
      const isThere = !isDead(client, at, token.length) && !hangsBelowDead(whole, client, at, isDead);
      broughtBack += token in tokens ? 1 : 0;
      tokens[token] = (tokens[token] ?? 0) + (isThere ? 1 : 0);
    }
  }
  return { sums: [...sums], text: contentOf(whole).toString(), tokens, broughtBack };
}

/** Return every piece of text that was ever written, by its id, and everything that was ever deleted. */
function entries(updates) {
  const pieces = new Map();
  const deleted = new Map();
  for (const update of updates) {
    const { structs, ds } = Y.decodeUpdate(update);
    for (const struct of structs) {
      const text = struct.content instanceof Y.ContentString ? struct.content.str : "";
      const { client, clock } = struct.id;
      if (tokensIn(text).length) pieces.set(`${client}:${clock}`, { client, clock, text });
    }
    for (const [client, ranges] of ds.clients) {
      const known = deleted.get(client) ?? [];
      deleted.set(client, [...known, ...ranges.map(({ clock, len }) => [clock, clock + len])]);
    }
  }
  return { pieces, deleted };
}

function hangsBelowDead(doc, client, clock, isDead) {
  let above = Y.getItem(doc.store, Y.createID(client, clock)).parent?._item;
  while (above) {
    if (isDead(above.id.client, above.id.clock, 1)) return true;
    above = above.parent._item;
  }
  return false;
}
