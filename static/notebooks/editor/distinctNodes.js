/**
 * Keep neighbouring blocks distinct objects. A copied block is the very object of its original, and the binding, which
 * tells blocks apart by identity, would then write the copy anew into the shared document at every change of anything,
 * for ever. Copies are replaced by equals of their own before the binding sees them.
 */
import { Extension } from "@tiptap/core";
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { Plugin } from "@tiptap/pm/state";

function insertsBlocks(step) {
  const content = step.slice?.content;
  if (!content?.size) return false;
  for (let index = 0; index < content.childCount; index++) if (!content.child(index).isInline) return true;
  return false;
}

/** Return where blocks stand that an elder sibling is identical with. */
function repeated(doc) {
  const found = [];
  const look = (parent, start) => {
    const seen = new Set();
    parent.forEach((node, offset) => {
      if (node.isText || node.isInline) return;
      if (seen.has(node)) found.push({ pos: start + offset, node });
      seen.add(node);
      if (!node.isTextblock) look(node, start + offset + 1);
    });
  };
  look(doc, 0);
  return found;
}

export const DistinctNodes = Extension.create({
  name: "distinctNodes",

  addProseMirrorPlugins() {
    const appendTransaction = (transactions, _before, state) => {
      if (transactions.some(isChangeOrigin)) return null;
      if (!transactions.some((tr) => tr.steps.some(insertsBlocks))) return null;
      const { tr, schema, selection } = state;
      for (const { pos, node } of repeated(state.doc)) {
        tr.replaceWith(pos, pos + node.nodeSize, schema.nodeFromJSON(node.toJSON()));
      }
      return tr.steps.length
        ? tr.setSelection(selection.constructor.fromJSON(tr.doc, selection.toJSON()))
        : null;
    };
    return [new Plugin({ appendTransaction })];
  },
});
