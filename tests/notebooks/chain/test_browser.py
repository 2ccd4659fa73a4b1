"""The chain's own JavaScript in node: marks that survive, words that stream, names and copies."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps.notebooks.chain.cells import Parameters, as_attributes
from apps.notebooks.chain.references import as_name
from inferencecloud.evaluation.limits import Unit, count, has_phrase

ROOT = Path(__file__).resolve().parents[3]
SOURCES = Path(__file__).parent / "js"
LISTS: list[Any] = [
    ["  snooze \n button ", "Snooze Button", "", "   ", 7, None, "$85.99", ["oats"]],
    ["x" * 80, "y" * 81, "😀" * 80],
    [f"phrase {number}" for number in range(25)],
    ["a\0b", "half \ud83d", "straße", "ÉTÉ", "été"],
    "snooze button",
    {"0": "oats"},
    None,
]
FOUND = [
    ("It has a Snooze\n  BUTTON.", "snooze button"),
    ("Snooze buttons", "snooze button"),
    ("resnooze button", "snooze button"),
    ("only $85.99, today", "$85.99"),
    ("only $85.990", "$85.99"),
    ("cost $1,299.00!", "$1,299.00"),
    ("C++ and a+b", "c++"),
    ("(a|b) [c] {d} ^e$ \\f", "[c] {d} ^e$ \\f"),
    ("free_form", "free"),
    ("caffè nero", "caff"),
    ("caffè", "caffè"),
    ("ÜBER", "über"),
    ("must-have", "must"),
    ("1,000 hours", "1,000 hours"),
    ("東京タワー", "東京"),
    ("東京タワー", "タワー"),
    ("新しい iPhone15 です", "iPhone"),
    ("新しいiPhoneです", "iPhone"),
    ("新しいiPhoneです", "新しいi"),
    ("서울에서 만나요", "서울"),
    ("ทดลองใช้ฟรีวันนี้", "ฟรี"),
    ("𠮷野家へ", "野家"),
    ("", "oats"),
]
LIMITS: list[Any] = [
    *({"unit": unit, "high": 280} for unit in ("characters", "words", "sentences")),
    *({"unit": "words", "high": high} for high in (1, 10_000, 65.0)),
    *({"unit": "words", "high": high} for high in (0, 10_001, -1, 2.5, 1e300, 10**400)),
    *({"unit": "words", "high": high} for high in (True, "65", None, [65])),
    *({"unit": unit, "high": 65} for unit in ("pages", "", None, 7, ["words"])),
    *({"high": 65}, {"unit": "words"}, {}, [], ["words", 65], "words", 65, None),
]
SETTINGS: list[dict[str, str | None]] = [
    {},
    {"length": None, "params": None},
    {"params": "{}"},
    {"params": "[", "required": "["},
    {"length": '"long"', "variants": "3", "adventurous": "0"},
    {"required": '["oats", "rye"]', "banned": "[]", "limit": '{"unit":"words","high":65}'},
    {"params": '{"length": "short", "variants": 2, "banned": ["rye"]}'},
    {
        "params": '{"length": "short", "variants": 4, "banned": ["a"]}',
        "variants": "1",
        "banned": "[]",
    },
    {"params": '{"limit": {"unit": "words", "high": 7}, "adventurous": 4}', "limit": "null"},
]
COUNTED = [
    "",
    "One",
    "A snooze button, for $1,299.00 \u2013 today!",
    "First line\nsecond  line\n\nthird\tline",
    "😀 Ünïcode: 東京タワー … ½ ²",
    "_ - -- . … ! free_form don't",
    "It costs $85.99. Is it (really) good?! Yes",
    'He said "stop." Then (he left.) And v1.2 is out...',
    "So [it ends.] So.it goes on.\nNew line.",
    "No end\nat all",
    "? ! ...",
    "東京の水筒です。軽い！「いいね。」と彼は言う。3.5リットル",  # noqa: RUF001
    "新品。Now in blue. 終わり？！",  # noqa: RUF001
    "Ends. -- !",
    "He said No. ",
    "Dr. Jart and Mr. Lee vs. Mrs. Low, e.g. in St. Moritz. No. 5? No. It is approx. 3.",
]
WISHES = ["Tag line 2", "  Brief!  ", "", "42", "über uns", "a" * 60, "_x_", "A--B", "日本", "x_"]

pytestmark = pytest.mark.skipif(
    not (ROOT / "node_modules").is_dir(), reason="needs node_modules (make setup)"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that runs one of the scripts as one file and returns its JSON."""
    folder = tmp_path_factory.mktemp("bundles")

    def running(name: str, *words: int, sent: str = "") -> Any:
        target = folder / f"{name}.mjs"
        if not target.exists():
            build = [str(ROOT / "node_modules" / ".bin" / "esbuild"), str(SOURCES / f"{name}.js")]
            flags = ["--bundle", "--platform=node", "--format=esm", f"--outfile={target}"]
            subprocess.run([*build, *flags, "--log-level=error"], check=True, cwd=ROOT)
        command = ["node", str(target), *map(str, words)]
        done = subprocess.run(command, input=sent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return running


def survives(run: Any, seed: int, edits: int) -> None:
    found = run("survival", seed, edits)
    assert found["wrong"] == [], (seed, found["edits"])
    assert found["edits"] == edits
    assert found["marked"] > 50 < found["letters"]
    assert len(found["kinds"]) == 14


@pytest.mark.parametrize("seed", range(3))
def test_every_character_keeps_its_origin_through_random_edits(run: Any, seed: int) -> None:
    survives(run, seed, 250)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_character_keeps_its_origin_through_ten_thousand_edits(run: Any, seed: int) -> None:
    survives(run, seed, 500)


def test_streamed_words_are_those_that_were_written_whatever_is_lost(run: Any) -> None:
    found = run("texts", 7, 400)
    assert found["wrong"] == []
    assert found["disconnects"] > 1000
    assert found["gaps"] > 100


def test_browser_and_server_make_the_same_names(run: Any) -> None:
    assert run("names", sent=json.dumps(WISHES))["names"] == [as_name(wish) for wish in WISHES]


def test_a_pasted_cell_is_a_cell_of_its_own_and_the_old_one_stays_itself(run: Any) -> None:
    cells = run("names", sent="[]")["cells"]
    assert [name for _, name in cells] == ["brief_2", "post_2", "brief", "post"]
    assert [pk for pk, _ in cells[2:]] == ["1", "2"]
    assert len({pk for pk, _ in cells}) == 4


def test_browser_and_server_read_the_same_phrases(run: Any) -> None:
    read = run("wording", sent=json.dumps({"lists": LISTS}))["lists"]
    assert read == [list(Parameters.parse({"banned": some}).banned) for some in LISTS]
    assert read[0] == ["snooze button", "$85.99"]


def test_browser_and_server_find_the_same_phrases(run: Any) -> None:
    found = run("wording", sent=json.dumps({"found": FOUND}))["found"]
    assert found == [has_phrase(text, phrase) for text, phrase in FOUND]
    assert {True, False} == set(found)


def test_the_apostrophe_of_a_typographer_is_one(run: Any) -> None:
    straight, set_ = 'We don\'t "stop"', "We don\u2019t \u201cstop\u201d"
    said = [(set_, "don't"), (straight, "don\u2019t"), (set_, '"stop"')]
    assert run("wording", sent=json.dumps({"found": said}))["found"] == [True] * 3


@pytest.mark.parametrize(
    ("typed", "phrases", "is_all"),
    [
        ("tapered legs, $85.99", ["tapered legs", "$85.99"], True),
        ("1,000 hours,$1,299.00,two\nthree", ["1,000 hours", "$1,299.00", "two", "three"], True),
        ("in 2024, 300 were sold", ["in 2024", "300 were sold"], True),
        (" , ,\n", [], True),
        ("a, A, a", ["a"], True),
        ("a, " + "y" * 81, ["a"], False),
        (", ".join(map(str, range(21))), [str(number) for number in range(20)], False),
    ],
)
def test_commas_and_lines_divide_phrases_but_no_number(
    run: Any, typed: str, phrases: list[str], is_all: bool
) -> None:
    (read,) = run("wording", sent=json.dumps({"typed": [typed]}))["typed"]
    assert read == {"phrases": phrases, "isAll": is_all}


def test_browser_and_server_read_the_same_settings(run: Any) -> None:
    read = run("settings", sent=json.dumps(SETTINGS))["read"]
    usual = {"required": [], "banned": [], "limit": None}
    assert read == [usual | Parameters.of_cell(attrs).as_json() for attrs in SETTINGS]
    assert len({json.dumps(one) for one in read}) == len(SETTINGS) - 3


def test_two_people_who_change_two_settings_at_once_both_have_their_way(run: Any) -> None:
    both = run("settings", sent="[]")["both"]
    assert [Parameters.of_cell(attrs).as_json() for attrs in both] == [
        {"length": "long", "adventurous": 4, "variants": 2},  # each set one
        {"length": "long", "adventurous": 2, "variants": 3, "banned": ["b"]},  # kept as one before
    ]
    assert all("a phrase of before" not in str(attrs) for attrs in both)


def test_a_copied_cell_has_the_settings_of_its_original(run: Any) -> None:
    copied = run("settings", sent=json.dumps(SETTINGS))["copied"]
    given = [{name: one for name, one in attrs.items() if one is not None} for attrs in SETTINGS]
    assert copied == given


def test_browser_and_server_read_the_same_limits(run: Any) -> None:
    read = run("wording", sent=json.dumps({"limits": LIMITS}))["limits"]
    assert read == [Parameters.parse({"limit": one}).as_json().get("limit") for one in LIMITS]
    assert [bool(one) for one in read] == [True] * 6 + [False] * (len(LIMITS) - 6)


def test_browser_and_server_count_the_same(run: Any) -> None:
    units: tuple[Unit, ...] = ("characters", "words", "sentences")
    cases = [(text, unit) for text in COUNTED for unit in units]
    counted = run("wording", sent=json.dumps({"counted": cases}))["counted"]
    assert counted == [count(text, unit) for text, unit in cases]


def test_the_line_says_when_the_text_is_too_long(run: Any) -> None:
    def line(*paragraphs: str, **settings: Any) -> dict[str, Any]:
        return {"settings": as_attributes(settings), "paragraphs": paragraphs}

    twelve = {"unit": "characters", "high": 12}
    lines = [
        line("A clock 😀", "in", limit=twelve),
        line("A clock 😀", "in", "", " ", limit=twelve),
        line("A clock 😀", "ink", limit=twelve),
        line("A premium clock", limit={"unit": "words", "high": 1}, banned=["premium"]),
        line("A premium clock", limit={"unit": "pages", "high": 1}),
        line(" ", limit=twelve),
    ]
    assert run("wording", sent=json.dumps({"lines": lines}))["lines"] == [
        None,
        None,
        "Too long: 13 of 12 characters",
        "Says: premium · Too long: 3 of 1 word",
        None,
        None,
    ]


def test_the_line_says_what_is_missing_and_what_should_not_be_there(run: Any) -> None:
    wishes = as_attributes({"required": ["snooze button", "$85.99"], "banned": ["premium"]})

    def line(
        *paragraphs: str, settings: dict[str, str] = wishes, quiet: bool = False
    ) -> dict[str, Any]:
        return {"settings": settings, "paragraphs": paragraphs, "quiet": quiet}

    lines = [
        line("A clock with a snooze", "button"),
        line("A premium clock"),
        line("A clock with a snooze button for $85.99"),
        line("A premium clock", quiet=True),
        line("A premium clock, snooze button, $85.99"),
        line(""),
        line("A premium clock", settings={}),
        line("A premium clock", settings={"banned": "null"}),
        line("A premium clock", settings={"banned": "["}),
        line("A premium clock", settings={"params": '{"banned": ["premium"]}'}),
        line("A premium clock", settings={"params": '{"banned": ["premium"]}', "banned": "[]"}),
    ]
    found = run("wording", sent=json.dumps({"lines": lines}))
    assert found["lines"] == [
        "Not said: $85.99",
        "Not said: snooze button, $85.99 · Says: premium",
        None,
        None,
        "Says: premium",
        *[None] * 4,
        "Says: premium",
        None,
    ]
    assert found["looks"] == 1
