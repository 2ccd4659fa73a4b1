"""`manage.py generate` and `manage.py serve_models`."""

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from django.core.management import CommandError, call_command

from apps.inference import host
from tests.catalog.test_services import write_artifact
from tests.engine.lora import write_adapter
from tests.inference.builders import deployment

STARTER = Path(__file__).parents[2] / "models" / "starter"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    host.close()  # another test's script may still play
    yield
    host.close()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    write_artifact(tmp_path / "model")
    return str(tmp_path / "model")


def _generate(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("generate", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


class TestGenerate:
    """One text on the terminal."""

    def test_it_writes_with_the_model_of_a_folder(self, folder: str) -> None:
        text, account = _generate("A lamp", "--model", folder, "--seed", "1", "--max-tokens", "5")
        assert len(text.split()) == 5
        assert account.startswith("2 tokens read, 5 written, ended by length")

    @pytest.mark.django_db
    def test_it_writes_with_what_answers_to_an_alias(self) -> None:
        deployment("writer")
        assert _generate("A lamp", "--seed", "1")[0]

    def test_the_prompt_may_come_on_standard_input(
        self, folder: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("A lamp"))
        piped = _generate("--model", folder, "--seed", "1")
        assert piped[0] == _generate("A lamp", "--model", folder, "--seed", "1")[0]

    def test_stop_and_limits_reach_the_engine(self, folder: str) -> None:
        whole = _generate("A lamp", "--model", folder, "--seed", "1")[0].strip()
        word = whole.split()[3]
        stopped = _generate("A lamp", "--model", folder, "--seed", "1", "--stop", word)[0]
        assert stopped.strip() == whole[: whole.index(word)].strip()
        short = _generate("A lamp", "--model", folder, "--seed", "1", "--max-chars", "20")[0]
        assert 0 < len(short.strip()) <= 20

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--model", "nobody"], "the alias of a model or a folder with one, got nobody"),
            (["--top-p", "3"], "top_p must be above 0"),
            (["--json-schema", "/no/such/file"], "No such file"),
        ],
    )
    def test_what_is_wrong_is_told(self, folder: str, arguments: list[str], told: str) -> None:
        with pytest.raises(CommandError, match=told):
            _generate(
                "A lamp", *(["--model", folder] if "--model" not in arguments else []), *arguments
            )

    def test_an_adapter_changes_what_is_written(self, tmp_path: Path, settings: Any) -> None:
        settings.INFERENCE_ENGINE = "apps.inference.host.local_engine"
        adapter = write_adapter(tmp_path / "brand", STARTER, seed=1)
        arguments = ("A lamp", "--model", str(STARTER), "--max-tokens", "12")
        plain = _generate(*arguments)[0]
        assert _generate(*arguments, "--adapter", str(adapter))[0] != plain
        with pytest.raises(CommandError, match="wanted the file adapter_config"):
            _generate(*arguments, "--adapter", str(tmp_path))

    def test_an_engine_without_adapters_says_so(self, folder: str) -> None:
        with pytest.raises(CommandError, match="an engine that runs adapters"):
            _generate("A lamp", "--model", folder, "--adapter", folder)

    def test_a_failing_text_is_told(self, folder: str, settings: Any) -> None:
        settings.INFERENCE_SCRIPT = {"fail_when": "lamp"}
        with pytest.raises(CommandError, match="wants a failure"):
            _generate("A lamp", "--model", folder)


class TestServeModels:
    """OpenAI's interface over this installation's models."""

    def test_other_machines_need_a_token(self) -> None:
        with pytest.raises(CommandError, match="wanted MODELS_TOKEN"):
            call_command("serve_models", "--host", "0.0.0.0")

    @pytest.mark.django_db
    def test_an_unknown_model_is_told(self) -> None:
        with pytest.raises(CommandError, match="got nobody"):
            call_command("serve_models", "nobody")

    @pytest.mark.parametrize("adapters", [["brand"], ["other:brand=x"], ["=x"]])
    def test_an_adapter_that_is_named_wrongly_is_told(
        self, folder: str, adapters: list[str]
    ) -> None:
        with pytest.raises(CommandError, match="NAME=FOLDER with a model of lamp"):
            call_command("serve_models", f"lamp={folder}", adapter=adapters)

    def test_more_adapters_than_are_kept_are_told(self, tmp_path: Path, settings: Any) -> None:
        settings.INFERENCE_ENGINE = "apps.inference.host.local_engine"
        settings.ENGINE_ADAPTERS_KEPT = 1
        wanted = [f"{n}={write_adapter(tmp_path / str(n), STARTER, seed=n)}" for n in range(2)]
        with pytest.raises(CommandError, match="raise ENGINE_ADAPTERS_KEPT"):
            call_command("serve_models", f"lamp={STARTER}", adapter=wanted)

    def test_a_folder_is_served_under_its_name(
        self, folder: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.MODELS_TOKEN = "token"
        servers: list[uvicorn.Server] = []
        run = uvicorn.Server.run

        def noted(server: uvicorn.Server, *arguments: Any) -> None:
            servers.append(server)
            run(server, *arguments)

        monkeypatch.setattr(uvicorn.Server, "run", noted)
        serving = threading.Thread(
            target=call_command,
            args=["serve_models", f"lamp={folder}", "--port", "0"],
            kwargs={"stdout": io.StringIO()},
        )
        serving.start()
        while not (servers and servers[0].started):
            time.sleep(0.02)
        port = servers[0].servers[0].sockets[0].getsockname()[1]
        headers = {"Authorization": "Bearer token"}
        body = {"model": "lamp", "messages": [{"role": "user", "content": "A lamp"}], "seed": 1}
        url = f"http://127.0.0.1:{port}/v1"
        answer = httpx.post(f"{url}/chat/completions", json=body, headers=headers)
        listed = httpx.get(f"{url}/models", headers=headers).json()
        servers[0].should_exit = True
        serving.join()
        assert [one["id"] for one in listed["data"]] == ["lamp"]
        assert json.loads(answer.text)["choices"][0]["message"]["content"]
        assert host.current() is None, "the engine has ended with the service"
