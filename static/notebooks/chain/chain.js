/**
 * The chain in the editor: cells as blocks, references as chips, `{{` to refer, Ctrl-Enter to write a cell anew.
 * Everything that is document stays the schema's (schema/cells.js); here stands how it is shown and driven.
 */
import { Extension, InputRule } from "@tiptap/core";
import { Plugin, PluginKey, TextSelection } from "@tiptap/pm/state";
import { uuidv4 } from "lib0/random";
import { PopMenu } from "../editor/popMenu.js";
import { readPage } from "../editor/reading.js";
import { trigger } from "../editor/trigger.js";
import { say } from "../editor/words.js";
import { AroundCells, selectPart } from "./aroundCells.js";
import { Births } from "./births.js";
import { CellView } from "./cellView.js";
import { ChipView, SourceCard } from "./chips.js";
import { separateCopies } from "./copies.js";
import { freeName } from "./fields.js";
import { origins, showOrigins } from "./origins.js";
import { Picker } from "./picker.js";

const WRITTEN = /\{\{((?:[a-z0-9][a-z0-9-]{0,79}\/)?[a-z][a-z0-9_]{0,40})(?:@released)?\}\}$/;

/** Return the cell around the selection: {node, pos}; null outside of cells. */
export function cellAround(state) {
  const { $from } = state.selection;
  if ($from.depth < 1 && state.selection.node?.attrs.cellId)
    return { node: state.selection.node, pos: $from.pos };
  const node = $from.depth ? $from.node(1) : null;
  return node?.attrs.cellId ? { node, pos: $from.before(1) } : null;
}

/** Put a new cell in place of an empty paragraph, or after the block at hand, and go into it. */
function insertCell(type, wish) {
  return ({ state, tr, dispatch }) => {
    const { $from } = tr.selection;
    const { schema } = state;
    const cell = schema.nodes[type].createAndFill({ cellId: uuidv4(), name: freeName(tr.doc, wish) });
    const top = $from.depth ? $from.before(1) : $from.pos;
    const block = $from.depth ? $from.node(1) : null;
    const replaces = block?.type.name === "paragraph" && !block.content.size;
    if (!dispatch) return true;
    const at = block && !replaces ? top + block.nodeSize : top;
    if (replaces) tr.replaceWith(top, top + block.nodeSize, cell);
    else tr.insert(at, cell);
    tr.setSelection(TextSelection.near(tr.doc.resolve(at + 2))).scrollIntoView();
    return true;
  };
}

/** Return the chip's attributes for what was chosen or written. */
function attributesOf({ cell, notebook, mode, written }) {
  return { cellId: cell, notebookId: notebook || null, mode, label: written };
}

export const ChainExtension = Extension.create({
  name: "chain",
  priority: 250,

  addOptions() {
    return { store: null, box: () => document.body, url: "", notebookId: "" };
  },

  addStorage() {
    return { menu: null, card: null, births: null, picker: null };
  },

  onCreate() {
    this.storage.menu = new PopMenu(this.options.box());
    this.storage.card = new SourceCard({ box: this.options.box(), url: this.options.url });
    const { session } = this.options.store;
    const mayEdit = () => this.editor.isEditable && session.mayEdit;
    this.storage.births = new Births(session.doc, { mayEdit });
  },

  onDestroy() {
    this.storage.births?.destroy();
    this.storage.menu?.destroy();
    this.storage.card?.destroy();
  },

  addExtensions() {
    return [AroundCells];
  },

  addCommands() {
    return {
      insertTextCell: () => insertCell("textCell", "text"),
      insertPromptCell: () => insertCell("promptCell", "draft"),
      showOrigins,
    };
  },

  addKeyboardShortcuts() {
    const { store } = this.options;
    const run = () => {
      const cell = cellAround(this.editor.state);
      if (cell?.node.type.name !== "promptCell") return false;
      if (store.mayRun) store.run([cell.node.attrs.cellId]);
      return true; // who may not, gets no new line instead
    };
    return { "Mod-Enter": run, "Mod-a": ({ editor }) => selectPart(editor) };
  },

  addInputRules() {
    const find = WRITTEN;
    const handler = ({ state, range, match }) => {
      const found = this.storage.picker?.written(match[1]);
      if (!found || state.selection.$from.parent.type.name !== "cellInstruction") return null;
      const chip = state.schema.nodes.cellReference.create(attributesOf(found));
      state.tr.replaceWith(range.from, range.to, chip);
      return undefined;
    };
    return [new InputRule({ find, handler })];
  },

  addProseMirrorPlugins() {
    const { editor, options, storage } = this;
    const { store, box, url, notebookId } = options;
    const arrived = () => {
      if (editor.isDestroyed) return;
      readPage(editor.view);
      editor.view.dispatch(editor.state.tr.setMeta("addToHistory", false));
    };
    const picker = new Picker({ url, store, arrived });
    store.addEventListener("change", ({ detail }) => detail === null && picker.forget());
    storage.picker = picker;
    const refer = (choice, range) => {
      const chip = { type: "cellReference", attrs: attributesOf(choice) };
      editor.chain().focus().insertContentAt(range, chip).run();
    };
    const cellView = (node, view, getPos) =>
      new CellView({ node, view, editor, getPos, store, menu: () => storage.menu });
    const chipView = (node) => new ChipView({ node, store, notebookId, card: () => storage.card });
    return [
      origins(),
      trigger({
        name: "references",
        sign: "{{",
        within: "cellInstruction",
        label: () => say("chain_refer"),
        none: (query) => say("chain_refer_none", { query }),
        box,
        items: (query) => picker.items(query),
        run: refer,
      }),
      new Plugin({
        key: new PluginKey("chain"),
        appendTransaction: separateCopies,
        props: { nodeViews: { textCell: cellView, promptCell: cellView, cellReference: chipView } },
      }),
    ];
  },
});
