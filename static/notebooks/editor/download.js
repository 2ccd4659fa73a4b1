/** Download what stands on the page: as Markdown or plain text, made here, so that it works offline too. */
const WRAPS = [
  ["code", "`", "`"],
  ["bold", "**", "**"],
  ["italic", "*", "*"],
  ["strike", "~~", "~~"],
];

function escaped(text) {
  return text.replace(/([\\`*_[\]<>~|])/g, "\\$1");
}

function inline(node) {
  if (node.type === "hardBreak") return "\\\n";
  if (node.type === "cellReference") return `{{${node.attrs.label}}}`;
  const marks = new Map((node.marks ?? []).map((mark) => [mark.type, mark.attrs]));
  if (marks.has("code")) return `\`${node.text}\``;
  // Signs that close on a space are none in Markdown: keep the spaces outside.
  const [, before, words, behind] = /^(\s*)([\s\S]*?)(\s*)$/.exec(node.text);
  let text = escaped(words);
  for (const [name, open, close] of WRAPS) if (text && marks.has(name)) text = `${open}${text}${close}`;
  if (text && marks.has("link")) text = `[${text}](${marks.get("link").href})`;
  return `${before}${text}${behind}`;
}

const inlines = (node) => (node.content ?? []).map(inline).join("");
const indent = (text, by) => text.replace(/\n(?=[^\n])/g, `\n${" ".repeat(by)}`);

function list(node, sign) {
  const item = (child, index) => {
    const mark = sign(child, index);
    return `${mark}${indent(blocks(child, "\n"), mark.length)}`;
  };
  return node.content.map(item).join("\n");
}

function table(node) {
  const cells = (row) => row.content.map((cell) => blocks(cell, " ").replace(/\n+/g, " ").trim());
  const rows = node.content.map(cells);
  const width = Math.max(...rows.map((row) => row.length));
  const line = (row) => `| ${Array.from({ length: width }, (_none, at) => row[at] ?? "").join(" | ")} |`;
  return [line(rows[0]), `|${" --- |".repeat(width)}`, ...rows.slice(1).map(line)].join("\n");
}

const BLOCKS = {
  paragraph: inlines,
  heading: (node) => `${"#".repeat(node.attrs.level)} ${inlines(node)}`,
  bulletList: (node) => list(node, () => "- "),
  orderedList: (node) => list(node, (_item, index) => `${(node.attrs.start ?? 1) + index}. `),
  taskList: (node) => list(node, (item) => (item.attrs.checked ? "- [x] " : "- [ ] ")),
  blockquote: (node) => blocks(node).replace(/^/gm, "> "),
  codeBlock: (node) =>
    `\`\`\`${node.attrs?.language ?? ""}\n${(node.content ?? []).map((one) => one.text).join("")}\n\`\`\``,
  horizontalRule: () => "---",
  image: (node) => `![${escaped(node.attrs.alt ?? "")}](${node.attrs.src ?? ""})`,
  cellInstruction: inlines,
  table,
};

function blocks(node, between = "\n\n") {
  const written = (node.content ?? []).map((child) => (BLOCKS[child.type] ?? blocks)(child));
  return written.filter((text) => text !== "").join(between);
}

/** Return a document (ProseMirror JSON) as Markdown. */
export function asMarkdown(title, doc) {
  return `# ${escaped(title)}\n\n${blocks(doc)}\n`;
}

/** Return a document (a ProseMirror node) as text, a blank line between blocks. */
export function asText(title, doc) {
  const leaf = (node) =>
    node.type.name === "hardBreak" ? "\n" : (node.type.spec.renderText?.({ node }) ?? "");
  return `${title}\n\n${doc.textBetween(0, doc.content.size, "\n\n", leaf)}\n`;
}

/** Hand a text to the browser as a file. */
export function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replace(/[\\/:*?"<>|\s]+/g, " ").trim() || "notebook";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
