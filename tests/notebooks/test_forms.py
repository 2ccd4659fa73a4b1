"""What people send, where no form of a page stands around it."""

import pytest
from django.http import QueryDict

from apps.notebooks.forms import searched


@pytest.mark.parametrize(
    ("query", "words"),
    [("q=+Finch+One+", "Finch One"), ("", ""), ("q=a%00b", ""), ("q=" + "a" * 300, "")],
    ids=["words", "nothing", "what PostgreSQL cannot hold", "too long"],
)
def test_a_search_is_for_words_or_for_nothing(query: str, words: str) -> None:
    assert searched(QueryDict(query), "q") == words
