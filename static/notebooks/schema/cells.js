/**
 * Cells: named blocks of the document that a chain of models reads and writes. They stand at the top of the document
 * only, never in a list, a quote, a table or another cell. apps/notebooks/chain/cells.py reads the same shapes.
 *
 *   textCell         attrs cellId (uuid), name; content: blocks that people write and prompts refer to
 *   promptCell       attrs cellId, name and its settings (chain/settings.js); content: cellInstruction cellResult
 *   cellInstruction  text, line breaks and reference chips
 *   cellResult       blocks; what a model wrote carries the mark `output`
 *   cellReference    a chip: attrs cellId, notebookId (null: this notebook), mode ("live" or "released"),
 *                    label (the name when it was written, shown until the source is known)
 */
import { Node } from "@tiptap/core";

const cellId = { default: null, parseHTML: (dom) => dom.dataset.cellId || null, rendered: false };
const name = { default: "", parseHTML: (dom) => dom.dataset.name ?? "", rendered: false };
const SETTINGS = ["length", "adventurous", "variants", "required", "banned", "limit"];
const OF_BEFORE = "params"; // all settings as one

export const TextCell = Node.create({
  name: "textCell",
  group: "cell",
  content: "block+",
  isolating: true,
  defining: true,
  draggable: true,

  addAttributes() {
    return { cellId, name };
  },

  parseHTML() {
    return [{ tag: "section[data-text-cell]" }];
  },

  renderHTML({ node }) {
    const shown = { class: "text-cell", "data-text-cell": "", "aria-label": String(node.attrs.name) };
    return ["section", { ...shown, "data-cell-id": node.attrs.cellId, "data-name": node.attrs.name }, 0];
  },
});

export const PromptCell = Node.create({
  name: "promptCell",
  group: "cell",
  content: "cellInstruction cellResult",
  isolating: true,
  defining: true,
  draggable: true,

  addAttributes() {
    const setting = (key) => ({
      default: null,
      parseHTML: (dom) => dom.dataset[key] ?? null,
      renderHTML: ({ [key]: value }) => (value === null ? {} : { [`data-${key}`]: value }),
    });
    const settings = [...SETTINGS, OF_BEFORE].map((key) => [key, setting(key)]);
    return { cellId, name, ...Object.fromEntries(settings) };
  },

  parseHTML() {
    return [{ tag: "section[data-prompt-cell]" }];
  },

  renderHTML({ node, HTMLAttributes }) {
    const { cellId, name } = node.attrs;
    const shown = { class: "prompt-cell", "data-prompt-cell": "", "aria-label": String(name) };
    return ["section", { ...shown, ...HTMLAttributes, "data-cell-id": cellId, "data-name": name }, 0];
  },
});

export const CellInstruction = Node.create({
  name: "cellInstruction",
  content: "(text | hardBreak | cellReference)*",
  marks: "output",
  defining: true,
  selectable: false,

  parseHTML() {
    return [{ tag: "p[data-cell-instruction]", priority: 60 }];
  },

  renderHTML() {
    return ["p", { class: "cell-instruction", "data-cell-instruction": "" }, 0];
  },

  addKeyboardShortcuts() {
    // Enter goes on to the result; Shift-Enter breaks the line.
    const toResult = ({ editor }) => {
      const { $from } = editor.state.selection;
      if ($from.parent.type !== this.type) return false;
      return editor.commands.setTextSelection($from.after() + 2);
    };
    return { Enter: toResult };
  },
});

export const CellResult = Node.create({
  name: "cellResult",
  content: "block+",
  defining: true,
  isolating: true,
  selectable: false,

  parseHTML() {
    return [{ tag: "div[data-cell-result]" }];
  },

  renderHTML() {
    return ["div", { class: "cell-result", "data-cell-result": "" }, 0];
  },
});

export const CellReference = Node.create({
  name: "cellReference",
  inline: true,
  atom: true,
  marks: "",

  addAttributes() {
    return {
      cellId,
      notebookId: { default: null, parseHTML: (dom) => dom.dataset.notebookId || null, rendered: false },
      mode: { default: "live", parseHTML: (dom) => dom.dataset.mode || "live", rendered: false },
      label: { default: "", parseHTML: (dom) => dom.dataset.label ?? "", rendered: false },
    };
  },

  parseHTML() {
    return [{ tag: "span[data-cell-reference]" }];
  },

  renderHTML({ node }) {
    const { cellId, notebookId, mode, label } = node.attrs;
    const data = {
      "data-cell-id": cellId,
      "data-notebook-id": notebookId,
      "data-mode": mode,
      "data-label": label,
    };
    return ["span", { class: "cell-reference", "data-cell-reference": "", ...data }, String(label)];
  },

  renderText({ node }) {
    return `{{${node.attrs.label}}}`;
  },
});
