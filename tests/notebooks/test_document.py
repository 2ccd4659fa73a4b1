"""Documents between Yjs, ProseMirror JSON, Markdown and plain words."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from apps.notebooks import crdt, document, markdown

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = """# Launch *brief* 🚀

Hello **bold**, ~~struck~~ and [a link](https://example.com/a_b) with `code`.\\
A second line, Grüße.

- one
  - below one
- two

3. three
4. four

- [ ] open **task**
- [x] done

> said once
>
> and again

| Who | What |
| --- | --- |
| Mara | Brief \\| plan |

```python
x = "`" * 3
```

---

![A cup](/n/0/images/1/)
"""


def _text(words: str, *marks: str) -> document.Node:
    node: document.Node = {"type": "text", "text": words}
    return node | ({"marks": [{"type": mark} for mark in marks]} if marks else {})


def _paragraph(*content: document.Node) -> document.Node:
    return {"type": "paragraph", "content": list(content)} if content else {"type": "paragraph"}


def _doc(*blocks: document.Node) -> document.Node:
    return {"type": "doc", "content": list(blocks)}


def test_a_new_document_is_one_empty_paragraph() -> None:
    state = document.encode(document.blank())
    assert document.decode(state) == _doc(_paragraph())


def test_what_is_encoded_decodes_to_the_same() -> None:
    parsed = markdown.parse(EVERYTHING)
    assert document.decode(document.encode(parsed)) == _with_defaults(parsed)


def _with_defaults(node: document.Node) -> document.Node:
    """Return the node as the editor completes it."""
    defaults: dict[str, dict[str, Any]] = {
        "tableCell": {"colspan": 1, "rowspan": 1},
        "tableHeader": {"colspan": 1, "rowspan": 1},
    }
    attrs = {**defaults.get(node["type"], {}), **node.get("attrs", {})}
    complete = {**node, **({"attrs": attrs} if attrs else {})}
    if "content" in node:
        complete["content"] = [_with_defaults(child) for child in node["content"]]
    return complete


def test_numbers_and_truths_keep_their_kind() -> None:
    heading = {"type": "heading", "attrs": {"level": 2, "odd": 1.5, "list": [1, {"a": 2}]}}
    task = {"type": "taskItem", "attrs": {"checked": True}, "content": [_paragraph()]}
    before = _doc(heading, {"type": "taskList", "content": [task]})
    assert document.decode(document.encode(before)) == before


def test_text_beyond_ascii_stands_where_it_stood() -> None:
    before = _doc(_paragraph(_text("Grüße 👋 "), _text("fett", "bold"), _text(" Ende")))
    assert document.decode(document.encode(before)) == before


def test_marks_of_other_texts_do_not_reach_plain_text() -> None:
    before = _doc(_paragraph(_text("a", "bold", "italic"), _text("b"), _text("c", "italic")))
    assert document.decode(document.encode(before)) == before


def test_null_attributes_are_left_out() -> None:
    before = _doc({"type": "image", "attrs": {"src": "/n/0/images/1/", "alt": "", "width": None}})
    assert document.decode(document.encode(before)) == _doc(
        {"type": "image", "attrs": {"src": "/n/0/images/1/", "alt": ""}}
    )


def test_a_hashed_mark_is_read_by_its_name() -> None:
    doc: Doc = Doc()
    fragment = doc.get("document", type=XmlFragment)
    document.write_nodes(fragment, [_paragraph(_text("a", "comment--aB3+/=xY"))])
    assert document.decode(doc.get_update())["content"][0]["content"][0]["marks"] == [
        {"type": "comment"}
    ]


def test_bytes_that_are_no_update_are_refused() -> None:
    with pytest.raises(document.UnreadableDocument, match="got 3 bytes"):
        document.decode(b"\xff\xff\xff")


def test_merging_nothing_gives_an_empty_document() -> None:
    assert document.decode(crdt.merge([])) == _doc()


def test_merging_keeps_what_waits_for_an_earlier_update() -> None:
    doc: Doc = Doc()
    fragment = doc.get("document", type=XmlFragment)
    document.write_nodes(fragment, [_paragraph(_text("first"))])
    first, vector = doc.get_update(), doc.get_state()
    document.write_nodes(fragment, [_paragraph(_text("second"))])
    second = doc.get_update(vector)
    late = crdt.merge([second])  # the first has not arrived
    assert document.plain_text(document.decode(crdt.merge([late, first]))) == "first\nsecond"


def test_a_copy_holds_nothing_that_was_deleted() -> None:
    doc: Doc = Doc()
    fragment = doc.get("document", type=XmlFragment)
    document.write_nodes(fragment, [_paragraph(_text("kept")), _paragraph(_text("secret price"))])
    before = doc.get_update()
    vector = doc.get_state()
    del fragment.children[1]
    state = crdt.merge([before, doc.get_update(vector)])
    copied = document.copy(state, sources={})
    assert b"secret price" in state
    assert b"secret price" not in copied
    assert document.decode(copied) == _doc(_paragraph(_text("kept")))


def test_a_copy_shows_its_own_pictures() -> None:
    image = {"type": "image", "attrs": {"src": "/n/0/images/1/", "alt": "Cup"}}
    quote = {"type": "blockquote", "content": [image, _paragraph()]}
    state = document.encode(_doc(image, quote))
    assert document.image_sources(state) == {"/n/0/images/1/"}
    copied = document.copy(state, sources={"/n/0/images/1/": "/n/9/images/2/"})
    assert document.image_sources(copied) == {"/n/9/images/2/"}


def test_plain_text_has_a_line_per_block_and_tabs_between_cells() -> None:
    text = document.plain_text(markdown.parse(EVERYTHING))
    assert text.splitlines() == [
        "Launch brief 🚀",
        "Hello bold, struck and a link with code.",
        "A second line, Grüße.",
        "one",
        "below one",
        "two",
        "three",
        "four",
        "open task",
        "done",
        "said once",
        "and again",
        "Who\tWhat",
        "Mara\tBrief | plan",
        'x = "`" * 3',
    ]


