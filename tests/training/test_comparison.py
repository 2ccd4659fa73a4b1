"""Blind pairs: sides by chance, each choice kept at once, and counted for the right model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inferencecloud.training import comparison, examination
from inferencecloud.training.comparison import count, judge, load, make_comparison, save
from inferencecloud.training.heldout import invented

STARTER = Path(__file__).parents[2] / "models" / "starter"


def _made(pairs: int = 12) -> comparison.Comparison:
    exercises = invented(seed=1, count=pairs)
    of_a, of_b = ([f"{name}{n}" for n in range(pairs)] for name in "ab")
    return make_comparison("A", "B", exercises=exercises, texts=(of_a, of_b), seed=3)


def test_sides_are_by_chance_and_the_text_of_each_model_is_told_from_the_other() -> None:
    made = _made()
    assert {pair.first_is_a for pair in made.pairs} == {True, False}
    assert all(pair.first.startswith("a" if pair.first_is_a else "b") for pair in made.pairs)
    assert made == _made()


def test_choices_are_kept_at_once_and_a_stop_is_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    made = _made(4)
    save(made, path)
    shown: list[str] = []
    answers = iter(["1", "what?", "=", "q"])
    judge(made, path, ask=lambda _question: next(answers), say=shown.append)
    kept = load(path)
    assert [pair.choice for pair in kept.pairs] == ["first", "tie", "", ""]
    assert not any('"a":' in line for line in shown)
    answers = iter(["2", "1"])
    judge(kept, path, ask=lambda _question: next(answers), say=shown.append)
    assert all(pair.choice for pair in load(path).pairs)


def test_preferences_are_counted_for_the_model_and_not_for_the_side() -> None:
    made = _made()
    for pair in made.pairs:
        pair.choice = "first" if pair.first_is_a else "second"
    result = count(made)
    assert (result.a, result.b, result.ties) == (12, 0, 0)
    assert result.p_value == pytest.approx(2 / 2**12)
    made.pairs[0].choice = "tie"
    assert count(made).ties == 1
    assert count(_made()).p_value == 1.0


def test_the_command_writes_with_both_models_and_keeps_the_judgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: "1")
    monkeypatch.setattr(examination, "PLAIN", replace(examination.PLAIN, max_new_tokens=8))
    said: list[str] = []

    class Out:
        def write(self, text: str) -> None:
            said.append(text)

    arguments = ["compare_models", str(STARTER), str(STARTER), "--pairs=2", f"--out={tmp_path}"]
    call_command(*arguments, stdout=Out())
    kept = load(next(tmp_path.glob("*.json")))
    assert [pair.choice for pair in kept.pairs] == ["first", "first"]
    assert all(pair.first == pair.second for pair in kept.pairs)
    assert "2 of 2 judged" in "".join(said)
    assert "sign test" in said[-1]


def test_the_command_refuses_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no manifest\.json in it"):
        call_command("compare_models", str(tmp_path), str(STARTER))
    missing = tmp_path / "nowhere"
    with pytest.raises(CommandError, match="there is no file at"):
        call_command(
            "compare_models", str(STARTER), str(STARTER), f"--data={missing}", f"--out={tmp_path}"
        )
