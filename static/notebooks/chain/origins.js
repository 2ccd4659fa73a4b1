/** "Show who wrote what": while it is on, the words that people wrote in results are drawn as theirs. */
import { Plugin, PluginKey } from "@tiptap/pm/state";
import { Decoration, DecorationSet } from "@tiptap/pm/view";

const key = new PluginKey("origins");

function byPeople(doc) {
  const found = [];
  doc.descendants((node, pos, parent) => {
    if (node.type.name === "cellInstruction" || node.type.name === "textCell") return false;
    if (parent === doc && node.type.name !== "promptCell") return false;
    const isTheirs = node.isText && !node.marks.some(({ type }) => type.name === "output");
    if (isTheirs) found.push(Decoration.inline(pos, pos + node.nodeSize, { class: "by-people" }));
    return true;
  });
  return DecorationSet.create(doc, found);
}

/** The command that switches it. */
export const showOrigins =
  (shown) =>
  ({ tr }) => {
    tr.setMeta(key, shown).setMeta("addToHistory", false);
    return true;
  };

export function origins() {
  return new Plugin({
    key,
    state: {
      init: () => null,
      apply: (tr, shown, _old, { doc }) => {
        const wanted = tr.getMeta(key) ?? Boolean(shown);
        if (!wanted) return null;
        return shown && !tr.docChanged ? shown : byPeople(doc);
      },
    },
    props: { decorations: (state) => key.getState(state) },
  });
}
