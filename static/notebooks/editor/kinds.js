/** The kinds of blocks that a person can insert or turn a block into; slash menu, block menu and toolbar show them. */
import { say } from "./words.js";

const kind = (id, icon, run, { active, turns = true, needsModels = false, search = "" } = {}) => ({
  id,
  icon,
  run,
  active: active ?? (() => false),
  turns,
  needsModels,
  get label() {
    return say(`kind_${id}`);
  },
  get hint() {
    return say(`hint_${id}`);
  },
  get search() {
    return `${say(`kind_${id}`)} ${say(`search_${id}`)} ${search}`.toLowerCase();
  },
});

const heading = (level) =>
  kind(`heading${level}`, `heading-${level}`, (chain) => chain.setHeading({ level }), {
    active: (editor) => editor.isActive("heading", { level }),
    search: `h${level} ${"#".repeat(level)}`,
  });

const plain = (chain) => chain.clearNodes();

export const KINDS = [
  kind("text", "pilcrow", plain, { active: (editor) => isPlain(editor), search: "p" }),
  heading(1),
  heading(2),
  heading(3),
  kind("bullets", "list", (chain) => plain(chain).toggleBulletList(), {
    active: (editor) => editor.isActive("bulletList"),
    search: "ul -",
  }),
  kind("numbers", "list-ordered", (chain) => plain(chain).toggleOrderedList(), {
    active: (editor) => editor.isActive("orderedList"),
    search: "ol 1.",
  }),
  kind("tasks", "list-todo", (chain) => plain(chain).toggleTaskList(), {
    active: (editor) => editor.isActive("taskList"),
    search: "todo []",
  }),
  kind("quote", "text-quote", (chain) => plain(chain).setBlockquote(), {
    active: (editor) => editor.isActive("blockquote"),
    search: ">",
  }),
  kind("code", "square-code", (chain) => plain(chain).setCodeBlock(), {
    active: (editor) => editor.isActive("codeBlock"),
    search: "```",
  }),
  kind("table", "table", (chain) => chain.insertTable({ rows: 3, cols: 3, withHeaderRow: true }), {
    turns: false,
    search: "grid",
  }),
  kind("image", "image-plus", (chain) => chain.pickImages(), { turns: false, search: "img photo" }),
  kind("promptCell", "sparkles", (chain) => chain.insertPromptCell(), {
    turns: false,
    needsModels: true,
    search: "{{ ai cell",
  }),
  kind("textCell", "tag", (chain) => chain.insertTextCell(), {
    turns: false,
    needsModels: true,
    search: "{{ cell name",
  }),
  kind("rule", "minus", (chain) => chain.setHorizontalRule(), { turns: false, search: "hr ---" }),
];

function isPlain(editor) {
  const { $from } = editor.state.selection;
  return $from.parent.type.name === "paragraph" && $from.depth === 1;
}

/** Return the kinds that fit what was typed after the slash: those whose name begins with it first. */
export function matching(query, { models = true } = {}) {
  const wanted = query.trim().toLowerCase();
  const offered = KINDS.filter((found) => models || !found.needsModels);
  if (!wanted) return offered;
  const begins = (found) => found.label.toLowerCase().startsWith(wanted);
  const fitting = offered.filter((found) => found.search.includes(wanted));
  return [...fitting.filter(begins), ...fitting.filter((found) => !begins(found))];
}

/** Return the kinds that a block can be turned into. */
export function turnable() {
  return KINDS.filter((found) => found.turns);
}
