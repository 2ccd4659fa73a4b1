/**
 * The binding between the editor and the shared document (y-tiptap), held to three rules.
 *
 * Only what a person does here is written. On its own the binding compares both sides after every transaction - a caret
 * that moves, a change that arrives - and writes whatever differs in form: browsers could answer each other's writing
 * for ever, and readers would write too.
 *
 * The caret stays beside the letter that it stands behind, and where the page shows it (drawing.js, reading.js).
 *
 * What arrives is shown. Where the binding fails over a change, the text is drawn anew from the shared document;
 * otherwise the next key press would write the old text over the new one.
 */
import { Collaboration, isChangeOrigin } from "@tiptap/extension-collaboration";
import { Plugin, PluginKey } from "@tiptap/pm/state";
import { ySyncPluginKey, yUndoPluginKey } from "@tiptap/y-tiptap";
import { forgiving } from "../schema/forgiving.js";
import { Drawing, rememberCarets } from "./drawing.js";
import { readPage } from "./reading.js";

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

/** Let a key do its work where the caret is on the page, however busy the page is. */
const reader = () =>
  new Plugin({
    props: {
      handleDOMEvents: {
        keydown: (view, event) => {
          if (!event.isComposing && !view.composing) readPage(view);
          return false;
        },
      },
    },
  });

function hold(plugin) {
  const { view: bind } = plugin.spec;
  plugin.spec.view = (view) => {
    const { binding } = ySyncPluginKey.getState(view.state);
    const drawing = new Drawing(binding);
    const bound = bind(view);
    let written = OWN_CHANGES.getState(view.state);
    const update = (...args) => {
      const count = OWN_CHANGES.getState(view.state);
      if (count === written) return;
      written = count;
      drawing.write(() => bound.update(...args));
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
    const held = (plugin) => {
      if (plugin.spec.key === ySyncPluginKey) return hold(plugin);
      return plugin.spec.key === yUndoPluginKey ? rememberCarets(plugin) : plugin;
    };
    return [counter(), reader(), ...this.parent().map(held)];
  },
});
