/**
 * What a document may hold. This list is the schema: a browser with another one would delete what it does not know,
 * so every change here raises SCHEMA_VERSION, and the server makes outdated pages reload before they may write.
 */
import { Blockquote } from "@tiptap/extension-blockquote";
import { Bold } from "@tiptap/extension-bold";
import { Code } from "@tiptap/extension-code";
import { CodeBlock } from "@tiptap/extension-code-block";
import { Document } from "@tiptap/extension-document";
import { HardBreak } from "@tiptap/extension-hard-break";
import { Heading } from "@tiptap/extension-heading";
import { HorizontalRule } from "@tiptap/extension-horizontal-rule";
import { Italic } from "@tiptap/extension-italic";
import { BulletList, ListItem, ListKeymap, OrderedList, TaskItem, TaskList } from "@tiptap/extension-list";
import { Paragraph } from "@tiptap/extension-paragraph";
import { Strike } from "@tiptap/extension-strike";
import { Text } from "@tiptap/extension-text";
import { Underline } from "@tiptap/extension-underline";
import { CellInstruction, CellReference, CellResult, PromptCell, TextCell } from "./cells.js";
import { Image } from "./image.js";
import { Link } from "./link.js";
import { Output } from "./output.js";
import { tables } from "./tables.js";

export { SCHEMA_VERSION } from "./version.js";

const DocumentOfCells = Document.extend({ content: "(block | cell)+" });
// Marks that shut each other out cannot be merged: one person makes words bold while another makes them code.
const CodeBesideOthers = Code.extend({ excludes: "code" });
const CodeBlockWithOutput = CodeBlock.extend({ marks: "output" });

/** Return the nodes and marks; `taskLabel` names a task's box for those who cannot see it. */
export function schemaExtensions({ taskLabel = (words) => words } = {}) {
  return [
    DocumentOfCells,
    Paragraph,
    Text,
    HardBreak,
    Heading.configure({ levels: [1, 2, 3] }),
    BulletList,
    OrderedList,
    ListItem,
    ListKeymap,
    TaskList,
    TaskItem.configure({ nested: true, a11y: { checkboxLabel: (node) => taskLabel(node.textContent) } }),
    Blockquote,
    CodeBlockWithOutput,
    HorizontalRule,
    Image,
    ...tables,
    TextCell,
    PromptCell,
    CellInstruction,
    CellResult,
    CellReference,
    Bold,
    Italic,
    Strike,
    Underline,
    CodeBesideOthers,
    Link,
    Output,
  ];
}
