"""Two hundred histories of edits, each with what a reader works out by hand.

Forty stories are told in five wordings. In every one a model has written the output A, which is the
three pieces {a}{b}{c} one after the other, into the empty cell "tagline"; "note" is another prompt
cell, "below" the paragraph under both. A story is what people then did, and after the line of equals
signs what must be kept:

    A: {a}|{c}          of output A exactly these characters stand (the bar only divides them)
    by: Ann             these people changed the cell's text since its last adoption
    note A: …           the same, as a record of the cell "note"
    in one go: nobody   who it is when nobody read the cells before the story's end: what came to
                        nothing was done by nobody

No output that is not named has a record. What people type is a person's, whatever it says.
"""

from dataclasses import dataclass

# Pieces of which none stands in another; "repeats" says the same words again and again.
WORDINGS = {
    "plain": ("A bar that ", "keeps its ", "promise."),
    "emoji": ("🚀 Now rising ", "👩‍🍳 by hand, ", "every day 🎉"),
    "umlauts": ("Große Süße ", "für ", "kühle Töne"),
    "combining": ("n\u0308ew q\u0303uick ", "m\u0332ore ", "x\u0302est"),
    "repeats": ("go go ", "go now ", "go on"),
}

STORIES = """
nobody touches it
====
A: {a}{b}{c}
by: nobody

words are added at the end
Ann types " Indeed." after "{c}"
====
A: {a}{b}{c}
by: Ann

words are put before it
Ann types "We say: " before "{a}"
====
A: {a}{b}{c}
by: Ann

words are put into the middle
Ann types "really " after "{a}"
====
A: {a}|{b}{c}
by: Ann

the middle is taken out
Ann deletes "{b}"
====
A: {a}|{c}
by: Ann

the beginning is taken out
Ann deletes "{a}"
====
A: {b}{c}
by: Ann

the end is taken out
Ann deletes "{c}"
====
A: {a}{b}
by: Ann

only the middle is left
Ann deletes "{a}"
Bob deletes "{c}"
====
A: {b}
by: Ann, Bob

the middle is said in other words
Ann replaces "{b}" with "zealously "
====
A: {a}|{c}
by: Ann

everything is written anew
Ann clears the cell
Ann types "Wholly ours" in tagline
====
A:
by: Ann

all of it is deleted and nothing put in its place
Ann clears the cell
====
A:
by: Ann

the same words are typed by hand
Ann deletes "{b}"
Ann types "{b}" after "{a}"
====
A: {a}|{c}
by: Ann

a deletion is undone
Ann deletes "{b}"
Ann undoes
====
A: {a}{b}{c}
by: Ann
in one go: nobody

a deletion is undone and done again
Ann deletes "{b}"
Ann undoes
Ann redoes
====
A: {a}|{c}
by: Ann

a cleared cell comes back by undo
Ann clears the cell
Ann undoes
====
A: {a}{b}{c}
by: Ann
in one go: nobody

typed words are undone
Ann types "really " after "{a}"
Ann undoes
====
A: {a}{b}{c}
by: Ann
in one go: nobody

the middle moves to the end
Ann moves "{b}" after "{c}"
====
A: {a}|{c}|{b}
by: Ann

the end moves to the front
Ann moves "{c}" before "{a}"
====
A: {c}|{a}{b}
by: Ann

the middle moves into another cell
Ann moves "{b}" to note
====
A: {a}|{c}|{b}
by: Ann
note A: {a}|{c}|{b}
note by: Ann

the middle moves out of all cells
Ann moves "{b}" to below
====
A: {a}|{c}|{b}
by: Ann

what was moved out is deleted there
Ann moves "{b}" to below
Bob deletes "{b}" in below
====
A: {a}|{c}
by: Ann

the middle is copied
Ann copies "{b}" after "{c}"
====
A: {a}{b}{c}
by: Ann

the middle is copied three times, and elsewhere
Ann copies "{b}" after "{c}"
Ann copies "{b}" before "{a}"
Ann copies "{b}" to below
Bob copies "{b}" to note
====
A: {a}{b}{c}
by: Ann
note A: {a}{b}{c}
note by: Ann, Bob

a copy stands for what it was copied from
Ann copies "{b}" to below
Ann deletes "{b}"
====
A: {a}|{c}|{b}
by: Ann

a copy does not stand for something else
Ann copies "{a}" to below
Ann deletes "{b}"
====
A: {a}|{c}
by: Ann

a copy is deleted with what it was copied from
Ann copies "{b}" to below
Ann deletes "{b}"
Bob deletes "{b}" in below
====
A: {a}|{c}
by: Ann

words pasted without their formatting are a person's
Ann deletes "{b}"
Ann pastes "{b}" after "{a}" as plain text
====
A: {a}|{c}
by: Ann

formatting is no edit
Ann makes "{b}" bold
====
A: {a}{b}{c}
by: nobody

what was made bold is deleted
Ann makes "{b}" bold
Bob deletes "{b}"
====
A: {a}|{c}
by: Bob

a paragraph is divided
Ann splits before "{b}"
====
A: {a}|{b}{c}
by: Ann

a paragraph is divided and joined again
Ann splits before "{b}"
Ann joins
====
A: {a}{b}{c}
by: Ann
in one go: nobody

words are composed with an input method
Ann composes "かな" after "{a}"
====
A: {a}|{b}{c}
by: Ann

words are composed in the place of others
Ann deletes "{b}"
Ann composes "漢字" after "{a}"
====
A: {a}|{c}
by: Ann

two people edit one after the other
Ann deletes "{b}"
Bob types " Yes." after "{c}"
====
A: {a}|{c}
by: Ann, Bob

two people edit at once
Ann types "really " after "{a}"
Bob meanwhile deletes "{b}"
====
A: {a}|{c}
by: Ann, Bob

two people delete the same words at once
Ann deletes "{b}"
Bob meanwhile deletes "{b}"
====
A: {a}|{c}
by: Ann

a second output takes the place of an edited one
Ann deletes "{b}"
model writes B: Zebras 🦓 doze.
Bob adopts B
====
B: Zebras 🦓 doze.
by: nobody

a second output is adopted and edited
Ann deletes "{b}"
model writes B: Zebras 🦓 doze.
Bob adopts B
Bob deletes " doze"
====
B: Zebras 🦓|.
by: Bob

the second output is taken back
Ann deletes "{b}"
model writes B: Zebras 🦓 doze.
Bob adopts B
Bob goes back
====
A: {a}|{c}
by: Ann

a piece of the first output comes into the second
Ann copies "{b}" to below
model writes B: Zebras 🦓 doze.
Bob moves "{b}" from below after "Zebras "
====
A: {b}
B: Zebras |🦓 doze.
by: Bob
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the records of one cell must say."""

    kept: dict[str, str]  # by output, the characters that stand
    people: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class History:
    """A story in one wording."""

    title: str
    output: str
    steps: tuple[str, ...]
    cells: dict[str, Seen]
    people_in_one_go: frozenset[str]  # of "tagline"


