/**
 * Undo of one's own edits that leaves every copy of the document with the same text.
 *
 * Yjs brings deleted text back by writing it anew between the neighbours that it had. When those have been brought back
 * too, in another order, there is no such place: this browser shows one order and every other copy, its own after a
 * reload included, reads another. Such a piece is given the right neighbour that it really has (yjs#794).
 *
 * And Yjs lets go of what it might still need: after an edit that ends the chance to redo, a block that undo had brought
 * back may be cleared away for good once somebody deletes it, and the next undo that reaches for it fails half way.
 *
 * docs/adr/0009-undo.md has both as a reproduction.
 */
import { defaultDeleteFilter, defaultProtectedNodes, ySyncPluginKey } from "@tiptap/y-tiptap";
import * as Y from "yjs";

export class Undo extends Y.UndoManager {
  /** Undo what the editor writes into this part of a document. */
  static of(fragment) {
    return new Undo(fragment, {
      trackedOrigins: new Set([ySyncPluginKey]),
      deleteFilter: (item) => defaultDeleteFilter(item, defaultProtectedNodes),
      captureTransaction: (transaction) => transaction.meta.get("addToHistory") !== false,
    });
  }

  /** Forget what could be undone or redone, but keep the text that the rest still refers to. */
  clear(undo = true, redo = true) {
    const undoStackCleared = undo && this.canUndo();
    const redoStackCleared = redo && this.canRedo();
    if (!undoStackCleared && !redoStackCleared) return;
    if (undoStackCleared) this.undoStack = [];
    if (redoStackCleared) this.redoStack = [];
    this.emit("stack-cleared", [{ undoStackCleared, redoStackCleared }]);
  }
}

/** Whether one comes to `right` by walking on from `left`. */
function leadsTo(left, right) {
  let next = left.right;
  while (next !== null && next !== right) next = next.right;
  return next === right;
}

const integrate = Y.Item.prototype.integrate;

Y.Item.prototype.integrate = function (transaction, offset) {
  const isBroughtBack = transaction.origin instanceof Undo && this.left && this.right;
  if (isBroughtBack && !leadsTo(this.left, this.right)) {
    this.right = this.left.right;
    this.rightOrigin = this.right?.id ?? null;
  }
  integrate.call(this, transaction, offset);
};
