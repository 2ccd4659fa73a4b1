"""Find in a piece of copy what a brief for it would have said."""

from __future__ import annotations

import random
import re

_STOP_WORDS = frozenset(
    """
    a an the and or but with for to this of your you any in on our its it is are was be been
    that these those from at as by into will can could while when where whether up more most
    all just like make makes made let lets they their them there here has have had which who
    than then so not no if out over yourself every each both perfect ideal great
    features feature featuring crafted designed add adds adding provide provides providing
    ensure ensures offers offer offering elevate step pair pairs keep keeps get help helps
    bring brings upgrade enjoy discover experience indulge complement complements
    complementing embrace wrap transform collection essential must-have addition
    look looking feel favorite need whatever such made-up also even one way being don't it's
    you're you'll we us i he she his her very too only now today shop stay allow allows
    making become becomes give gives around within without through per boasts makes turns
    delivers creates evokes captures lends exudes combines showcases include includes including
    takes turn create perfect against across together alike ahead known thanks prevents
    wraps say hello set yet wear along during under over after before again ever own
    delight delights introducing presenting meet
    """.split()  # noqa: SIM905 - a long list of quoted words is harder to read
)
_PHRASE_BREAK = re.compile(r"[.,;:!?()\"\u2013—]| - ")
_PURPOSE = re.compile(
    r"\b(?:perfect|ideal|great|designed|made) for ([^.,;!?\u2013—]{4,60})", re.IGNORECASE
)
_PURPOSE_END = re.compile(r"\b(?:that|which|while|with|it|this|or simply|and [a-z]+ing)\b.*$")
_NO_NOUN = re.compile(r"(?:ing|ed|ly|ous|ful|ive|able|ible|ical|less|ish|[^r]ent|est)$")
_NUMBER = re.compile(r"\$?\d[\d.,]*\d(?:%|-?\w+)?(?: [a-z]+)?|\d(?:%|-?\w+)?(?: [a-z]+)?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])")


def find_details(rng: random.Random, text: str, count: int) -> list[str]:
    """Return up to so many noun phrases of two to four words from the text, in any order."""
    phrases: list[str] = []
    for part in _PHRASE_BREAK.split(text):
        run: list[str] = []
        for word in [*part.split(), "the"]:
            if word.lower() in _STOP_WORDS:
                _keep_phrase(phrases, run)
                run = []
            else:
                run.append(word)
    unique = list(dict.fromkeys(phrases))
    return rng.sample(unique, min(count, len(unique)))


def _keep_phrase(phrases: list[str], run: list[str]) -> None:
    words = run[-3:]
    if len(words) < 2 or _NO_NOUN.search(words[-1].lower()):
        return
    # "turns heads", "hugging your feet": a verb first is no phrase for a brief.
    if re.search(r"(?:[^s]s|ly|ing)$", words[0].lower()) and len(words) == 2:
        return
    phrase = " ".join(words)
    phrases.append(phrase if words[0].isupper() else phrase[0].lower() + phrase[1:])


def find_numbers(text: str) -> list[str]:
    """Return the numbers of the text with the word after each, so that a brief can tell them."""
    found = (match.group(0) for match in _NUMBER.finditer(text))
    whole = (n.rsplit(" ", 1)[0] if n.rsplit(" ", 1)[-1] in _STOP_WORDS else n for n in found)
    return list(dict.fromkeys(whole))


def find_purpose(rng: random.Random, text: str) -> str | None:
    """Return what the text says the thing is for, or None."""
    found = [_PURPOSE_END.sub("", match.group(1)).strip() for match in _PURPOSE.finditer(text)]
    found = [purpose for purpose in found if len(purpose) >= 4]
    return rng.choice(found) if found else None


def split_sentences(text: str) -> list[str]:
    """Return the sentences of the text."""
    return [sentence for sentence in _SENTENCE.split(text.strip()) if sentence]
