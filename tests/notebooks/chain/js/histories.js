/**
 * A handful of histories in the editor's real schema and plugins, on a document into which a model's words were adopted:
 * what people do to marks there only a browser knows.
 *
 *   node histories.js < {"state": base64, "text": [its three pieces]}   ->   {name: base64 of the document}
 */
import { readFileSync } from "node:fs";
import { Fragment, Slice } from "@tiptap/pm/model";
import * as Y from "yjs";
import { Person, schema } from "./people.js";

const { state, text } = JSON.parse(readFileSync(0, "utf8"));
const start = Uint8Array.from(Buffer.from(state, "base64"));

/** Return where the words stand: positions before and behind them. */
function find(person, words) {
  let found = null;
  person.state.doc.descendants((node, pos) => {
    if (!node.isTextblock || found) return !found;
    const at = node.textContent.indexOf(words);
    if (at >= 0) found = { from: pos + 1 + at, to: pos + 1 + at + words.length };
    return false;
  });
  if (!found) throw new Error(`“${words}” stands nowhere`);
  return found;
}

/** Type at a place, one key after the other, as the caret has it. */
function type(person, at, words) {
  person.select(at);
  for (const key of words) {
    const { tr, selection, storedMarks } = person.state;
    const marks = storedMarks ?? selection.$from.marks();
    person.dispatch(tr.replaceSelectionWith(schema.text(key, marks), false));
    person.select(selection.from + key.length);
  }
}

function cut(person, words) {
  const { from, to } = find(person, words);
  const slice = person.state.doc.slice(from, to);
  person.dispatch(person.state.tr.delete(from, to).setMeta("uiEvent", "cut"));
  return slice;
}

function paste(person, at, slice) {
  person.select(at);
  person.dispatch(person.state.tr.replaceSelection(slice).setMeta("uiEvent", "paste"));
}

const [, second, third] = text;

const HISTORIES = {
  "typed inside": (ann) => type(ann, find(ann, second).from, "really "),
  "typed over": (ann) => {
    const { from, to } = find(ann, second);
    ann.dispatch(ann.state.tr.insertText("anew ", from, to));
  },
  composed: (ann) => {
    const at = find(ann, second).from;
    ann.select(at);
    ann.dispatch(ann.state.tr.insertText("k", at).setMeta("composition", 1));
    ann.dispatch(ann.state.tr.insertText("かな", at, at + 1).setMeta("composition", 1));
  },
  moved: (ann) => {
    const slice = cut(ann, second);
    paste(ann, find(ann, third).to, slice);
  },
  copied: (ann) => {
    const { from, to } = find(ann, second);
    paste(ann, find(ann, third).to, ann.state.doc.slice(from, to));
  },
  "pasted plain": (ann) => {
    const words = schema.nodes.paragraph.create(null, schema.text(second));
    cut(ann, second);
    paste(ann, find(ann, third).from, new Slice(Fragment.from(words), 1, 1));
  },
  divided: (ann) => ann.dispatch(ann.state.tr.split(find(ann, second).from)),
  "divided and joined": (ann) => {
    const at = find(ann, second).from;
    ann.dispatch(ann.state.tr.split(at));
    ann.dispatch(ann.state.tr.join(at + 1));
  },
  "deleted and undone": (ann) => {
    cut(ann, second);
    ann.undo();
  },
  bold: (ann) => {
    const { from, to } = find(ann, second);
    ann.dispatch(ann.state.tr.addMark(from, to, schema.marks.bold.create()));
  },
  "two at once": (ann, bob) => {
    type(ann, find(ann, third).from, "x");
    cut(bob, second);
    ann.hear(bob);
    bob.hear(ann);
  },
};

const played = {};
for (const [name, play] of Object.entries(HISTORIES)) {
  const [ann, bob] = [new Person(11, start), new Person(22, start)];
  play(ann, bob);
  ann.mend();
  played[name] = Buffer.from(Y.encodeStateAsUpdate(ann.doc)).toString("base64");
  ann.births.destroy();
  bob.births.destroy();
}
console.log(JSON.stringify(played));
