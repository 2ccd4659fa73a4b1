/** The slash menu: what can be inserted. */
import { Extension } from "@tiptap/core";
import { matching } from "./kinds.js";
import { trigger } from "./trigger.js";
import { say } from "./words.js";

export const Slash = Extension.create({
  name: "slash",
  priority: 200, // before the keys of lists and tables, which also answer Enter and Tab

  addOptions() {
    return { box: () => document.body, models: () => true };
  },

  addProseMirrorPlugins() {
    const { editor, options } = this;
    const insert = (kind, { from, to }) => kind.run(editor.chain().focus().deleteRange({ from, to })).run();
    return [
      trigger({
        name: "slash",
        sign: "/",
        label: () => say("insert"),
        none: (query) => say("insert_none", { query }),
        box: options.box,
        items: (query) => matching(query, { models: options.models() }),
        run: insert,
      }),
    ];
  },
});
