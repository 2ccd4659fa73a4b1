"""How far one text is from another: Levenshtein's distance, with a column of the table as one integer.

Paper: Myers 1999, "A fast bit-vector algorithm for approximate string matching based on dynamic
programming", in the form that Hyyrö 2003 gives it for whole strings. Python's integers are as long as
they must be, so that each character of the longer text costs a dozen operations on integers of as many
bits as the shorter one has characters; nothing else is kept.
"""


def levenshtein(one: str, other: str) -> int:
    """Return how many characters must be put in, taken out or exchanged to get from one to the other."""
    one, other = _without_shared_ends(one, other)
    short, long = sorted((one, other), key=len)
    if not short:
        return len(long)
    places: dict[
        str, int
    ] = {}  # of each character, a bit for every place where the short one has it
    for place, character in enumerate(short):
        places[character] = places.get(character, 0) | 1 << place
    every, last = (1 << len(short)) - 1, 1 << (len(short) - 1)
    up, down, distance = (
        every,
        0,
        len(short),
    )  # steps of +1 and -1 along the column, and its last entry
    for character in long:
        equal = places.get(character, 0)
        zero = (((equal & up) + up) ^ up) | equal | down
        right_up, right_down = down | (every & ~(zero | up)), up & zero
        distance += bool(right_up & last) - bool(right_down & last)
        right_up, right_down = (right_up << 1 | 1) & every, right_down << 1 & every
        up, down = right_down | (every & ~(zero | right_up)), right_up & zero
    return distance


def normalised(one: str, other: str) -> float:
    """Return the distance as a share of the longer text: 0 for equal texts, 1 for nothing in common."""
    longest = max(len(one), len(other))
    return levenshtein(one, other) / longest if longest else 0.0


def _without_shared_ends(one: str, other: str) -> tuple[str, str]:
    shortest = min(len(one), len(other))
    start = 0
    while start < shortest and one[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]
