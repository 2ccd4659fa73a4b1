"""Text comes out whole: characters, words at a limit, nothing of a stop string."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferencecloud.engine.requests import FinishReason, Resume, Sampling
from inferencecloud.engine.text import Detokenizer, TextStream
from inferencecloud.evaluation.limits import Limit, Unit


def _bytes(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", errors="replace")


def _stream(text: str, sampling: Sampling) -> tuple[list[str], TextStream]:
    stream = TextStream(_bytes, sampling)
    pieces = []
    for byte in text.encode():
        pieces.append(stream.push(byte))
        if stream.reason:
            return pieces, stream
    return [*pieces, stream.finish()], stream


@given(st.text(max_size=40))
def test_every_piece_is_whole_characters_and_their_sum_is_the_text(text: str) -> None:
    pieces, _ = _stream(text, Sampling())
    assert "".join(pieces) == text.replace("\ufffd", "")
    for piece in pieces:
        piece.encode("utf-8")


@given(st.binary(max_size=30))
def test_bytes_that_are_no_character_never_come_out(junk: bytes) -> None:
    detokenizer = Detokenizer(_bytes)
    out = "".join(detokenizer.push(byte) for byte in junk) + detokenizer.flush()
    assert "\ufffd" not in out


@given(
    st.text(alphabet="ab.! $", max_size=40),
    st.sampled_from(("words", "characters", "sentences")),
    st.integers(1, 5),
)
def test_no_text_is_longer_than_its_length(text: str, unit: Unit, high: int) -> None:
    limit = Limit(unit=unit, high=high)
    pieces, stream = _stream(text, Sampling(length=limit))
    shown = "".join(pieces)
    assert shown == stream.text
    assert text.startswith(shown)
    assert limit.holds(shown)
    assert (stream.reason is FinishReason.CHARS) is not limit.holds(text)
    if limit.holds(text):
        assert shown == text


@given(
    st.text(alphabet="ab c", max_size=30),
    st.lists(st.text(alphabet="abc", min_size=1, max_size=3), max_size=3),
)
def test_no_part_of_a_stop_string_is_shown(text: str, stop: list[str]) -> None:
    pieces, stream = _stream(text, Sampling(stop=tuple(stop)))
    places = [text.find(each) for each in stop if each in text]
    # The first stop string to be complete ends the text, and whatever it covers is gone.
    if places:
        assert stream.reason is FinishReason.STOP
        assert "".join(pieces) == stream.text
        assert text.startswith(stream.text)
        assert not any(each in stream.text for each in stop)
    else:
        assert "".join(pieces) == text


@given(st.text(alphabet="ab \n", max_size=40), st.integers(1, 30))
def test_a_limit_of_characters_never_cuts_a_word_that_fits(text: str, limit: int) -> None:
    pieces, stream = _stream(text, Sampling(max_chars=limit))
    shown = "".join(pieces)
    assert len(shown) <= limit
    assert text.startswith(shown)
    if (
        stream.reason is FinishReason.CHARS
        and len(text.split(maxsplit=1)[0] if text.split() else "") <= limit
    ):
        assert not shown or shown[-1].isspace() or text[len(shown)].isspace() or " " not in shown
    if stream.reason is None:
        assert shown == text


def test_a_word_longer_than_the_limit_is_cut() -> None:
    pieces, _ = _stream("abcdefghij", Sampling(max_chars=4))
    assert "".join(pieces) == "abcd"


def test_a_word_that_ends_at_the_limit_stays() -> None:
    pieces, _ = _stream("ab cd ef", Sampling(max_chars=5))
    assert "".join(pieces) == "ab cd"


@pytest.mark.parametrize("cut", range(12))
def test_a_replayed_stream_goes_on_where_it_was(cut: int) -> None:
    text, sampling = "naïve façade STOP more", Sampling(stop=("STOP",), max_chars=40)
    ids = list(text.encode())
    first = TextStream(_bytes, sampling)
    shown = "".join(first.push(byte) for byte in ids[:cut])
    second = TextStream(_bytes, sampling)
    second.replay(ids[:cut], Resume(token_ids=tuple(ids[:cut]), text=shown))
    rest = ""
    for byte in ids[cut:]:
        rest += second.push(byte)
        if second.reason:
            break
    assert shown + rest == "naïve façade "
