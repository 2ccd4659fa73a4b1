/**
 * How the shared document is drawn into the text.
 *
 * On its own y-tiptap builds the whole text anew at every letter of anybody, and finds the caret again by an anchor
 * alone; where that fails the caret lies at the top of the document, or the drawing throws. Here only the blocks that
 * differ are replaced. A caret outside of them stands still by construction; one inside is led by its anchor, the
 * letter that it stands behind, and where that is gone, stays as near as the text allows.
 */
import { Fragment, Slice } from "@tiptap/pm/model";
import { AllSelection, NodeSelection, Selection, TextSelection } from "@tiptap/pm/state";
import { ReplaceStep, Transform } from "@tiptap/pm/transform";
import { updateYFragment, ySyncPluginKey } from "@tiptap/y-tiptap";
import { UndoManager } from "yjs";
import { anchorAt, placeOf, positionOf } from "./anchors.js";
import { readPage } from "./reading.js";

const LED_BY_US = { anchor: null, head: null }; // what y-tiptap is told of the caret

/** Return both ends of a selection as anchors, and as the numbers that they are here and now. */
function endsOf(state) {
  const { anchor, head, jsonID } = state.selection;
  return { kind: jsonID, anchor: anchorAt(state, anchor), head: anchorAt(state, head), at: { anchor, head } };
}

/** Leave out an anchor that does not lead back: the text was mended there (anchors.js). */
function verified(ends, state) {
  for (const end of ["anchor", "head"]) if (positionOf(state, ends[end]) !== ends.at[end]) ends[end] = null;
  return ends;
}

/** Return how a position moves from one document to another, judged by what differs in their text. */
function follower(old, fresh) {
  const start = old.content.findDiffStart(fresh.content);
  if (start === null) return (pos) => pos;
  const { a, b } = old.content.findDiffEnd(fresh.content);
  const shared = Math.max(0, start - Math.min(a, b));
  const [end, newEnd] = [a + shared, b + shared];
  return (pos) => (pos <= start ? pos : pos >= end ? pos - end + newEnd : Math.min(pos, newEnd));
}

/** Return the range of the blocks of one document that are not the very blocks of the other, and those. */
function difference(old, fresh) {
  const most = Math.min(old.childCount, fresh.childCount);
  let [before, after, from, behind] = [0, 0, 0, 0];
  while (before < most && old.child(before) === fresh.child(before)) from += fresh.child(before++).nodeSize;
  const last = (fragment) => fragment.child(fragment.childCount - 1 - after);
  while (after < most - before && last(old) === last(fresh)) {
    behind += last(old).nodeSize;
    after += 1;
  }
  const blocks = fresh.content.slice(before, fresh.childCount - after);
  return { from, to: old.size - behind, blocks };
}

/** Replace the blocks of a document that differ; return the range that they had. */
function replaceDifference(tr, slice) {
  const { doc } = tr;
  const { from, to, blocks } = difference(doc.content, slice.content);
  if (doc.type.validContent(slice.content)) {
    if (from < to || blocks.length)
      tr.step(new ReplaceStep(from, to, new Slice(Fragment.from(blocks), 0, 0)));
    return { from, to };
  }
  Transform.prototype.replace.call(tr, 0, doc.content.size, slice); // fills in what a document must have
  return { from: 0, to: doc.content.size };
}

export class Drawing {
  #caret = null;
  #undone = null;
  #isWriting = false;
  #isDrawing = false;

  constructor(binding) {
    this.binding = binding;
    this.show = binding._observeFunction;
    Object.defineProperty(binding, "beforeTransactionSelection", { get: () => LED_BY_US, set() {} });
    Object.defineProperty(binding, "_tr", { get: () => this.#transaction() });
    binding.beforeAllTransactions = () => this.#remember();
    binding.afterAllTransactions = () => {
      this.#caret = null;
    };
    binding._prosemirrorChanged = (doc) =>
      binding.doc.transact(() => updateYFragment(binding.doc, binding.type, doc, binding), ySyncPluginKey);
    binding._observeFunction = (events, transaction) => this.#draw(events, transaction);
    this.#keepWhatIsDrawn();
  }

  get #view() {
    return this.binding.prosemirrorView;
  }

  /** Let what was changed here be written. */
  write(update) {
    this.#isWriting = true;
    try {
      update();
    } finally {
      this.#isWriting = false;
    }
  }

  /** Blocks that did not change stay the objects that they are; y-tiptap forgets all of them. */
  #keepWhatIsDrawn() {
    const { mapping } = this.binding;
    const forget = mapping.clear.bind(mapping);
    mapping.clear = () => this.#isDrawing || forget();
  }

