"""What leaves a document with the words of somebody, and what stays beside them."""

import json
from dataclasses import replace

from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from apps.notebooks import document, redaction
from apps.notebooks.chain.cells import Parameters, as_attributes


def test_links_and_descriptions_of_a_person_go_too():
    mine, theirs = Doc(), Doc()
    here = mine.get("document", type=XmlFragment)
    here.children.append(XmlElement("paragraph", {}, [XmlText("hello")]))
    here.children.append(XmlElement("image", {"src": "x", "alt": "MineAlt"}))
    theirs.apply_update(mine.get_update())
    there = theirs.get("document", type=XmlFragment)
    there.children[0].children[0].insert(5, " THEIRS é🎈", {"link": {"href": "https://THEIRS"}})
    there.children[1].attributes["alt"] = "THEIRS"
    mine.apply_update(theirs.get_update())
    left = redaction.without_clients(mine.get_update(), {theirs.client_id})
    assert b"THEIRS" not in left
    assert document.plain_text(document.decode(left)) == "hello"
    doc = Doc()
    doc.apply_update(left)
    assert doc.get_state() == mine.get_state()  # nobody's copy lacks anything, or has more
    theirs_alone = redaction.without_clients(mine.get_update(), {mine.client_id})
    assert b"MineAlt" not in theirs_alone
    assert b"hello" not in theirs_alone


def test_a_link_around_deleted_words_goes_with_them():
    doc = Doc()
    text = XmlText("a")
    doc.get("document", type=XmlFragment).children.append(XmlElement("paragraph", {}, [text]))
    text.insert(1, "here", {"link": {"href": "https://GONE"}})
    text.insert(5, "there", {"link": {"href": "https://KEPT"}})
    del text[1:5]
    left = redaction.without_past(bytes(doc.get_update()))
    assert b"GONE" not in left
    assert b"KEPT" in left


def test_what_a_person_wants_said_goes_and_the_other_settings_stay():
    mine, theirs = Doc(), Doc()
    here = mine.get("document", type=XmlFragment)
    params = '{"length": "long", "variants": 3, "required": ["MINE é"]}'
    limit = {"unit": "words", "high": 65}
    here.children.append(XmlElement("promptCell", {"params": params}))
    here.children.append(XmlElement("promptCell", {"params": "{}"}))
    theirs.apply_update(mine.get_update())
    there = theirs.get("document", type=XmlFragment)
    there.children[1].attributes["params"] = json.dumps(
        {"adventurous": 0, "banned": ["THEIRS"], "limit": limit}
    )
    mine.apply_update(theirs.get_update())

    left = redaction.without_clients(mine.get_update(), {theirs.client_id})
    assert b"THEIRS" not in left
    assert "MINE é".encode() in left
    assert _settings(left) == [
        json.loads(params),
        {"length": "medium", "adventurous": 0, "variants": 1, "limit": limit},
    ]
    alone = redaction.without_clients(mine.get_update(), {mine.client_id})
    assert b"MINE" not in alone
    assert _settings(alone)[0] == {"length": "long", "adventurous": 2, "variants": 3}
    doc = Doc()
    doc.apply_update(left)
    assert doc.get_state() == mine.get_state()


def test_lists_of_phrases_go_with_whoever_set_them_and_no_other_setting_does():
    mine, theirs = Doc(), Doc()
    here = mine.get("document", type=XmlFragment)
    settings = {"length": "long", "required": ["MINE"], "banned": ["BOTH"]}
    here.children.append(XmlElement("promptCell", as_attributes(settings)))
    theirs.apply_update(mine.get_update())
    there = theirs.get("document", type=XmlFragment).children[0]
    there.attributes["banned"] = '["THEIRS é"]'
    there.attributes["variants"] = "3"
    mine.apply_update(theirs.get_update())

    left = redaction.without_clients(mine.get_update(), {theirs.client_id})
    assert b"THEIRS" not in left
    assert b"BOTH" not in left  # it stood there before
    (cell,) = document.decode(left)["content"]
    usual = Parameters(length="long", variants=3)
    assert Parameters.of_cell(cell["attrs"]) == replace(usual, required=("MINE",))
    alone = redaction.without_clients(mine.get_update(), {mine.client_id})
    (cell,) = document.decode(alone)["content"]
    assert Parameters.of_cell(cell["attrs"]) == replace(usual, banned=("THEIRS é",))


def test_settings_of_a_strange_shape_become_the_usual_ones():
    doc = Doc()
    here = doc.get("document", type=XmlFragment)
    here.children.append(XmlElement("promptCell", {}))
    here.children[0].attributes["params"] = {"required": ["STRANGE"]}
    left = redaction.without_clients(doc.get_update(), {doc.client_id})
    assert b"STRANGE" not in left
    assert _settings(left) == [{"length": "medium", "adventurous": 2, "variants": 1}]


def _settings(state):
    cells = document.decode(state)["content"]
    return [json.loads(cell["attrs"]["params"]) for cell in cells]
