"""What is kept of an output is counted by ids where they last, by marks and text elsewhere."""

import base64
import json
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest
from pycrdt import Doc, Map, XmlFragment

from apps.notebooks import crdt, document, structs
from apps.notebooks.chain import marks
from apps.notebooks.chain.cells import Result, replace_result
from apps.notebooks.chain.kept import TRACED_LIMIT, characters_of, count_kept
from tests.notebooks.writers import cell_id, paragraph, prompt_cell

ROOT = Path(__file__).resolve().parents[3]
PIECES = ["A 🚀 bar that ", "keeps its ", "promise."]
OUTPUT = str(uuid4())


def cell_with(*blocks):
    cell = prompt_cell("tagline")
    cell["content"][1]["content"] = list(blocks)
    return cell


def said(text, output=OUTPUT):
    attrs = {"outputId": output, "variant": 0}
    mark = [{"type": "output", "attrs": attrs}] if output else []
    return {"type": "text", "text": text, "marks": mark}


def block(*texts):
    return {"type": "paragraph", "content": list(texts)}


def written(*blocks):
    """Return a document that was written as it is: nothing stands under the ids of an adoption."""
    return document.encode({"type": "doc", "content": [cell_with(*blocks)]})


def adopted(text, output=OUTPUT):
    state = document.encode({"type": "doc", "content": [prompt_cell("tagline"), paragraph()]})
    result = Result(text=text, output_id=output, variant=0)
    update = replace_result(state, cell_id("tagline"), result.content(), of=result)
    return crdt.merge([state, update])


def kept(state, text):
    return count_kept(state, {OUTPUT: text})[OUTPUT]


def test_an_adopted_text_is_kept_whole_over_all_its_paragraphs():
    text = "Erste Zeile 🎉\n\nZweite  Zeile\n* dritte"
    assert characters_of(text) == "Erste Zeile 🎉Zweite Zeile* dritte"
    assert kept(adopted(text), text) == 33


def test_what_is_deleted_of_a_paragraph_is_not_kept():
    state = adopted("First line\nSecond line")
    doc = Doc()
    doc.apply_update(state)
    cell = doc.get("document", type=XmlFragment).children[0]
    del cell.children[1].children[1].children[0][0:7]
    assert kept(bytes(doc.get_update()), "First line\nSecond line") == 14


@pytest.mark.parametrize(
    ("blocks", "output", "count"),
    [
        ([block(said("one two three"))], "one two three", 13),
        ([block(said("one "), said("or ", None), said("two three"))], "one two three", 13),
        ([block(said("three")), block(said("one "))], "one two three", 9),
        ([block(said("one three"))], "one two three", 9),
        ([block(said("one ")), block(said("one ")), block(said("one "))], "one two three", 4),
        ([block(said("the ")), block(said("the "))], "the cat the dog", 8),
        ([block(said("e"))], "one two three", 1),
        ([block(said("lost"))], "xyz", 0),  # carries the mark, and that is all
        ([block(said("one two", str(uuid4())))], "one two", 0),
        ([block(said("ONE two three"))], "one two three", 10),
        ([block()], "one", 0),
        ([block(said("👩‍🍳"))], "👩‍🍳 cooks", 3),  # three characters make that picture
    ],
)
def test_without_ids_every_piece_is_traced_to_its_place(blocks, output, count):
    assert kept(written(*blocks), output) == count


def test_ids_that_somebody_made_up_do_not_count():
    state = written(block(said("my own words", None)))
    (client,) = {one.client for one in structs.read(state)}
    doc = Doc()
    doc.apply_update(state)
    origins = doc.get("origins", type=Map)
    with doc.transaction():
        origins[f"{client}.0"] = [2**31, OUTPUT, 0]
        origins[f"{client}.9"] = ["many", OUTPUT, 0]
        origins["x.0"] = [2**31, OUTPUT, 0]
        origins["7.0"] = "nonsense"
    assert kept(bytes(doc.get_update()), "their words") == 0


def test_characters_that_stand_without_their_mark_do_not_count():
    doc = Doc()
    doc.apply_update(adopted("one two three"))
    cell = doc.get("document", type=XmlFragment).children[0]
    cell.children[1].children[0].children[0].format(4, 8, {"output": None})
    assert kept(bytes(doc.get_update()), "one two three") == 9


