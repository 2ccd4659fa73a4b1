"""Turn Markdown into ProseMirror JSON and back.

Headings, lists, tasks, quotes, code, tables, images, links. Raw HTML is text, links lead only where
`SAFE_LINK` allows. On the way out underlining is lost, for Markdown has none; a text cell becomes
its text and a prompt cell its result.
"""

import re
from collections.abc import Callable
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from apps.notebooks.document import Node

SAFE_LINK = re.compile(r"^(https?://|mailto:|/(?!/))", re.IGNORECASE)
_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_TASK = re.compile(r"^\[([ xX])\]\s+")
_MARKS_IN = {"strong": "bold", "em": "italic", "s": "strike"}
_MARKS_OUT = {"bold": "**", "italic": "*", "strike": "~~"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>~|&])")
_LIST_FAMILY = {"bulletList": "dash", "taskList": "dash", "orderedList": "number"}
_LINE_START = re.compile(r"^(\s*)(#{1,6}(?=\s|$)|[-+=](?=\s|$|[-+=])|\d{1,9}(?=[.)]))")


def parse(text: str) -> Node:
    """Return the document that the Markdown describes; an empty text gives one empty paragraph."""
    root = SyntaxTreeNode(_parser.parse(text))
    return {"type": "doc", "content": _blocks(root) or [{"type": "paragraph"}]}


def render(document: Node) -> str:
    """Return the document as Markdown, ending in one line break."""
    return "\n\n".join(_render_blocks(document.get("content", []))).strip("\n") + "\n"


# --- from Markdown


def _blocks(parent: SyntaxTreeNode) -> list[Node]:
    return [_BLOCKS[child.type](child) for child in parent.children if child.type in _BLOCKS]


def _paragraph(tree: SyntaxTreeNode) -> Node:
    content = _inlines(tree)
    if len(content) == 1 and content[0]["type"] == "image":
        return content[0]  # the editor's images are blocks
    return _with({"type": "paragraph"}, [node for node in content if node["type"] != "image"])


def _heading(tree: SyntaxTreeNode) -> Node:
    return _with({"type": "heading", "attrs": {"level": min(int(tree.tag[1]), 3)}}, _inlines(tree))


def _code_block(tree: SyntaxTreeNode) -> Node:
    node: Node = {"type": "codeBlock"}
    if language := tree.info.strip().split(" ")[0]:
        node["attrs"] = {"language": language}
    text = tree.content.removesuffix("\n")
    return _with(node, [{"type": "text", "text": text}] if text else [])


def _list(tree: SyntaxTreeNode) -> Node:
    items = [_blocks(item) or [{"type": "paragraph"}] for item in tree.children]
    if tree.type == "ordered_list":
        start = int(tree.attrs.get("start", 1))
        return {"type": "orderedList", "attrs": {"start": start}, "content": _items(items)}
    if items and all(_task_state(item) is not None for item in items):
        return {"type": "taskList", "content": [_task_item(item) for item in items]}
    return {"type": "bulletList", "content": _items(items)}


def _items(items: list[list[Node]]) -> list[Node]:
    return [{"type": "listItem", "content": item} for item in items]


def _task_state(item: list[Node]) -> re.Match[str] | None:
    words = item[0].get("content", [])
    return _TASK.match(words[0].get("text", "")) if words else None


def _task_item(item: list[Node]) -> Node:
    found = _task_state(item)
    words = item[0]["content"]
    rest = words[0]["text"][found.end() :] if found else words[0]["text"]
    words[:1] = [{**words[0], "text": rest}] if rest else []
    checked = bool(found and found.group(1) in "xX")
    return {"type": "taskItem", "attrs": {"checked": checked}, "content": item}


def _quote(tree: SyntaxTreeNode) -> Node:
    return {"type": "blockquote", "content": _blocks(tree) or [{"type": "paragraph"}]}


