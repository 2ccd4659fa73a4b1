/**
 * Random edits by two people and the server on one document, and then: is every character's origin what the mark says?
 *
 * A character tells its origin by itself: people write a to z, output number n writes Chinese characters from its own
 * range. So no bookkeeping can be wrong: such a character stands under its output's mark and no letter under any.
 *
 *   node survival.js SEED EDITS   ->   JSON of {edits, kinds, marked, letters, wrong}
 */
import { Fragment, Slice } from "@tiptap/pm/model";
import { canJoin, canSplit } from "@tiptap/pm/transform";
import { prosemirrorJSONToYXmlFragment } from "@tiptap/y-tiptap";
import * as Y from "yjs";
import { chance, Person, schema } from "./people.js";

const FIRST = 0x4e00;
const RANGE = 64;
const OUTPUTS = 300;

const [seed, edits] = process.argv.slice(2).map(Number);
const { below, pick, next } = chance(seed);
let outputs = 0;

function written(output, length) {
  return Array.from({ length }, () => String.fromCharCode(FIRST + output * RANGE + below(RANGE))).join("");
}

const typed = (length) => Array.from({ length }, () => String.fromCharCode(97 + below(26))).join("");
const paragraph = (...content) => ({ type: "paragraph", content });

function cell(number) {
  const result = [paragraph()];
  return {
    type: "promptCell",
    attrs: { cellId: `00000000-0000-4000-8000-00000000000${number}`, name: `cell_${number}`, params: "{}" },
    content: [
      { type: "cellInstruction", content: [{ type: "text", text: typed(12) }] },
      { type: "cellResult", content: result },
    ],
  };
}

const blocks = [paragraph({ type: "text", text: typed(20) }), cell(1), cell(2), cell(3)];
const seeded = new Y.Doc();
seeded.clientID = 999;
prosemirrorJSONToYXmlFragment(schema, { type: "doc", content: blocks }, seeded.getXmlFragment("document"));
const start = Y.encodeStateAsUpdate(seeded);
const people = [new Person(11, start), new Person(22, start)];

/** Return a place where text can stand. */
function place({ state: { doc } }) {
  const places = [];
  doc.descendants((node, pos) => {
    if (node.isTextblock) places.push([pos + 1, node.content.size]);
  });
  const [from, size] = pick(places);
  return from + below(size + 1);
}

/** Return blocks that can be moved or copied: those at the top, and those of results. */
function movable({ state: { doc } }) {
  const found = [];
  doc.descendants((node, pos, parent) => {
    if (parent === doc || parent.type.name === "cellResult") found.push({ node, pos, parent });
    return parent === doc;
  });
  return found;
}

function range(person, longest) {
  const from = place(person);
  const to = Math.min(from + 1 + below(longest), person.state.doc.content.size);
  return person.select(from, to);
}

