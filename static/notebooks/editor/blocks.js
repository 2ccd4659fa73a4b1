/** Moving, copying and deleting whole blocks, by keyboard and from the block menu. */
import { Extension } from "@tiptap/core";
import { Fragment, NodeRange } from "@tiptap/pm/model";
import { NodeSelection, Selection, TextSelection } from "@tiptap/pm/state";
import { KEEPS_OUTPUT } from "../schema/output.js";

const ITEMS = new Set(["listItem", "taskItem"]);
const PARENTS = new Set([
  "doc",
  "bulletList",
  "orderedList",
  "taskList",
  "blockquote",
  "cellResult",
  "textCell",
]);

/** Return the blocks that the selection touches, as a range of siblings: items of a list, else whole blocks. */
export function blockRange(selection) {
  const { $from, $to } = selection;
  if (selection instanceof NodeSelection && selection.node.isBlock) {
    const { parent } = $from;
    return { parent, start: $from.pos, end: $to.pos, first: $from.index(), last: $from.index() };
  }
  const table = outermostTable($from);
  const accepts = (node) => PARENTS.has(node.type.name) && (!table || !contains(table, node));
  let range = $from.blockRange($to, accepts);
  // A list with one item, or all of it, moves as the list.
  while (range && range.depth > 0 && coversAll(range)) range = widened(range, accepts);
  return (
    range && {
      parent: range.parent,
      start: range.start,
      end: range.end,
      first: range.startIndex,
      last: range.endIndex - 1,
    }
  );
}

function outermostTable($pos) {
  for (let depth = 1; depth <= $pos.depth; depth++) {
    if ($pos.node(depth).type.name === "table") return $pos.node(depth);
  }
  return null;
}

function contains(ancestor, node) {
  let found = ancestor === node;
  ancestor.descendants((inner) => {
    found ||= inner === node;
    return !found;
  });
  return found;
}

function coversAll(range) {
  return range.startIndex === 0 && range.endIndex === range.parent.childCount;
}

/** Return the range of the nearest acceptable parent around a range. */
function widened({ $from, $to, depth }, accepts) {
  for (let outer = depth - 1; outer >= 0; outer--) {
    if (accepts($from.node(outer))) return new NodeRange($from, $to, outer);
  }
  return null;
}

/** Move the chosen blocks past their neighbour, by moving the neighbour: selection and carets stay in place. */
function moveBlocks({ tr, dispatch }, direction) {
  const { selection } = tr;
  const range = blockRange(selection);
  const index = range && (direction < 0 ? range.first - 1 : range.last + 1);
  if (!range || index < 0 || index >= range.parent.childCount) return false;
  if (!allowsMove(range, index)) return false;
  if (!dispatch) return true;
  const neighbour = range.parent.child(index);
  const size = neighbour.nodeSize;
  const from = direction < 0 ? range.start - size : range.end;
  const target = direction < 0 ? range.end - size : range.start;
  tr.delete(from, from + size).insert(target, neighbour);
  tr.setSelection(shifted(tr.doc, selection, direction * size));
  tr.setMeta(KEEPS_OUTPUT, true).scrollIntoView();
  return true;
}

/** Say whether the parent may hold its blocks in the order that the move would give: items begin with a line of text. */
function allowsMove({ parent, first, last }, index) {
  const blocks = [...parent.content.content];
  const [neighbour] = blocks.splice(index, 1);
  blocks.splice(index < first ? last : first, 0, neighbour);
  return parent.type.validContent(Fragment.from(blocks));
}

function shifted(doc, selection, by) {
  if (selection instanceof NodeSelection) return NodeSelection.create(doc, selection.from + by);
  return TextSelection.create(doc, selection.anchor + by, selection.head + by);
}

function duplicate({ tr, dispatch }) {
  const range = blockRange(tr.selection);
  if (!range) return false;
  if (!dispatch) return true;
  tr.insert(range.end, tr.doc.slice(range.start, range.end).content);
  tr.setSelection(Selection.near(tr.doc.resolve(range.end + 1)));
  tr.setMeta(KEEPS_OUTPUT, true).scrollIntoView();
  return true;
}

function remove({ tr, dispatch, state }) {
  const range = blockRange(tr.selection);
  if (!range) return false;
  if (!dispatch) return true;
  const isAll = range.parent.childCount === range.last - range.first + 1;
  if (isAll) tr.replaceWith(range.start, range.end, state.schema.nodes.paragraph.create());
  else tr.delete(range.start, range.end);
  tr.setSelection(
    Selection.near(tr.doc.resolve(Math.min(range.start, tr.doc.content.size))),
  ).scrollIntoView();
  return true;
}

/** Return where the block under a point of the window starts: an item of a list, else a block of the document. */
export function blockAt(view, x, y) {
  const column = view.dom.getBoundingClientRect();
  const left = Math.max(column.left + 2, Math.min(x, column.right - 2));
  const found = view.posAtCoords({ left, top: y });
  if (!found) return null;
  const $pos = view.state.doc.resolve(found.pos);
  for (let depth = $pos.depth; depth > 1; depth--) {
    if (ITEMS.has($pos.node(depth).type.name)) return $pos.before(depth);
  }
  if ($pos.depth) return $pos.before(1);
  if (found.inside >= 0) return found.inside;
  return $pos.nodeAfter ? $pos.pos : null;
}

/** Return the selection that takes the block at a position as a whole. */
export function selectionOfBlock(doc, pos) {
  const node = doc.nodeAt(pos);
  if (!node) return null;
  return NodeSelection.isSelectable(node)
    ? NodeSelection.create(doc, pos)
    : Selection.near(doc.resolve(pos + 1));
}

export const Blocks = Extension.create({
  name: "blocks",

  addCommands() {
    return {
      moveBlockUp: () => (props) => moveBlocks(props, -1),
      moveBlockDown: () => (props) => moveBlocks(props, 1),
      duplicateBlock: () => duplicate,
      deleteBlock: () => remove,
    };
  },

  addKeyboardShortcuts() {
    // True at the edge too: the browser's own meaning of the key would surprise.
    const own = (name) => () => {
      this.editor.commands[name]();
      return true;
    };
    return {
      "Alt-ArrowUp": own("moveBlockUp"),
      "Alt-ArrowDown": own("moveBlockDown"),
      "Mod-Shift-d": own("duplicateBlock"),
    };
  },
});