def _table(tree: SyntaxTreeNode) -> Node:
    rows = [row for part in tree.children for row in part.children]
    return {"type": "table", "content": [_table_row(row) for row in rows]}


def _table_row(tree: SyntaxTreeNode) -> Node:
    kinds = {"th": "tableHeader", "td": "tableCell"}
    cells = [
        {"type": kinds[cell.type], "content": [_with({"type": "paragraph"}, _inlines(cell))]}
        for cell in tree.children
    ]
    return {"type": "tableRow", "content": cells}


def _rule(_tree: SyntaxTreeNode) -> Node:
    return {"type": "horizontalRule"}


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], Node]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code_block,
    "code_block": _code_block,
    "bullet_list": _list,
    "ordered_list": _list,
    "blockquote": _quote,
    "table": _table,
    "hr": _rule,
}


def _inlines(parent: SyntaxTreeNode, marks: tuple[Node, ...] = ()) -> list[Node]:
    nodes: list[Node] = []
    for child in parent.children:
        if child.type in {"strong", "em", "s", "link"}:
            nodes.extend(_inlines(child, _marks_with(child, marks)))
        elif child.type == "inline":
            nodes.extend(_inlines(child, marks))
        else:
            nodes.extend(_inline(child, marks))
    return _joined(nodes)


def _marks_with(tree: SyntaxTreeNode, marks: tuple[Node, ...]) -> tuple[Node, ...]:
    if tree.type != "link":
        return (*marks, {"type": _MARKS_IN[tree.type]})
    href = str(tree.attrs["href"])
    return (*marks, {"type": "link", "attrs": {"href": href}}) if SAFE_LINK.match(href) else marks


def _inline(tree: SyntaxTreeNode, marks: tuple[Node, ...]) -> list[Node]:
    if tree.type == "hardbreak":
        return [{"type": "hardBreak"}]
    if tree.type == "softbreak":
        return [_text(" ", marks)]
    if tree.type == "image":
        return _image(tree)
    if tree.type == "code_inline":
        return [_text(tree.content, ({"type": "code"},))]
    return [_text(tree.content, marks)] if tree.content else []


def _image(tree: SyntaxTreeNode) -> list[Node]:
    source = str(tree.attrs["src"])
    if not source.startswith("/"):  # pictures of other hosts are never loaded
        return [_text(tree.content or source, ())]
    return [{"type": "image", "attrs": {"src": source, "alt": tree.content}}]


def _text(words: str, marks: tuple[Node, ...]) -> Node:
    return {"type": "text", "text": words} | ({"marks": list(marks)} if marks else {})


def _joined(nodes: list[Node]) -> list[Node]:
    """Return the nodes with neighbouring texts of equal marks made one."""
    joined: list[Node] = []
    for node in nodes:
        last = joined[-1] if joined else None
        if last and node["type"] == last["type"] == "text" and _same_marks(node, last):
            joined[-1] = {**last, "text": last["text"] + node["text"]}
        else:
            joined.append(node)
    return joined


def _same_marks(one: Node, other: Node) -> bool:
    return bool(one.get("marks", []) == other.get("marks", []))


def _with(node: Node, content: list[Node]) -> Node:
    return {**node, "content": content} if content else node


# --- to Markdown


def _render_blocks(nodes: list[Node]) -> list[str]:
    blocks: list[str] = []
    family, other_sign = "", False
    for node in _unwrapped(nodes):
        if (now := _LIST_FAMILY.get(node["type"], "")) == "":
            blocks.append(_RENDER.get(node["type"], _render_paragraph)(node))
        else:  # two lists in a row would read as one, were their signs the same
            other_sign = now == family and not other_sign
            blocks.append(_render_list(node, other_sign=other_sign))
        family = now
    return blocks


