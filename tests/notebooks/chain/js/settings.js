/** Settings of prompt cells: attributes in as JSON; how they are read, copied and changed by two people at once out. */
import { readFileSync } from "node:fs";
import { prosemirrorJSONToYDoc } from "@tiptap/y-tiptap";
import * as Y from "yjs";
import { settingsOf, withSetting } from "../../../../static/notebooks/chain/settings.js";
import { PromptCell } from "../../../../static/notebooks/schema/cells.js";
import { Person, schema } from "./people.js";

const KEYS = Object.keys(settingsOf({})).concat("params");

function cell(attrs) {
  const content = [{ type: "cellInstruction" }, { type: "cellResult", content: [{ type: "paragraph" }] }];
  return { type: "promptCell", attrs: { cellId: "1", name: "a", ...attrs }, content };
}

function onlySet(attrs) {
  return Object.fromEntries(KEYS.filter((key) => attrs[key] !== null).map((key) => [key, attrs[key]]));
}

/** Return what comes back when a cell goes to the clipboard as HTML. */
function copied(attrs) {
  const node = schema.nodeFromJSON(cell(attrs));
  const attributes = PromptCell.config.addAttributes();
  const written = Object.entries(attributes).filter(([, one]) => one.rendered !== false);
  const HTMLAttributes = Object.assign({}, ...written.map(([, one]) => one.renderHTML(node.attrs)));
  const [, html] = PromptCell.config.renderHTML.call(PromptCell, { node, HTMLAttributes });
  const inDataset = ([key, value]) => [key.replace("data-", ""), String(value)];
  const dataset = Object.fromEntries(Object.entries(html).map(inDataset));
  return onlySet(Object.fromEntries(KEYS.map((key) => [key, attributes[key].parseHTML({ dataset })])));
}

function set(person, name, value) {
  const { doc, tr } = person.state;
  const { attrs } = doc.firstChild;
  person.dispatch(tr.setNodeMarkup(0, undefined, { ...attrs, ...withSetting(attrs, name, value) }));
}

/** Return a cell's attributes after two people each changed a setting before they heard of the other. */
function both(attrs, [oneName, oneValue], [otherName, otherValue]) {
  const doc = prosemirrorJSONToYDoc(schema, { type: "doc", content: [cell(attrs)] }, "document");
  const people = [1, 2].map((id) => new Person(id, Y.encodeStateAsUpdate(doc)));
  const [one, other] = people;
  set(one, oneName, oneValue);
  set(other, otherName, otherValue);
  one.hear(other);
  other.hear(one);
  const [mine, theirs] = people.map((person) => onlySet(person.state.doc.firstChild.attrs));
  if (JSON.stringify(mine) !== JSON.stringify(theirs)) throw new Error("two copies differ");
  return mine;
}

const sent = JSON.parse(readFileSync(0, "utf8"));
const withAll = (attrs) => schema.nodeFromJSON(cell(attrs)).attrs;
const ofBefore = { params: '{"length":"short","variants":3,"banned":["a phrase of before"]}' };
process.stdout.write(
  JSON.stringify({
    read: sent.map((attrs) => settingsOf(withAll(attrs))),
    copied: sent.map(copied),
    both: [
      both({ variants: "2" }, ["length", "long"], ["adventurous", 4]),
      both(ofBefore, ["length", "long"], ["banned", ["b"]]),
    ],
  }),
);
process.exit(0);
