/** Browsers without a screen: the editor's real schema and plugins on a Yjs document, driven by transactions. */
import { getSchema } from "@tiptap/core";
import { EditorState, Plugin, TextSelection } from "@tiptap/pm/state";
import { redo, undo, ySyncPlugin, yUndoPlugin } from "@tiptap/y-tiptap";
import * as Y from "yjs";
import { Births } from "../../../../static/notebooks/chain/births.js";
import { separateCopies } from "../../../../static/notebooks/chain/copies.js";
import { schemaExtensions } from "../../../../static/notebooks/schema/index.js";
import { Output } from "../../../../static/notebooks/schema/output.js";

globalThis.document ??= { addEventListener() {}, removeEventListener() {} };
export const schema = getSchema(schemaExtensions());

/** Return chance that repeats with its seed (mulberry32). */
export function chance(seed) {
  let at = seed >>> 0;
  const next = () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(next() * limit);
  return { next, below, pick: (list) => list[below(list.length)] };
}

/** A person's editor. */
export class Person {
  constructor(clientId, update) {
    this.doc = new Y.Doc();
    this.doc.clientID = clientId;
    Y.applyUpdate(this.doc, update);
    this.births = new Births(this.doc);
    const fragment = this.doc.getXmlFragment("document");
    const output = { type: schema.marks.output, name: "output", options: {}, editor: {} };
    const plugins = [
      ySyncPlugin(fragment),
      yUndoPlugin(),
      ...Output.config.addProseMirrorPlugins.call(output),
      new Plugin({ appendTransaction: separateCopies }),
    ];
    this.state = EditorState.create({ schema, plugins });
    this.views = this.state.plugins.map(({ spec }) => spec.view?.(this)).filter(Boolean);
    this.binding._forceRerender();
  }

  get binding() {
    return this.state.plugins.map((plugin) => plugin.getState(this.state)?.binding).find(Boolean);
  }

  hasFocus() {
    return false;
  }

  updateState(state) {
    const before = this.state;
    this.state = state;
    for (const view of this.views ?? []) view.update?.(this, before);
  }

  dispatch(tr) {
    this.updateState(this.state.apply(tr));
  }

  select(from, to = from) {
    const { doc, tr } = this.state;
    this.dispatch(tr.setSelection(TextSelection.between(doc.resolve(from), doc.resolve(to))));
    return this.state.selection;
  }

  undo() {
    this.#surely(() => undo(this.state));
  }

  redo() {
    this.#surely(() => redo(this.state));
  }

  mend() {
    this.#surely(() => this.births.mend());
  }

  /** The binding may fail to find the caret again; the text comes with the next change, or here. */
  #surely(act) {
    try {
      act();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.binding._forceRerender();
    }
  }

  /** Take all that the other has written; what travels one way waits for the other. */
  hear(other) {
    const update = Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(this.doc));
    this.#surely(() => Y.applyUpdate(this.doc, update, "remote"));
  }
}
