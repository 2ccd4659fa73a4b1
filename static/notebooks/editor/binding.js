/**
 * The binding between the editor and the shared document (y-tiptap), held to three rules.
 *
 * Only what a person does here is written. On its own the binding compares both sides after every transaction - a caret
 * that moves, a change that arrives - and writes whatever differs in form: browsers could answer each other's writing
 * for ever, and readers would write too.
 *
 * The caret stays beside the letter that it stands behind. On its own the binding looks for a block that reads as the
 * caret's block read before the others' change, and any empty line reads like any other.
 *
 * What arrives is shown. Where the binding fails over a change, the text is drawn anew from the shared document;
 * otherwise the next key press would write the old text over the new one.
 */
import { Collaboration, isChangeOrigin } from "@tiptap/extension-collaboration";
import { Plugin, PluginKey } from "@tiptap/pm/state";
import { ySyncPluginKey } from "@tiptap/y-tiptap";
import { forgiving } from "../schema/forgiving.js";

const OWN_CHANGES = new PluginKey("ownChanges");

/** Count the changes that were made here. */
const counter = () =>
  new Plugin({
    key: OWN_CHANGES,
    state: {
      init: () => 0,
      apply: (tr, count) => count + (tr.docChanged && !isChangeOrigin(tr) ? 1 : 0),
    },
  });

function keepCaretByItsLetter(binding) {
  let kept = null;
  Object.defineProperty(binding, "beforeTransactionSelection", {
    get: () => kept,
    set: (selection) => {
      kept = selection && { ...selection, absAnchor: null, absHead: null };
    },
  });
}

function showWhatArrives(binding) {
  const show = binding._observeFunction;
  binding._observeFunction = (events, transaction) => {
    try {
      show(events, transaction);
    } catch (fault) {
      console.error(fault);
      binding._forceRerender();
    }
  };
}

function hold(plugin) {
  const { view: bind } = plugin.spec;
  plugin.spec.view = (view) => {
    const { binding } = ySyncPluginKey.getState(view.state);
    keepCaretByItsLetter(binding);
    showWhatArrives(binding);
    const bound = bind(view);
    let written = OWN_CHANGES.getState(view.state);
    const update = (...args) => {
      const count = OWN_CHANGES.getState(view.state);
      if (count === written) return;
      written = count;
      bound.update(...args);
    };
    return { ...bound, update };
  };
  return plugin;
}

export const Binding = Collaboration.extend({
  onBeforeCreate() {
    this.parent?.();
    forgiving(this.editor.schema);
  },

  addProseMirrorPlugins() {
    const isSync = (plugin) => plugin.spec.key === ySyncPluginKey;
    return [counter(), ...this.parent().map((plugin) => (isSync(plugin) ? hold(plugin) : plugin))];
  },
});
