/** Everything that the editor is made of. */
import { Extension, textInputRule } from "@tiptap/core";
import { isChangeOrigin } from "@tiptap/extension-collaboration";
import { Dropcursor } from "@tiptap/extensions/drop-cursor";
import { Gapcursor } from "@tiptap/extensions/gap-cursor";
import { Plugin } from "@tiptap/pm/state";
import { ChainExtension } from "../chain/chain.js";
import { schemaExtensions } from "../schema/index.js";
import { Bars } from "./bars.js";
import { Binding } from "./binding.js";
import { Blocks } from "./blocks.js";
import { Carets } from "./carets.js";
import { DistinctNodes } from "./distinctNodes.js";
import { BlockHandle } from "./handle.js";
import { Placeholders } from "./placeholders.js";
import { Slash } from "./slash.js";
import { Undo } from "./undo.js";
import { Uploading } from "./uploads.js";
import { say } from "./words.js";

const CONTENT = "document"; // what the editor's part of a shared document is called

/** Whoever may only read changes nothing: no plugin's repair either, only what arrives from the others. */
const ReadersWriteNothing = Extension.create({
  name: "readersWriteNothing",
  addProseMirrorPlugins() {
    const { editor } = this;
    const filterTransaction = (tr) => !tr.docChanged || editor.isEditable || isChangeOrigin(tr);
    return [new Plugin({ filterTransaction })];
  },
});

// Quotation marks differ between languages and guesses annoy: only what is the same everywhere is replaced.
const Typing = Extension.create({
  name: "typing",
  addInputRules: () => [
    textInputRule({ find: /--$/, replace: "—" }),
    textInputRule({ find: /\.\.\.$/, replace: "…" }),
  ],
});

export function extensions({ session, store, user, urls, box, note }) {
  const undo = Undo.of(session.doc.getXmlFragment(CONTENT));
  return [
    ...schemaExtensions({ taskLabel: (words) => say("task", { words }) }),
    Binding.configure({ document: session.doc, field: CONTENT, yUndoOptions: { undoManager: undo } }),
    Carets.configure({ awareness: session.awareness, user }),
    Placeholders,
    Dropcursor.configure({ class: "drop-line", color: false, width: 3 }),
    Gapcursor,
    Typing,
    Blocks,
    DistinctNodes,
    Slash.configure({ box, models: () => store.ai }),
    Bars.configure({ box }),
    BlockHandle.configure({ box }),
    ChainExtension.configure({ store, box, url: urls.chain, notebookId: session.notebookId }),
    Uploading.configure({ url: urls.images, note }),
    ReadersWriteNothing,
  ];
}