def test_a_letter_that_a_browser_gave_away_does_not_count():
    doc = Doc()
    doc.apply_update(adopted("one two three"))
    origins = doc.get("origins", type=Map)
    (client,) = {key.partition(".")[0] for key in origins.keys()}  # noqa: SIM118
    cell = doc.get("document", type=XmlFragment).children[0]
    with doc.transaction():
        cell.children[1].children[0].children[0].format(4, 7, {"output": None})
        origins[f"{client}.{3 + 4}"] = [3, None, 0]  # after a paragraph, a text and a format
    assert kept(bytes(doc.get_update()), "one two three") == 10


def test_a_text_pasted_a_thousand_times_takes_no_thousand_times_as_long():
    text = "A sentence that somebody liked. " * 3
    count = 3 * TRACED_LIMIT // len(text)
    blocks = [block(said(f"{text[:40]}{text[41:]}")) for _ in range(count)]
    assert kept(written(*blocks), text) <= len(characters_of(text))


def test_formatting_does_not_divide_a_piece_and_everything_else_does():
    bold = {**said("two "), "marks": [*said("")["marks"], {"type": "bold"}]}
    reference = {"type": "cellReference", "attrs": {"cellId": "x"}}
    node = {
        "type": "cellResult",
        "content": [
            block(said("one "), bold, said("by hand ", None), said("three ")),
            block(said("four "), {"type": "hardBreak"}, said("five "), reference, said("six")),
        ],
    }
    assert marks.texts_by_output(node)[OUTPUT] == ["one two ", "three ", "four ", "five ", "six"]
    assert [one.text for one in marks.pieces_of(node) if one.output is None] == [
        "by hand ",
        "{{x}}",
    ]


def test_a_fingerprint_tells_whose_the_words_are_and_not_how_they_look():
    one = {"type": "cellResult", "content": [block(said("one two"))]}
    by_hand = {"type": "cellResult", "content": [block(said("one two", None))]}
    bold = {
        "type": "cellResult",
        "content": [block({**said("one two"), "marks": [*said("")["marks"], {"type": "bold"}]})],
    }
    assert marks.fingerprint(one) == marks.fingerprint(bold) != marks.fingerprint(by_hand)
    assert marks.fingerprint({"type": "cellResult", "content": [block()]}) == ""


def test_a_cell_without_a_proper_id_is_no_place():
    odd = prompt_cell("tagline")
    odd["attrs"]["cellId"] = "odd"
    content = {"type": "doc", "content": [odd, prompt_cell("tagline"), prompt_cell("tagline")]}
    assert set(marks.places_of(content)) == {
        (cell_id("tagline"), "source"),
        (cell_id("tagline"), "result"),
    }


# By history: which of the three pieces are kept.
IN_THE_EDITOR = {
    "typed inside": (1, 1, 1),
    "typed over": (1, 0, 1),
    "composed": (1, 1, 1),
    "moved": (1, 1, 1),
    "copied": (1, 1, 1),
    "pasted plain": (1, 0, 1),
    "divided": (1, 1, 1),
    "divided and joined": (1, 1, 1),
    "deleted and undone": (1, 1, 1),
    "bold": (1, 1, 1),
    "two at once": (1, 0, 1),
}


@pytest.mark.skipif(not (ROOT / "node_modules").is_dir(), reason="needs node_modules (make setup)")
def test_the_real_editor_leaves_what_is_counted(tmp_path):
    source = Path(__file__).parent / "js" / "histories.js"
    target = tmp_path / "histories.mjs"
    build = [str(ROOT / "node_modules" / ".bin" / "esbuild"), str(source), "--bundle"]
    flags = ["--platform=node", "--format=esm", f"--outfile={target}", "--log-level=error"]
    subprocess.run([*build, *flags], check=True, cwd=ROOT)
    state = adopted("".join(PIECES))
    sent = json.dumps({"state": base64.b64encode(state).decode(), "text": PIECES})
    done = subprocess.run(
        ["node", str(target)], input=sent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    played = {name: base64.b64decode(one) for name, one in json.loads(done.stdout).items()}
    assert {name: kept(one, "".join(PIECES)) for name, one in played.items()} == {
        name: sum(len(piece) for piece, is_kept in zip(PIECES, stands, strict=True) if is_kept)
        for name, stands in IN_THE_EDITOR.items()
    }
    texts = {name: document.plain_text(document.decode(one)) for name, one in played.items()}
    assert "really keeps" in texts["typed inside"]
    assert "かなkeeps" in texts["composed"]
    assert texts["copied"].count("keeps its ") == 2
    assert texts["divided"].count("\n") == texts["bold"].count("\n") + 1