  #remember() {
    if (this.#isWriting || !this.#view) return;
    readPage(this.#view);
    this.#caret = verified(endsOf(this.#view.state), this.#view.state);
  }

  #draw(events, transaction) {
    const { origin } = transaction;
    this.#undone = origin instanceof UndoManager ? origin : null;
    this.#isDrawing = true;
    try {
      this.show(events, transaction);
    } catch (fault) {
      console.error(fault);
      this.#isDrawing = false;
      this.binding._forceRerender();
    } finally {
      this.#isDrawing = false;
      this.#undone = null;
    }
  }

  /** Return a transaction that replaces the whole text by replacing what differs. */
  #transaction() {
    const { state } = this.#view;
    const tr = state.tr.setMeta("addToHistory", false);
    tr.replace = (_from, _to, slice) => {
      const replaced = replaceDifference(tr, slice);
      if (this.#undone) this.#goBack(tr, state.doc);
      else this.#lead(tr, this.#caret ?? endsOf(state), replaced);
      return tr;
    };
    return tr;
  }

  /** Lead the caret where it stood inside of what was replaced. */
  #lead(tr, { kind, anchor, head, at }, { from, to }) {
    const [low, high] = [Math.min(at.anchor, at.head), Math.max(at.anchor, at.head)];
    if (kind === "all") tr.setSelection(new AllSelection(tr.doc));
    if (kind === "all" || high <= from || low >= to) return;
    const follow = follower(this.#view.state.doc, tr.doc);
    const ends = [this.#placeOf(tr, anchor) ?? follow(at.anchor), this.#placeOf(tr, head) ?? follow(at.head)];
    this.#select(tr, kind, ...ends);
  }

  #select(tr, kind, anchor, head) {
    const [$anchor, $head] = [tr.doc.resolve(anchor), tr.doc.resolve(head)];
    const isNode = kind === "node" && $anchor.nodeAfter && NodeSelection.isSelectable($anchor.nodeAfter);
    tr.setSelection(isNode ? new NodeSelection($anchor) : TextSelection.between($anchor, $head));
  }

  #placeOf(tr, anchor) {
    return anchor && placeOf(tr.doc, this.binding, anchor);
  }

  /** After undoing the caret is where it was before what is undone; after redoing, behind it. */
  #goBack(tr, old) {
    const { undoing, currStackItem } = this.#undone;
    const kept = undoing ? currStackItem?.meta.get(this.binding) : null;
    const [anchor, head] = [kept?.anchor, kept?.head].map((one) => (one ? this.#placeOf(tr, one) : null));
    if (anchor != null && head != null) return this.#select(tr, kept.kind, anchor, head);
    const changed = old.content.findDiffEnd(tr.doc.content);
    if (changed) tr.setSelection(Selection.near(tr.doc.resolve(changed.b), -1));
    return tr;
  }
}

/** Let the list of what can be undone know where the caret was before each change. */
export function rememberCarets(undoPlugin) {
  const { state } = undoPlugin.spec;
  const apply = (tr, { undoManager, prevSel }, before) => ({
    undoManager,
    // What follows a change was made before the shared document knew of it: places do not translate yet.
    prevSel: tr.getMeta("appendedTransaction") ? prevSel : endsOf(before),
    hasUndoOps: undoManager.undoStack.length > 0,
    hasRedoOps: undoManager.redoStack.length > 0,
  });
  undoPlugin.spec.state = { ...state, apply };
  return undoPlugin;
}