const EDITS = {
  type(person) {
    const { from, to } = next() < 0.7 ? person.select(place(person)) : range(person, 4);
    for (let index = 0; index < 1 + below(3); index++) {
      const { tr, selection } = person.state;
      person.dispatch(tr.insertText(typed(1), index ? selection.from : from, index ? selection.to : to));
    }
  },
  compose(person) {
    const { from } = person.select(place(person));
    person.dispatch(person.state.tr.insertText(typed(2), from).setMeta("composition", 1));
    person.dispatch(person.state.tr.insertText(typed(3), from, from + 2).setMeta("composition", 1));
  },
  delete(person) {
    range(person, 10);
    person.dispatch(person.state.tr.deleteSelection());
  },
  split(person) {
    const pos = place(person);
    if (canSplit(person.state.doc, pos)) person.dispatch(person.state.tr.split(pos));
  },
  join(person) {
    const found = movable(person).filter(
      ({ node, pos }) =>
        node.isTextblock &&
        person.state.doc.resolve(pos).nodeBefore?.isTextblock &&
        canJoin(person.state.doc, pos),
    );
    if (found.length) person.dispatch(person.state.tr.join(pick(found).pos));
  },
  bold(person) {
    const { from, to } = range(person, 12);
    const { tr, doc } = person.state;
    const type = pick([schema.marks.bold, schema.marks.italic, schema.marks.code]);
    if (doc.rangeHasMark(from, to, type)) person.dispatch(tr.removeMark(from, to, type));
    else person.dispatch(tr.addMark(from, to, type.create()));
  },
  move(person) {
    const all = movable(person);
    const { node, pos, parent } = pick(all);
    const homes = all.filter((one) => one.parent.type === parent.type && one.pos !== pos);
    if (!homes.length || parent.childCount < 2) return;
    const { tr } = person.state;
    const target = tr.delete(pos, pos + node.nodeSize).mapping.map(pick(homes).pos);
    person.dispatch(tr.insert(target, node));
  },
  copy(person) {
    const { node, parent } = pick(movable(person));
    const homes = movable(person).filter((one) => one.parent.type === parent.type);
    if (person.state.doc.content.size > 3000) return;
    person.dispatch(person.state.tr.insert(pick(homes).pos, node).setMeta("uiEvent", "paste"));
  },
  paste(person) {
    const { from, to } = range(person, 8);
    const slice = person.state.doc.slice(from, to);
    if (person.state.doc.content.size > 3000) return;
    person.select(place(person));
    person.dispatch(person.state.tr.replaceSelection(slice).setMeta("uiEvent", "paste"));
  },
  pastePlain(person) {
    person.select(place(person));
    const words = schema.nodes.paragraph.create(null, schema.text(typed(5)));
    const slice = new Slice(Fragment.from(words), 1, 1);
    person.dispatch(person.state.tr.replaceSelection(slice).setMeta("uiEvent", "paste"));
  },
  undo: (person) => person.undo(),
  redo: (person) => person.redo(),
  /** What the server does when an output is adopted. */
  adopt(person) {
    if (outputs === OUTPUTS) return;
    const doc = new Y.Doc();
    doc.clientID = 1000 + outputs; // the same with the same seed
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(person.doc));
    const cells = doc.getXmlFragment("document").toArray();
    const prompts = cells.filter(({ nodeName }) => nodeName === "promptCell");
    const home = pick(prompts)
      ?.toArray()
      .find(({ nodeName }) => nodeName === "cellResult");
    if (!home) return;
    doc.transact(() => {
      home.delete(0, home.length);
      const block = new Y.XmlElement("paragraph");
      const text = new Y.XmlText();
      block.insert(0, [text]);
      home.insert(0, [block]);
      text.insert(0, written(outputs, 25), { output: { outputId: `o${outputs}`, variant: 0 } });
      doc.getMap("origins").set(String(doc.clientID), 1);
      doc.getMap("origins").set(`${doc.clientID}.0`, [2 ** 31, `o${outputs}`, 0]);
    });
    person.hear({ doc });
    outputs += 1;
  },
  sync(person) {
    person.hear(pick(people.filter((one) => one !== person)));
  },
};
const WEIGHTS = {
  type: 9, compose: 2, delete: 4, split: 2, join: 2, bold: 3, move: 1, copy: 1, paste: 2, pastePlain: 1, undo: 3,
  redo: 1, adopt: 1, sync: 5,
}; // biome-ignore format: a table
for (const kind of (process.env.WITHOUT ?? "").split(",")) delete WEIGHTS[kind];
const KINDS = Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array(weight).fill(kind));

/** Return every character whose mark says something else than itself. */
function wrong({ state: { doc } }, count) {
  const found = [];
  doc.descendants((node) => {
    if (!node.isText) return;
    const mark = node.marks.find(({ type }) => type.name === "output")?.attrs.outputId ?? null;
    for (const character of node.text) {
      const code = character.charCodeAt(0);
      const origin = code >= FIRST ? `o${Math.floor((code - FIRST) / RANGE)}` : null;
      count[origin ? "marked" : "letters"] += 1;
      if (origin !== mark) found.push({ character, origin, mark });
    }
  });
  return found;
}

for (let index = 0; index < 8; index++) EDITS.adopt(people[index % 2]);
for (const person of people) person.hear(people.find((one) => one !== person));

const kinds = {};
const found = [];
let at = 0;
for (; at < edits && !found.length; at += 1) {
  const kind = pick(KINDS);
  const person = pick(people);
  kinds[kind] = (kinds[kind] ?? 0) + 1;
  EDITS[kind](person);
  person.mend();
  const faults = wrong(person, { marked: 0, letters: 0 });
  if (faults.length) found.push({ at, kind, faults: faults.slice(0, 5) });
}
for (let round = 0; round < 6; round++) {
  for (const person of people) {
    person.hear(people.find((one) => one !== person));
    if (round < 4) person.mend();
  }
}
const count = { marked: 0, letters: 0 };
for (const person of people) found.push(...wrong(person, count).slice(0, 5));
const [one, other] = people.map(({ state }) => JSON.stringify(state.doc.toJSON()));
process.stdout.write(JSON.stringify({ edits: at, kinds, ...count, same: one === other, wrong: found }));
process.exit(0);