def test_markdown_comes_back_as_it_went_in() -> None:
    once = markdown.render(markdown.parse(EVERYTHING))
    assert once == EVERYTHING
    assert markdown.parse(once) == markdown.parse(EVERYTHING)


def test_an_empty_markdown_is_an_empty_paragraph() -> None:
    assert markdown.parse("") == _doc(_paragraph())


def test_html_in_markdown_is_text() -> None:
    parsed = markdown.parse("<script>alert(1)</script> and <b>b</b>")
    assert document.plain_text(parsed) == "<script>alert(1)</script> and <b>b</b>"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "file:///etc/passwd"]
)
def test_a_link_to_an_unsafe_address_is_only_words(address: str) -> None:
    parsed = markdown.parse(f"[words]({address})")
    assert "link" not in json.dumps(parsed)
    assert "words" in document.plain_text(parsed)


def test_a_picture_from_elsewhere_becomes_its_description() -> None:
    parsed = markdown.parse("Look: ![a cat](https://elsewhere.example/cat.png)")
    assert "image" not in json.dumps(parsed)
    assert document.plain_text(parsed) == "Look: a cat"


def test_lists_in_a_row_stay_apart() -> None:
    def item(kind: str, words: str) -> document.Node:
        return {"type": kind, "content": [_paragraph(_text(words))]}

    before = _doc(
        {"type": "bulletList", "content": [item("listItem", "a")]},
        {"type": "bulletList", "content": [item("listItem", "b")]},
        {"type": "orderedList", "attrs": {"start": 1}, "content": [item("listItem", "c")]},
        {"type": "orderedList", "attrs": {"start": 1}, "content": [item("listItem", "d")]},
    )
    assert markdown.parse(markdown.render(before)) == before


def test_words_that_look_like_markdown_stay_words() -> None:
    for words in ["# no heading", "1. no list", "- no list", "+ no", "*no stars*", "a_b_c", "`x`"]:
        before = _doc(_paragraph(_text(words)))
        assert markdown.parse(markdown.render(before)) == before, words


def test_cells_are_rendered_by_what_they_hold() -> None:
    cell = {"type": "textCell", "attrs": {"name": "brief"}, "content": [_paragraph(_text("held"))]}
    prompt = {
        "type": "promptCell",
        "content": [
            {"type": "cellInstruction", "content": [_text("write!")]},
            {"type": "cellResult", "content": [_paragraph(_text("written"))]},
        ],
    }
    assert markdown.render(_doc(cell, prompt)) == "held\n\nwritten\n"


def test_code_with_fences_inside_is_fenced_longer() -> None:
    before = _doc({"type": "codeBlock", "content": [_text("```\ninner\n```")]})
    assert markdown.parse(markdown.render(before)) == before


