/** Names of cells as the browser makes them: wishes in as JSON, names out; and what a pasted cell is called. */
import { readFileSync } from "node:fs";
import { prosemirrorJSONToYDoc } from "@tiptap/y-tiptap";
import * as Y from "yjs";
import { asName } from "../../../../static/notebooks/chain/fields.js";
import { Person, schema } from "./people.js";

const wishes = JSON.parse(readFileSync(0, "utf8"));
const cell = (id, name) => ({
  type: "textCell",
  attrs: { cellId: id, name },
  content: [{ type: "paragraph" }],
});
const doc = prosemirrorJSONToYDoc(
  schema,
  { type: "doc", content: [cell("1", "brief"), cell("2", "post")] },
  "document",
);
const person = new Person(1, Y.encodeStateAsUpdate(doc));
const { state } = person;
const both = state.doc.content;
person.dispatch(state.tr.insert(0, both));
const cells = [];
for (const { attrs } of person.state.doc.children) cells.push([attrs.cellId, attrs.name]);
process.stdout.write(JSON.stringify({ names: wishes.map(asName), cells }));
process.exit(0);