def all_histories() -> list[History]:
    """Return every story in every wording."""
    blocks = STORIES.strip().split("\n\n")
    return [_history(block, name) for block in blocks for name in WORDINGS]


def _history(block: str, wording: str) -> History:
    pieces = dict(zip("abc", WORDINGS[wording], strict=True))
    title, *lines = block.splitlines()
    middle = lines.index("====")
    told = [line.format(**pieces) for line in lines]
    kept: dict[str, dict[str, str]] = {"tagline": {}}
    people: dict[str, frozenset[str]] = {}
    in_one_go = None
    for line in told[middle + 1 :]:
        left, _, right = line.partition(":")
        if left == "in one go":
            in_one_go = _people(right)
            continue
        *cell, what = left.split()
        place = cell[0] if cell else "tagline"
        if what == "by":
            people[place] = _people(right)
        else:
            kept.setdefault(place, {})[what] = right.removeprefix(" ").replace("|", "")
    return History(
        title=f"{title} ({wording})",
        output="".join(pieces.values()),
        steps=tuple(told[:middle]),
        cells={cell: Seen(kept=found, people=people[cell]) for cell, found in kept.items()},
        people_in_one_go=people["tagline"] if in_one_go is None else in_one_go,
    )


def _people(written: str) -> frozenset[str]:
    return frozenset(written.replace(",", " ").split()) - {"nobody"}