# Words as people type them; whitespace at the ends of a paragraph is no business of Markdown's.
words = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("C", "Z")), min_size=1
).filter(str.isprintable)
inlines = st.lists(
    st.tuples(words, st.sampled_from([(), ("bold",), ("italic",), ("strike",), ("code",)])),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(inlines)
def test_any_words_survive_the_road_to_yjs_and_back(
    parts: list[tuple[str, tuple[str, ...]]],
) -> None:
    runs: list[document.Node] = []
    for text, marks in parts:
        if runs and runs[-1].get("marks", []) == [{"type": mark} for mark in marks]:
            runs[-1] = _text(runs[-1]["text"] + text, *marks)
        else:
            runs.append(_text(text, *marks))
    before = _doc(_paragraph(*runs))
    assert document.decode(document.encode(before)) == before


@settings(max_examples=150, deadline=None)
@given(st.lists(words, min_size=1, max_size=4))
def test_any_plain_words_survive_the_road_to_markdown_and_back(parts: list[str]) -> None:
    before = _doc(*[_paragraph(_text(part)) for part in parts])
    assert markdown.parse(markdown.render(before)) == before


READER = """
import * as Y from 'yjs'
import { Schema } from '@tiptap/pm/model'
import { getSchema } from '@tiptap/core'
import { yXmlFragmentToProseMirrorRootNode, prosemirrorToYXmlFragment } from '@tiptap/y-tiptap'
import { schemaExtensions } from '%(root)s/static/notebooks/schema/index.js'
const schema = getSchema(schemaExtensions())
const doc = new Y.Doc()
let data = ''
for await (const chunk of process.stdin) data += chunk
Y.applyUpdate(doc, Buffer.from(data, 'hex'))
const fragment = doc.getXmlFragment('document')
const node = yXmlFragmentToProseMirrorRootNode(fragment, schema)
node.check()
const again = new Y.Doc()
prosemirrorToYXmlFragment(node, again.getXmlFragment('document'))
const same = JSON.stringify(fragment.toJSON()) === JSON.stringify(again.getXmlFragment('document').toJSON())
process.stdout.write(JSON.stringify({ json: node.toJSON(), same }))
"""


@pytest.mark.skipif(not (ROOT / "node_modules").is_dir(), reason="needs make setup")
@pytest.mark.parametrize("name", ["brief", "plan", "copy"])
def test_the_editors_own_schema_reads_what_the_server_wrote(name: str, tmp_path: Path) -> None:
    text = (ROOT / "apps" / "notebooks" / "demo" / f"{name}.md").read_text()
    state = document.encode(markdown.parse(text))
    bundle = _bundled(tmp_path)
    answer = subprocess.run(
        ["node", bundle], input=state.hex(), capture_output=True, text=True, check=True, cwd=ROOT
    )
    read = json.loads(answer.stdout)
    assert read["same"], "the editor would write the document differently and change it on opening"
    assert document.plain_text(read["json"]) == document.plain_text(document.decode(state))


def _bundled(folder: Path) -> str:
    """Return the path of the reader as one file: the sources are written for a bundler."""
    source = ROOT / "static" / "notebooks" / f".reader-{folder.name}.mjs"
    source.write_text(READER % {"root": ROOT})
    target = folder / "reader.mjs"
    try:
        subprocess.run(
            [
                ROOT / "node_modules" / ".bin" / "esbuild",
                source,
                "--bundle",
                "--format=esm",
                "--platform=node",
                "--log-level=error",
                f"--outfile={target}",
            ],
            check=True,
            cwd=ROOT,
        )
    finally:
        source.unlink()
    return str(target)


def test_what_postgresql_cannot_keep_is_left_out() -> None:
    doc: Doc = Doc()
    fragment = doc.get(document.FRAGMENT, type=XmlFragment)
    written = {"name": "a\0b", "width": math.inf, "height": math.nan, "level": 2.0}
    fragment.children.append(XmlElement("heading", written, [XmlText("one\0two")]))
    read = document.decode(bytes(doc.get_update()))
    assert "\0" not in json.dumps(read, allow_nan=False)
    assert document.plain_text(read) == "onetwo"
    assert read["content"][0]["attrs"]["name"] == "ab"
    assert read["content"][0]["attrs"]["level"] == 2
