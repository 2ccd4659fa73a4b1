"""The next token: greedy, within top_p, and by a chance that belongs to the position."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from inferencecloud.engine.quoting import LONGEST, Quotes
from inferencecloud.engine.requests import Sampling
from inferencecloud.engine.sampling import (
    NothingAllowed,
    Sampler,
    choose_token,
    highest,
    uniform,
    without_repetition,
)
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.conftest import CORPUS

VOCABULARY = 12
answers = st.lists(st.integers(0, VOCABULARY - 1), max_size=30)


def _logits(seed: int) -> torch.Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed))


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose_token(torch.tensor([0.1, 3.0, -1.0]), Sampling(), []) == 1


@given(st.integers(0, 1000), st.integers(0, 100))
def test_chance_depends_on_seed_and_position_alone(seed: int, position: int) -> None:
    assert 0 <= uniform(seed, position) < 1
    assert uniform(seed, position) == uniform(seed, position)
    assert uniform(seed, position) != uniform(seed, position + 1)


def test_frequencies_follow_the_probabilities() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    counts = torch.zeros(4)
    for position in range(4000):
        counts[choose_token(weights.log(), Sampling(temperature=1.0, seed=1), [0] * position)] += 1
    assert torch.allclose(counts / 4000, weights, atol=0.03)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    sampling = Sampling(temperature=1.0, top_p=0.6, seed=3)
    assert {choose_token(weights.log(), sampling, [0] * n) for n in range(300)} == {0, 1}
    tiny = Sampling(temperature=1.0, top_p=0.01)
    assert {choose_token(weights.log(), tiny, [0] * n) for n in range(50)} == {0}


def test_a_low_temperature_sharpens() -> None:
    logits = torch.tensor([1.0, 0.0])
    cold = sum(choose_token(logits, Sampling(temperature=0.2), [0] * n) for n in range(500))
    hot = sum(choose_token(logits, Sampling(temperature=2.0), [0] * n) for n in range(500))
    assert cold < 20 < hot


@given(answers, st.floats(1.01, 2), st.integers(0, 99))
def test_the_penalty_is_that_of_transformers_without_the_prompt(
    answer: list[int], penalty: float, seed: int
) -> None:
    logits = _logits(seed)
    prompt = [1, 5, 7]
    theirs = RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=len(prompt))
    expected = theirs(torch.tensor([[*prompt, *answer]]), logits[None].clone())[0]
    ours = without_repetition(logits, Sampling(repetition_penalty=penalty), answer)
    assert torch.allclose(ours, expected)


@given(st.lists(st.integers(0, 2), max_size=30), st.integers(2, 6), st.integers(0, 99))
def test_repeated_runs_are_banned_as_transformers_does(
    answer: list[int], size: int, seed: int
) -> None:
    logits = _logits(seed)
    theirs = NoRepeatNGramLogitsProcessor(size)
    expected = theirs(torch.tensor([answer], dtype=torch.long), logits[None].clone())[0]
    ours = without_repetition(logits, Sampling(no_repeat_ngram_size=size), answer)
    assert torch.equal(ours, expected)


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.integers(1, 2),
    st.lists(st.integers(0, 3), max_size=12),
)
def test_a_run_may_be_repeated_as_far_as_it_quotes_the_prompt(
    part: list[int], times: int, prompt: list[int]
) -> None:
    answer = part * times
    logits, sampling = torch.zeros(6), Sampling(no_repeat_ngram_size=4)
    strict = without_repetition(logits, sampling, answer)
    quoting = without_repetition(logits, sampling, answer, quotes=Quotes(prompt))
    runs = {tuple(prompt[place : place + 3]) for place in range(len(prompt) - 2)}
    for token_id in range(6):
        longer = [*answer, token_id]
        is_long = any(
            longer[at : at + LONGEST + 1] == longer[-LONGEST - 1 :]
            for at in range(len(longer) - LONGEST - 1)
        )
        is_quote = (*answer[-2:], token_id) in runs and not is_long
        assert quoting[token_id] == (0 if is_quote else strict[token_id])


def test_a_quotation_comes_again_up_to_the_length_of_a_name() -> None:
    """A sentence of the prompt that the answer said once is not said twice."""
    sentence, logits = list(range(LONGEST + 4)), torch.zeros(40)
    sampling, quotes = Sampling(no_repeat_ngram_size=4), Quotes(sentence)
    for said, is_free in ((LONGEST - 1, True), (LONGEST, False)):
        answer = [*sentence, 30, *sentence[:said]]
        scores = without_repetition(logits, sampling, answer, quotes=quotes)
        assert bool(scores[sentence[said]] == 0) is is_free
    # What stood before twice counts, too, wherever the quotation began.
    answer = [33, 34, 35, *sentence, 30, 33, 34, 35, *sentence[: LONGEST - 3]]
    scores = without_repetition(logits, sampling, answer, quotes=quotes)
    assert scores[sentence[LONGEST - 3]] == -torch.inf


def test_a_long_name_stays_whole_at_its_second_mention(vocabulary: Vocabulary) -> None:
    name = [7, 8, 9, 10, 11]
    logits = torch.zeros(vocabulary.size)
    for strict, wanted in ((True, False), (False, True)):
        sampler = Sampler(Sampling(no_repeat_ngram_size=4), vocabulary)
        if not strict:
            sampler.read([1, 2, *name, 3])
        likely = logits.index_fill(0, torch.tensor([11]), 9.0)
        chosen = sampler.choose(likely, [*name, 20, *name[:-1]]).token_id
        assert (chosen == 11) is wanted


def test_greedy_answers_repeat_no_run() -> None:
    logits, answer = _logits(4), list[int]()
    for _ in range(20):
        answer.append(choose_token(logits, Sampling(no_repeat_ngram_size=2), answer))
    pairs = list(pairwise(answer))
    assert len(pairs) == len(set(pairs))


def test_a_banned_token_is_never_drawn_and_something_always_is() -> None:
    logits = torch.tensor([9.0, 0.0])
    sampling = Sampling(temperature=1.0, no_repeat_ngram_size=1)
    assert {choose_token(logits, sampling, [0] * n) for n in range(1, 40)} == {1}
    assert choose_token(logits, sampling, [0, 1]) in {0, 1}, (
        "all are banned: better twice than none"
    )


def test_without_a_wish_the_logits_are_left_alone() -> None:
    logits = _logits(1)
    assert without_repetition(logits, Sampling(), [1, 2, 1, 2]) is logits


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    tokenizer = train_tokenizer(CORPUS * 4, vocabulary=400, context_tokens=256)
    return Vocabulary(tokenizer, size=len(tokenizer), end_ids=[tokenizer.eos_token_id])


def _hard_logits(seed: int, size: int, kind: str) -> torch.Tensor:
    """Return logits (V) of a kind on which a shortcut could stumble."""
    chance = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, generator=chance)
    if kind == "peaked":
        return logits * 4
    if kind == "tied":
        return (logits * 3).round()
    if kind in {"masked", "few"}:
        rest = 0.9995 if kind == "few" else 0.7
        logits[torch.rand(size, generator=chance) < rest] = -torch.inf
        logits[int(torch.randint(size, (1,), generator=chance))] = 1.0
    return logits


samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.01, 0.3, 0.7, 1.0, 1.5, 5.0]),
    top_p=st.sampled_from([1.0, 0.999, 0.95, 0.9, 0.5, 0.1, 1e-6]),
    top_k=st.sampled_from([0, 0, 1, 2, 40, 256, 300, 5000]),
    min_p=st.sampled_from([0.0, 0.0, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 2**40),
)


@settings(max_examples=300, deadline=None)
@given(
    samplings,
    st.integers(0, 2**30),
    st.sampled_from([3, 500, 513, 9001, 20011]),
    st.sampled_from(["flat", "peaked", "tied", "masked", "few"]),
)
def test_the_quick_draw_is_the_slow_one(
    vocabulary: Vocabulary, sampling: Sampling, seed: int, size: int, kind: str
) -> None:
    logits = _hard_logits(seed, size, kind)
    answer = [1] * (seed % 50)
    chosen = Sampler(sampling, vocabulary).choose(logits, answer)
    assert chosen.token_id == choose_token(logits, sampling, answer)


@pytest.mark.parametrize("top_p", [0.5, 0.75, 0.875])
def test_top_p_on_a_border_cuts_as_the_slow_way_does(vocabulary: Vocabulary, top_p: float) -> None:
    shares = torch.full((20_000,), 1e-30)
    shares[[7, 11, 13, 17]] = torch.tensor([0.5, 0.25, 0.125, 0.125])
    sampling = Sampling(temperature=1.0, top_p=top_p)
    sampler = Sampler(sampling, vocabulary)
    for position in range(100):
        answer = [0] * position
        chosen = sampler.choose(shares.log(), answer).token_id
        assert chosen == choose_token(shares.log(), sampling, answer)


def test_top_k_draws_among_the_k_likeliest(vocabulary: Vocabulary) -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    sampler = Sampler(Sampling(temperature=1.0, top_k=2), vocabulary)
    drawn = [sampler.choose(logits, [0] * n).token_id for n in range(400)]
    assert set(drawn) == {0, 1}
    assert abs(drawn.count(0) / 400 - 0.5 / 0.8) < 0.08


def test_min_p_leaves_out_what_is_far_below_the_likeliest(vocabulary: Vocabulary) -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    sampler = Sampler(Sampling(temperature=1.0, min_p=0.2), vocabulary)
    assert {sampler.choose(logits, [0] * n).token_id for n in range(400)} == {0, 1, 2}


def test_logprobs_are_those_of_the_model_before_any_sampling(vocabulary: Vocabulary) -> None:
    logits = _logits(3)
    sampling = Sampling(temperature=0.5, repetition_penalty=1.5, logprobs=3)
    sampler = Sampler(sampling, vocabulary)
    choice = sampler.choose(logits, [1, 2])
    expected = torch.log_softmax(logits, dim=-1)
    assert choice.logprob == pytest.approx(float(expected[choice.token_id]))
    order = expected.argsort(descending=True)[:3].tolist()
    assert [token_id for token_id, _ in choice.top] == order
    (told,) = sampler.report(choice)
    assert told.chosen.logprob == choice.logprob
    assert [one.token_id for one in told.top] == order
    assert told.chosen.text == vocabulary.text(choice.token_id)


def test_nothing_is_reported_when_nobody_asks(vocabulary: Vocabulary) -> None:
    sampler = Sampler(Sampling(), vocabulary)
    assert sampler.report(sampler.choose(_logits(1), [])) == ()
    bare = Sampler(Sampling(logprobs=0), vocabulary)
    assert bare.report(bare.choose(_logits(1), []))[0].top == ()


def test_the_highest_of_every_row_is_what_a_plain_sampler_chooses(vocabulary: Vocabulary) -> None:
    logits = torch.randn(5, vocabulary.size, generator=torch.Generator().manual_seed(2))
    plain = Sampler(Sampling(), vocabulary)
    assert plain.is_plain
    ids, finite = highest(logits)
    assert ids == [plain.choose(row, []).token_id for row in logits]
    assert finite == [True] * 5
    assert highest(logits[:0]) == ([], [])


def test_what_is_no_number_is_told_by_row() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(2))
    logits[1, 7], logits[2, 3], logits[3] = torch.nan, torch.inf, -torch.inf
    assert highest(logits)[1] == [True, False, False, False]
    logits[3, 0] = 1.0  # what is struck out is no fault
    assert highest(logits)[1] == [True, False, False, True]


def test_the_first_of_equal_tokens_is_the_greedy_one(vocabulary: Vocabulary) -> None:
    logits = torch.zeros(2, 5000)
    logits[:, [40, 4000]] = 1.0
    assert highest(logits)[0] == [40, 40]
    assert Sampler(Sampling(), vocabulary).choose(logits[0], []).token_id == 40


def test_a_schema_that_allows_only_what_is_banned_is_told(vocabulary: Vocabulary) -> None:
    schema = json.dumps({"enum": ["ok"]})
    sampler = Sampler(Sampling(json_schema=schema, banned=('"ok"', '"')), vocabulary)
    with pytest.raises(NothingAllowed, match="contradict"):
        sampler.choose(torch.zeros(vocabulary.size), [])


def test_the_logits_are_left_as_they_were(vocabulary: Vocabulary) -> None:
    logits = _logits(9)
    before = logits.clone()
    wishes = Sampling(temperature=1.0, banned=("a",), repetition_penalty=1.3, logprobs=1)
    padded = torch.cat((logits, torch.zeros(vocabulary.size - len(logits))))
    Sampler(wishes, vocabulary).choose(padded, [1, 2])
    assert torch.equal(padded[: len(logits)], before)