def _unwrapped(nodes: list[Node]) -> list[Node]:
    """Return the blocks with cells replaced by what they hold; instructions are no text."""
    flat: list[Node] = []
    for node in nodes:
        if node["type"] in {"textCell", "promptCell", "cellResult"}:
            flat.extend(_unwrapped(node.get("content", [])))
        elif node["type"] != "cellInstruction":
            flat.append(node)
    return flat


def _render_paragraph(node: Node) -> str:
    return _render_inlines(node.get("content", []))


def _render_heading(node: Node) -> str:
    level = int(node.get("attrs", {}).get("level", 1))
    return f"{'#' * level} {_render_inlines(node.get('content', []))}".rstrip()


def _render_code(node: Node) -> str:
    text = "".join(child.get("text", "") for child in node.get("content", []))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{node.get('attrs', {}).get('language') or ''}\n{text}\n{fence}"


def _render_list(node: Node, *, other_sign: bool) -> str:
    start = int(node.get("attrs", {}).get("start", 1))
    dot, dash = (")", "*") if other_sign else (".", "-")
    items = []
    for at, item in enumerate(node.get("content", [])):
        bullet = f"{start + at}{dot} " if node["type"] == "orderedList" else f"{dash} "
        task = ""
        if item["type"] == "taskItem":
            task = "[x] " if item.get("attrs", {}).get("checked") else "[ ] "
        items.append(bullet + task + _indented(item, len(bullet)))
    return "\n".join(items)


def _indented(item: Node, width: int) -> str:
    blocks = item.get("content", [])
    text = ""
    for at, (block, rendered) in enumerate(zip(blocks, _render_blocks(blocks), strict=True)):
        tight = block["type"] in _LIST_FAMILY
        text += ("" if at == 0 else "\n" if tight else "\n\n") + rendered
    return text.replace("\n", "\n" + " " * width)


def _render_quote(node: Node) -> str:
    inner = "\n\n".join(_render_blocks(node.get("content", [])))
    return "\n".join(f"> {line}".rstrip() for line in inner.split("\n"))


def _render_table(node: Node) -> str:
    rows = [[_render_cell(cell) for cell in row.get("content", [])] for row in node["content"]]
    rule = ["---"] * max(len(row) for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def _render_cell(cell: Node) -> str:
    blocks = _render_blocks(cell.get("content", []))
    return " ".join(" ".join(blocks).replace("\\\n", " ").split("\n"))


def _render_image(node: Node) -> str:
    attributes = node.get("attrs", {})
    return f"![{_escaped(attributes.get('alt') or '')}]({attributes.get('src') or ''})"


def _render_rule(_node: Node) -> str:
    return "---"


_RENDER: dict[str, Callable[[Node], str]] = {
    "heading": _render_heading,
    "codeBlock": _render_code,
    "blockquote": _render_quote,
    "table": _render_table,
    "image": _render_image,
    "horizontalRule": _render_rule,
}


def _render_inlines(nodes: list[Node]) -> str:
    text = "".join(_render_inline(node) for node in nodes)
    return "\n".join(_LINE_START.sub(_escape_start, line) for line in text.split("\n"))


def _escape_start(found: re.Match[str]) -> str:
    space, start = found.groups()
    return f"{space}{start}\\" if start.isdigit() else f"{space}\\{start}"


def _render_inline(node: Node) -> str:
    if node["type"] == "hardBreak":
        return "\\\n"
    if node["type"] != "text":
        return ""
    marks: dict[str, Any] = {mark["type"]: mark.get("attrs", {}) for mark in node.get("marks", [])}
    if "code" in marks:
        return _code_span(node["text"])
    words = node["text"].strip()
    if not words:
        return str(node["text"])
    before, after = node["text"].split(words, 1) if words else ("", "")
    words = _escaped(words)
    for mark, sign in _MARKS_OUT.items():
        words = f"{sign}{words}{sign}" if mark in marks else words
    if "link" in marks:
        words = f"[{words}]({marks['link'].get('href', '')})"
    return f"{before}{words}{after}"


def _code_span(text: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
