/** Keys that stop at the border of a cell, or lead over it on purpose. */
import { Extension } from "@tiptap/core";
import { TextSelection } from "@tiptap/pm/state";

/**
 * Select the text cell's text, the instruction or the result around the caret; false when it is selected already. Who
 * replaces a brief by Ctrl-A and typing means the brief, not the notebook.
 */
export function selectPart({ state, view }) {
  const { $from, $to, from, to } = state.selection;
  const cell = $from.depth ? $from.node(1) : null;
  if (!cell?.attrs.cellId || !$to.depth || $to.node(1) !== cell) return false;
  const depth = cell.type.name === "promptCell" ? 2 : 1;
  if ($from.depth < depth) return false;
  const start = TextSelection.near(state.doc.resolve($from.start(depth)), 1).from;
  const end = TextSelection.near(state.doc.resolve($from.end(depth)), -1).to;
  if (from <= start && to >= end) return false;
  view.dispatch(state.tr.setSelection(TextSelection.create(state.doc, start, end)));
  return true;
}

/** Focus the first or the last of what can be pressed in a part of the cell around the caret. */
function go({ selection }, part, at) {
  const id = selection.$from.depth ? selection.$from.node(1).attrs.cellId : null;
  const around = id && document.querySelector(`#cell-${id} > ${part}`);
  const found = [...(around?.querySelectorAll("button, [tabindex='0']") ?? [])];
  const target = found.filter((one) => !one.hidden && !one.disabled).at(at);
  target?.focus();
  return Boolean(target);
}

/**
 * Tab leads from the text of a cell to what waits below it, Shift-Tab to its tools; Escape leads back (cellView.js).
 * A browser would begin at the first cell of the document.
 */
export const AroundCells = Extension.create({
  name: "aroundCells",
  priority: 10, // whatever else answers to Tab comes first: menus, lists, tables

  addKeyboardShortcuts() {
    return {
      Tab: ({ editor }) => go(editor.state, ".cell-foot", 0),
      "Shift-Tab": ({ editor }) => go(editor.state, ".cell-head", -1),
    };
  },
});
