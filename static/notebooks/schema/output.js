/**
 * The mark `output`: these words were written by a model. Attributes: `outputId` (uuid of the immutable output row),
 * `variant` (which of its variants, from 0).
 *
 * The mark goes where its words go - moved, copied, undone - and never onto anything that a person adds. Three things
 * hold that up: (1) the caret inside marked text carries stored marks without it, which the browser's input methods
 * honour too; (2) whatever is still inserted with it as bare inline text loses it again; (3) pasted plain text does not
 * take it over from its surroundings. Structural commands insert blocks, never bare text, and keep it.
 */
import { Mark } from "@tiptap/core";
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { Fragment, Slice } from "@tiptap/pm/model";
import { Plugin, PluginKey, TextSelection } from "@tiptap/pm/state";
import { ReplaceStep } from "@tiptap/pm/transform";

/** Set on a transaction whose inserted text is moved or put in by the system and keeps its mark. */
export const KEEPS_OUTPUT = "keepsOutput";

function isTyped(step) {
  if (!(step instanceof ReplaceStep) || !step.slice.size) return false;
  const { content, openStart, openEnd } = step.slice;
  if (openStart || openEnd) return false;
  for (let index = 0; index < content.childCount; index++) {
    if (!content.child(index).isInline) return false;
  }
  return true;
}

function carriesText(transaction) {
  const event = transaction.getMeta("uiEvent");
  return event === "paste" || event === "drop" || transaction.getMeta(KEEPS_OUTPUT);
}

/** Return the ranges of the newest document that were typed in these transactions. */
function typedRanges(transactions) {
  let ranges = [];
  for (const transaction of transactions) {
    const counts = transaction.docChanged && !isChangeOrigin(transaction) && !carriesText(transaction);
    transaction.steps.forEach((step, index) => {
      const map = transaction.mapping.maps[index];
      ranges = ranges.map(({ from, to }) => ({ from: map.map(from, 1), to: map.map(to, -1) }));
      if (counts && isTyped(step)) ranges.push({ from: step.from, to: step.from + step.slice.size });
    });
  }
  return ranges.filter(({ from, to }) => from < to);
}

function unmarkTyped(tr, type, transactions) {
  for (const { from, to } of typedRanges(transactions)) {
    if (tr.doc.rangeHasMark(from, to, type)) tr.removeMark(from, to, type);
  }
}

/** Keep the caret's own marks free of the output: what is typed next is a person's. */
function unmarkCaret(tr, state, type) {
  const { selection } = state;
  if (!(selection instanceof TextSelection)) return;
  const marks = state.storedMarks ?? selection.$from.marks();
  if (type.isInSet(marks)) tr.setStoredMarks(type.removeFromSet(marks));
}

/** Return the slice with its text in the given marks; plain text that a person pastes. */
function plainSlice(text, context, marks) {
  const { schema } = context.doc.type;
  const blocks = text.split(/(?:\r\n?|\n)+/).map((line) => {
    const words = line ? schema.text(line, marks) : null;
    return context.parent.type.spec.code ? words : schema.nodes.paragraph.create(null, words);
  });
  return new Slice(Fragment.from(blocks.filter(Boolean)), 1, 1);
}

export const Output = Mark.create({
  name: "output",
  inclusive: false,
  priority: 50, // innermost in the DOM, so that a link or bold around it stays in one piece

  addAttributes() {
    return {
      outputId: { default: null, parseHTML: (dom) => dom.dataset.output || null, rendered: false },
      variant: {
        default: 0,
        parseHTML: (dom) => Number.parseInt(dom.dataset.variant, 10) || 0,
        rendered: false,
      },
    };
  },

  parseHTML() {
    return [{ tag: "span[data-output]" }];
  },

  renderHTML({ mark }) {
    const { outputId, variant } = mark.attrs;
    return ["span", { class: "output", "data-output": String(outputId), "data-variant": String(variant) }, 0];
  },

  addProseMirrorPlugins() {
    const { type } = this;
    return [
      new Plugin({
        key: new PluginKey("output"),
        appendTransaction: (transactions, _before, state) => {
          if (transactions.some(isChangeOrigin)) return null;
          const { tr } = state;
          unmarkTyped(tr, type, transactions);
          unmarkCaret(tr, state, type);
          return tr.steps.length || tr.storedMarksSet ? tr : null;
        },
        props: {
          clipboardTextParser: (text, context, _plain, view) => {
            const marks = view.state.storedMarks ?? context.marks();
            if (!type.isInSet(context.marks()) || context.parent.type.spec.code) return null;
            return plainSlice(text, context, type.removeFromSet(marks));
          },
        },
      }),
    ];
  },
});
