/** A pasted or duplicated cell is a cell of its own: it gets an id and a name that nothing else has. */
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { uuidv4 } from "lib0/random";
import { freeName } from "./fields.js";

/** Return the cells at the top of a document by position. */
function cells(doc) {
  const found = [];
  doc.forEach((node, pos) => {
    if (node.type.name === "textCell" || node.type.name === "promptCell") found.push({ node, pos });
  });
  return found;
}

/** Give pasted copies of cells an id of their own; what stood here before keeps its own. */
export function separateCopies(transactions, before, state) {
  if (!transactions.some((tr) => tr.docChanged) || transactions.some(isChangeOrigin)) return null;
  const all = cells(state.doc);
  if (new Set(all.map(({ node }) => node.attrs.cellId)).size === all.length) return null;
  const mapped = new Set(
    cells(before.doc).map(({ pos }) => transactions.reduce((at, tr) => tr.mapping.map(at), pos)),
  );
  const taken = new Set(all.filter(({ pos }) => mapped.has(pos)).map(({ node }) => node.attrs.cellId));
  const { tr } = state;
  for (const { node, pos } of all) {
    if (mapped.has(pos)) continue;
    if (taken.has(node.attrs.cellId)) {
      const name = freeName(state.doc, node.attrs.name);
      tr.setNodeMarkup(pos, undefined, { ...node.attrs, cellId: uuidv4(), name });
    } else taken.add(node.attrs.cellId);
  }
  return tr.steps.length ? tr : null;
}
