/** What to do in the empty line where the caret is. */
import { Extension } from "@tiptap/core";
import { Plugin } from "@tiptap/pm/state";
import { Decoration, DecorationSet } from "@tiptap/pm/view";
import { say } from "./words.js";

function hint($from, doc) {
  const { parent: line, depth } = $from;
  const around = depth ? $from.node(depth - 1) : doc;
  if (line.type.name === "heading") return say(`kind_heading${line.attrs.level}`);
  if (line.type.name === "cellInstruction") return say("placeholder_instruction");
  if (line.type.name !== "paragraph") return "";
  if (around.type.name === "cellResult") return around.childCount === 1 ? say("placeholder_result") : "";
  if (depth !== 1) return "";
  return doc.childCount === 1 ? say("placeholder_empty") : say("placeholder_line");
}

export const Placeholders = Extension.create({
  name: "placeholders",

  addProseMirrorPlugins() {
    const { editor } = this;
    const decorations = ({ doc, selection: { $from, empty } }) => {
      if (!editor.isEditable || !empty || !$from.parent.isTextblock || $from.parent.content.size) return null;
      const words = hint($from, doc);
      if (!words) return null;
      const shown = { class: "is-empty", "data-placeholder": words };
      return DecorationSet.create(doc, [Decoration.node($from.before(), $from.after(), shown)]);
    };
    return [new Plugin({ props: { decorations } })];
  },
});
