"""What the wire takes in, it must be able to pass on."""

import json

import pytest

from apps.notebooks import messages
from apps.notebooks.messages import Caret, Malformed


def caret_frame(state: bytes) -> bytes:
    parts = [bytes([messages.AWARENESS, 1, 7, 1]), messages.write_number(len(state)), state]
    return b"".join(parts)


def test_a_caret_goes_out_as_it_came_in() -> None:
    state = {"cursor": {"anchor": [1, 2.5]}, "name": "Zoë 🙂"}
    frame = messages.awareness_frame([Caret(client=7, clock=1, state=state)])
    assert messages.parse_awareness(frame) == [Caret(client=7, clock=1, state=state)]


@pytest.mark.parametrize(
    "state",
    [b'{"cursor":"\\ud800"}', b'{"\\udfff":1}', b'{"cursor":NaN}', b'{"cursor":-Infinity}'],
    ids=["half a pair", "half a pair as name", "no number", "no finite number"],
)
def test_a_caret_that_could_not_be_passed_on_is_malformed(state: bytes) -> None:
    assert json.loads(state)  # Python reads it, so it is we who must refuse it
    with pytest.raises(Malformed):
        messages.parse_awareness(caret_frame(state))


@pytest.mark.parametrize("since", ["9" * 5000, "9" * 17, "-1", "1.5", "²", ""])
def test_a_number_in_a_query_is_short_and_whole(since: str) -> None:
    with pytest.raises(Malformed):
        messages.parse_query({"schema": "1", "since": since})


def test_the_largest_number_of_a_query_is_the_browser_s() -> None:
    query = {"schema": "1", "since": str(messages.LARGEST_NUMBER)}
    assert messages.parse_query(query).seq == messages.LARGEST_NUMBER
