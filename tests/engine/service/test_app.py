"""OpenAI's interface over an engine: the same words, streamed or whole, and errors in its form."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from inferencecloud.engine import FinishReason, Sampling, Script, ScriptedEngine
from inferencecloud.engine.local import TransformersEngine
from tests.engine.asking import ask, write
from tests.engine.conftest import KEY
from tests.engine.service.conftest import TOKEN, serving

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
PICTURE = {"role": "user", "content": [{"type": "image_url"}]}
WRONG_SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"type": "foo"}}}
HELLO = [{"role": "user", "content": "Meet the lamp"}]


def _post(url: str, path: str = "chat/completions", **body: Any) -> httpx.Response:
    asked = {"model": KEY, "max_tokens": 24, "temperature": 0} | body
    if path == "chat/completions":
        asked.setdefault("messages", HELLO)
    return httpx.post(f"{url}/{path}", json=asked, headers=HEADERS, timeout=60)


def _events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line[6:] for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_the_models_are_listed_with_their_context(reference: str) -> None:
    listed = httpx.get(f"{reference}/models", headers=HEADERS).json()
    (model,) = listed["data"]
    assert (model["id"], model["object"], model["max_model_len"]) == (KEY, "model", 256)


def test_a_chat_says_what_the_engine_says(reference: str, engine: TransformersEngine) -> None:
    expected = write(engine, ask("a", "Meet the lamp", sampling=Sampling(max_new_tokens=24)))
    told = _post(reference).json()
    assert told["object"] == "chat.completion"
    (choice,) = told["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected.text, "refusal": None}
    assert expected.finish is not None
    is_stop = expected.finish.reason is FinishReason.STOP
    assert choice["finish_reason"] == ("stop" if is_stop else "length")
    assert told["usage"]["prompt_tokens"] == expected.finish.prompt_tokens
    assert told["usage"]["completion_tokens"] == expected.finish.new_tokens
    assert (
        told["usage"]["total_tokens"] == expected.finish.prompt_tokens + expected.finish.new_tokens
    )


def test_a_stream_has_the_same_words_piece_by_piece(reference: str) -> None:
    whole = _post(reference).json()
    answer = _post(reference, stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = _events(answer)
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(e["choices"][0]["delta"].get("content", "") for e in events if e["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert len(events) > 10
    assert events[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert events[-1]["usage"] == whole["usage"]
    assert {e["object"] for e in events} == {"chat.completion.chunk"}
    assert len({e["id"] for e in events}) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_takes_a_prompt(reference: str, stream: bool) -> None:
    expected = _post(reference).json()["choices"][0]["message"]["content"]
    answer = _post(reference, "completions", prompt="Meet the lamp", stream=stream)
    if stream:
        text = "".join(e["choices"][0]["text"] for e in _events(answer))
    else:
        text = answer.json()["choices"][0]["text"]
        assert answer.json()["object"] == "text_completion"
    assert text == expected


def test_stop_seed_and_limits_are_heeded(reference: str) -> None:
    whole = _post(reference).json()["choices"][0]["message"]["content"]
    stopped = _post(reference, stop=whole[5:7]).json()["choices"][0]
    assert stopped["message"]["content"] == whole[: whole.index(whole[5:7])]
    assert stopped["finish_reason"] == "stop"
    short = _post(reference, max_completion_tokens=3).json()
    assert (short["usage"]["completion_tokens"], short["choices"][0]["finish_reason"]) == (
        3,
        "length",
    )
    drawn = [
        _post(reference, temperature=1.0, seed=seed).json()["choices"][0]["message"]["content"]
        for seed in (7, 7, 8)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_come_with_every_token(reference: str, stream: bool) -> None:
    answer = _post(reference, logprobs=True, top_logprobs=2, max_tokens=5, stream=stream)
    told = _events(answer) if stream else [answer.json()]
    entries = [
        entry
        for one in told
        if one["choices"] and one["choices"][0]["logprobs"]
        for entry in one["choices"][0]["logprobs"]["content"]
    ]
    assert len(entries) == 5
    for entry in entries:
        assert entry["token"] == entry["top_logprobs"][0]["token"], "greedy takes the likeliest"
        assert len(entry["top_logprobs"]) == 2
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["logprob"] <= 0


def test_a_completions_logprobs_have_their_older_form(reference: str) -> None:
    answer = _post(reference, "completions", prompt="Meet the lamp", logprobs=1, max_tokens=4)
    told = answer.json()["choices"][0]["logprobs"]
    assert [len(told[name]) for name in told] == [4, 4, 4, 4]
    assert told["text_offset"][0] == 0


def test_a_json_schema_is_kept_to(reference: str) -> None:
    schema = {"type": "object", "properties": {"stars": {"enum": [1, 2, 3]}}, "required": ["stars"],
              "additionalProperties": False}  # fmt: skip
    wanted = {"type": "json_schema", "json_schema": {"name": "rating", "schema": schema}}
    told = _post(reference, response_format=wanted, max_tokens=60).json()
    assert json.loads(told["choices"][0]["message"]["content"])["stars"] in {1, 2, 3}


def test_bad_words_do_not_appear(reference: str) -> None:
    whole = _post(reference).json()["choices"][0]["message"]["content"]
    word = max(whole.split(), key=len).strip(".,;:!?$()'\"")
    told = _post(reference, bad_words=[word]).json()["choices"][0]["message"]["content"]
    assert told != whole


def test_required_phrases_are_likelier(reference: str) -> None:
    whole = _post(reference, logprobs=True, top_logprobs=2).json()["choices"][0]
    told = whole["logprobs"]["content"][0]["top_logprobs"]
    (second,) = (
        one["token"] for one in told if not whole["message"]["content"].startswith(one["token"])
    )
    text = _post(reference, required_phrases=second.strip()).json()["choices"][0]["message"][
        "content"
    ]
    assert text != whole["message"]["content"]
    refused = _post(reference, required_phrases=[1])
    assert refused.status_code == 400
    assert "required_phrases" in refused.json()["error"]["message"]


def test_a_final_message_is_continued(reference: str) -> None:
    whole = _post(reference).json()["choices"][0]["message"]["content"]
    messages = [*HELLO, {"role": "assistant", "content": whole[:6]}]
    told = _post(reference, messages=messages, continue_final_message=True).json()
    assert told["choices"][0]["message"]["content"], "from text alone it goes on, if not alike"


def test_parts_of_text_are_joined(reference: str) -> None:
    parts = [{"type": "text", "text": "Meet "}, {"type": "text", "text": "the lamp"}]
    one = _post(reference, messages=[{"role": "user", "content": parts}]).json()
    assert one["choices"] == _post(reference).json()["choices"]


@pytest.mark.parametrize(
    ("body", "status", "field", "told"),
    [
        ({"model": "other"}, 404, "model", "does not exist; there are: tiny"),
        ({"model": 3}, 400, "model", "the name of a model, got 3"),
        ({"messages": "hi"}, 400, "messages", "a list of messages"),
        ({"messages": []}, 400, "messages", "at least one"),
        ({"messages": ["hi"]}, 400, "messages", "objects with role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.role", "got 'tool'"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            400,
            "messages.content",
            "a list of parts",
        ),
        ({"messages": [PICTURE]}, 400, "messages.content", "type text"),
        ({"continue_final_message": True}, 400, "continue_final_message", "the assistant's"),
        ({"temperature": "hot"}, 400, "temperature", "a number"),
        ({"temperature": 9}, 400, None, "between 0 and 5"),
        ({"seed": 1.5}, 400, "seed", "a whole number"),
        ({"max_tokens": True}, 400, "max_tokens", "a whole number"),
        ({"stop": [1]}, 400, "stop", "a list of texts"),
        ({"logprobs": True, "top_logprobs": 99}, 400, None, "0 to 20"),
        ({"n": 2}, 400, "n", "1 or left out"),
        ({"tools": [{}]}, 400, "tools", "not supported"),
        ({"response_format": {"type": "xml"}}, 400, "response_format", "json_schema"),
        ({"response_format": WRONG_SCHEMA}, 400, None, "Invalid type"),
        ({"messages": [{"role": "user", "content": "word " * 400}]}, 400, None, "reads at most"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_told_as_openai_tells_it(
    reference: str, body: dict[str, Any], status: int, field: str | None, told: str, stream: bool
) -> None:
    answer = _post(reference, **body, stream=stream)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert told in error["message"]
    assert (error["type"], error["param"]) == ("invalid_request_error", field)


def test_a_prompt_too_long_has_its_code(reference: str) -> None:
    answer = _post(reference, messages=[{"role": "user", "content": "word " * 400}])
    assert answer.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("raw", [b"{", b"[1]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(reference: str, raw: bytes) -> None:
    answer = httpx.post(f"{reference}/chat/completions", content=raw, headers=HEADERS)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_too_large_is_refused(reference: str) -> None:
    answer = httpx.post(f"{reference}/completions", content=b"x" * (5 << 20), headers=HEADERS)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}]
)
def test_without_the_token_nothing_is_told(reference: str, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{reference}/models", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(("method", "path"), [("GET", "chat/completions"), ("POST", "embeddings")])
def test_other_addresses_are_unknown(reference: str, method: str, path: str) -> None:
    answer = httpx.request(method, f"{reference}/{path}", headers=HEADERS)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"


def _scripted(**script: Any) -> ScriptedEngine:
    engine = ScriptedEngine(Script(**script))
    engine.load(Path("x"), key=KEY)
    return engine


@pytest.mark.parametrize("stream", [False, True])
def test_the_text_is_cancelled_when_its_reader_goes(stream: bool) -> None:
    position = [0]
    engine = _scripted(
        words=400, delay_s=0.02, before_token=lambda _id, at: position.__setitem__(0, at)
    )
    with serving(engine) as url, httpx.Client(timeout=60) as client:
        body = {"model": KEY, "messages": HELLO, "stream": stream, "max_tokens": 400}
        request = client.build_request(
            "POST", f"{url}/chat/completions", json=body, headers=HEADERS
        )
        if stream:
            answer = client.send(request, stream=True)
            next(answer.iter_text())
            answer.close()
        else:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{url}/chat/completions", json=body, headers=HEADERS, timeout=0.5)
        time.sleep(0.6)
        seen = position[0]
        time.sleep(0.3)
        assert position[0] == seen < 300
    engine.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_in_the_middle_is_told(stream: bool) -> None:
    engine = _scripted(fail_when="Meet", fail_after_tokens=4)
    with serving(engine) as url:
        answer = _post(url, stream=stream)
    engine.close()
    if stream:
        last = answer.text.strip().split("\n\n")[-1]
        error = json.loads(last[6:])["error"]
    else:
        assert answer.status_code == 500
        error = answer.json()["error"]
    assert error["type"] == "server_error"
    assert "wants a failure" in error["message"]


def test_many_are_served_side_by_side() -> None:
    engine = _scripted(words=10, delay_s=0.02, workers=16)
    times: list[float] = []

    def one(url: str, number: int) -> None:
        begun = time.monotonic()
        assert _post(url, seed=number).status_code == 200
        times.append(time.monotonic() - begun)

    with serving(engine) as url:
        threads = [threading.Thread(target=one, args=(url, number)) for number in range(12)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - begun < 0.7 * sum(times)
    assert len(times) == 12
    engine.close()
