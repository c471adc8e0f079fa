"""The backend `vllm` with its real child script, over a module with the shapes of vLLM (tests/helpers/fake_vllm)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from madsafe_web.core.llm import capabilities
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Message, Patient, Reply, Sampling, Scorer
from madsafe_web.core.llm.vllm import MOST_DEATHS, VllmBackend, create
from madsafe_web.core.llm.vllm_options import Options
from madsafe_web.core.llm.vllm_process import environment
from madsafe_web.core.wording import is_known
from tests.helpers.installation import ROOT, wait_until

T = TypeVar("T")
FAKE = Path(__file__).resolve().parents[1] / "helpers" / "fake_vllm"


@pytest.fixture
def python(tmp_path: Path) -> str:
    """An interpreter whose environment has what passes for vLLM."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{FAKE}" exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


def call(text: str, **sampling: Any) -> Call:
    return Call("", "", {}, (Message("system", "s"), Message("user", text)), Sampling(**{"max_tokens": 50, **sampling}))


def ask(
    work: Callable[[VllmBackend], Awaitable[T]],
    python: str,
    model: Path,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    **options: Any,
) -> T:
    async def main() -> T:
        backend = VllmBackend(str(model), Options.of(options), python, model.parent, sleep)
        try:
            return await work(backend)
        finally:
            await backend.close()

    return asyncio.run(main())


def answers(texts: Sequence[str], python: str, model: Path, **options: Any) -> list[Reply | BaseException]:
    async def work(backend: VllmBackend) -> list[Reply | BaseException]:
        return await asyncio.gather(*(backend.complete(call(text)) for text in texts), return_exceptions=True)

    return ask(work, python, model, **options)


def kinds(found: Sequence[Reply | BaseException]) -> list[str]:
    return [one.kind if isinstance(one, CallError) else type(one).__name__ for one in found]


def batches(model: Path) -> list[int]:
    return [int(line) for line in (model / "batches").read_text().split()]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until_it_hangs(model: Path) -> None:
    while not (model / "hangs").exists():
        await asyncio.sleep(0.01)


# --- answers ---


def test_each_row_is_sampled_by_its_own_settings(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> list[Reply]:
        calls = [call("a", seed=1, temperature=0.5), call("b", seed=2), call("c")]
        return await asyncio.gather(*(backend.complete(one) for one in calls))

    told = [json.loads(reply.text) for reply in ask(work, python, model)]
    assert [(one["text"], one["seed"], one["temperature"]) for one in told] == [
        ("a", 1, 0.5),
        ("b", 2, 0.0),
        ("c", None, 0.0),
    ]


def test_a_reply_carries_its_tokens_and_why_it_ended(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> list[Reply]:
        return [await backend.complete(call("say:fine", max_tokens=n)) for n in (50, 1)]

    whole, cut = (
        ask(work, python, model),
        ask(lambda b: b.complete(call("say:" + "x" * 20, max_tokens=1)), python, model),
    )
    assert (whole[0].text, whole[0].finish, whole[0].prompt_tokens, whole[0].completion_tokens) == (
        "fine",
        "stop",
        9,
        4,
    )
    assert cut.finish == "length"


def test_thinking_is_kept_apart(python: str, model: Path) -> None:
    (reply,) = answers(["say:<think>hm</think>\n\nyes"], python, model)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.reasoning) == ("yes", "hm")


def test_the_template_is_told_not_to_think(python: str, model: Path) -> None:
    (reply,) = answers(["a"], python, model, chat_template_kwargs={"enable_thinking": False})
    assert isinstance(reply, Reply)
    assert json.loads(reply.text)["template"] == {"enable_thinking": False}


def test_a_reply_is_held_to_its_schema_where_the_endpoint_says_so(python: str, model: Path) -> None:
    schema = {"type": "object"}
    asked = replace(call("a"), schema=schema)
    ways = ({}, {"structured_output": "none"}, {"structured_output": "vllm"})
    found = [json.loads(ask(lambda b: b.complete(asked), python, model, **way).text)["held"] for way in ways]
    assert found == [None, None, schema]
    assert json.loads((model / "engine").read_text())["structured_outputs_config"]["disable_any_whitespace"] is True


def test_the_engine_gets_its_options_and_runs_no_code_of_a_model(python: str, model: Path) -> None:
    answers(["a"], python, model, dtype="float32", max_model_len=32, batch_rows=7)
    told = {"max_model_len": 32, "dtype": "float32", "seed": 0, "load_format": "safetensors"}
    assert json.loads((model / "engine").read_text()) == told


def test_calls_that_wait_make_batches_of_the_size_allowed(python: str, model: Path) -> None:
    assert kinds(answers([f"row {n}" for n in range(10)], python, model, batch_rows=4)) == ["Reply"] * 10
    assert sum(batches(model)) == 10 and max(batches(model)) <= 4


# --- one row's fault ---


def test_a_refused_row_ends_alone(python: str, model: Path) -> None:
    found = answers(["a", "b", "refused: too long", "c", "d"], python, model)
    assert kinds(found) == ["Reply", "Reply", "bad_request", "Reply", "Reply"]
    error = found[2]
    assert isinstance(error, CallError)
    assert error.final and str(error).endswith("maximum context length is 64 tokens.")


def test_a_reply_that_vllm_broke_off_is_an_error(python: str, model: Path) -> None:
    assert kinds(answers(["abort", "a"], python, model)) == ["cut_off", "Reply"]


@pytest.mark.parametrize("word", ["die", "out of memory", "dead engine"])
def test_a_row_that_kills_vllm_ends_alone_and_the_others_are_answered(word: str, python: str, model: Path) -> None:
    found = answers([*(f"row {n}" for n in range(20)), word, "last"], python, model)
    assert kinds(found) == ["Reply"] * 20 + ["crashed", "Reply"]


def test_the_error_says_what_vllm_died_of(python: str, model: Path) -> None:
    killed, full, dead = (str(answers([word], python, model)[0]) for word in ("die", "out of memory", "dead engine"))
    assert "killed by SIGKILL" in killed
    assert "OutOfMemoryError: CUDA out of memory" in full
    assert "EngineDeadError: EngineCore encountered an issue" in dead


def test_a_row_in_whose_batch_vllm_died_once_is_answered(python: str, model: Path) -> None:
    assert kinds(answers(["die once"], python, model)) == ["Reply"]


def test_what_was_answered_before_a_crash_stays_answered(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> list[str]:
        before = await backend.complete(call("a"))
        rest = await asyncio.gather(*(backend.complete(call(t)) for t in ("die", "b")), return_exceptions=True)
        return kinds([before, *rest])

    assert ask(work, python, model) == ["Reply", "crashed", "Reply"]


def test_a_batch_that_hangs_is_ended_and_its_row_alone_is_a_timeout(python: str, model: Path) -> None:
    async def no_longer_than_it_works(_: float) -> None:
        await until_it_hangs(model)
        (model / "hangs").unlink()

    found = answers(["a", "hang", "b"], python, model, sleep=no_longer_than_it_works)
    assert kinds(found) == ["Reply", "timeout", "Reply"]


# --- the endpoint's fault ---


def test_a_model_that_cannot_be_loaded_takes_the_endpoint_down_with_the_last_words(python: str, tmp_path: Path) -> None:
    found = answers(["a", "b"], python, tmp_path / "missing")
    assert all(isinstance(one, EndpointDown) for one in found)
    assert "missing is not a local folder" in str(found[0]) and "exit status 1" in str(found[0])


def test_a_model_that_is_never_loaded_takes_the_endpoint_down(python: str, model: Path) -> None:
    async def at_once(_: float) -> None: ...

    (model / "never").touch()
    (error,) = answers(["a"], python, model, sleep=at_once)
    assert isinstance(error, EndpointDown) and error.kind == "timeout"


def test_a_vllm_that_dies_of_everything_takes_the_endpoint_down(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> list[str]:
        return kinds(await asyncio.gather(*(backend.complete(call("die")) for _ in range(40)), return_exceptions=True))

    found = ask(work, python, model)
    assert found.count("vllm_ended") + found.count("crashed") == 40 and "vllm_ended" in found
    assert len(batches(model)) == MOST_DEATHS + 1


@pytest.mark.parametrize("nothing", ["", "/no/such/python"])
def test_without_an_interpreter_the_error_says_what_to_set(nothing: str, model: Path) -> None:
    (error,) = answers(["a"], nothing, model)
    assert isinstance(error, EndpointDown)
    assert "MADSAFE_VLLM_PYTHON" in str(error)


@pytest.mark.parametrize("word", ["die", "refused: too long"])
def test_what_a_row_ended_of_can_be_told_in_other_languages(word: str, python: str, model: Path) -> None:
    (error,) = answers([word], python, model)
    assert isinstance(error, CallError) and is_known(f"{error.kind}: {error}")


def test_what_a_run_stopped_at_can_be_told_in_other_languages(python: str, model: Path, tmp_path: Path) -> None:
    for interpreter, folder in (("", model), ("/no/such/python", model), (python, tmp_path / "missing")):
        assert is_known(str(answers(["a"], interpreter, folder)[0]))


def test_an_interpreter_without_vllm_says_so(model: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely"
    lonely.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    lonely.chmod(0o755)
    (error,) = answers(["a"], str(lonely), model)
    assert isinstance(error, EndpointDown) and "No module named 'vllm'" in str(error)


# --- probabilities ---


def test_the_likelihood_is_the_mean_over_the_tokens_after_the_first(python: str, model: Path) -> None:
    found = ask(lambda backend: backend.likelihood("xyz"), python, model)
    assert found is not None
    assert (found.nll, found.tokens, found.truncated) == (sum(ord(c) % 5 for c in "xyz") / 3, 3, False)


def test_an_empty_text_has_no_likelihood(python: str, model: Path) -> None:
    assert ask(lambda backend: backend.likelihood(""), python, model) is None


def test_of_a_text_that_is_too_long_the_head_is_scored(python: str, model: Path) -> None:
    found = ask(lambda backend: backend.likelihood("x" * 100), python, model)
    assert found is not None
    assert (found.tokens, found.truncated) == (62, True)


def test_options_are_scored_as_continuations_of_the_prompt(python: str, model: Path) -> None:
    found = ask(lambda backend: backend.choose("q(", ["A", "BC"]), python, model)
    assert found == [-float(ord("A") % 5), -float(ord("B") % 5 + ord("C") % 5)]


def test_an_option_that_melts_into_the_prompt_is_refused(python: str, model: Path) -> None:
    with pytest.raises(ValueError, match="does not tokenise apart"):
        ask(lambda backend: backend.choose("qa", ["b"]), python, model)


def test_replies_and_likelihoods_may_be_asked_at_the_same_time(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> list[Any]:
        return await asyncio.gather(
            backend.complete(call("say:1")), backend.likelihood("x"), backend.complete(call("say:2"))
        )

    one, scored, two = ask(work, python, model)
    assert (one.text, scored.tokens, two.text) == ("1", 1, "2")


# --- its life ---


def test_closing_ends_it_with_all_that_it_started(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> None:
        asked = asyncio.create_task(backend.complete(call("offspring")))
        await until_it_hangs(model)
        asked.cancel()

    ask(work, python, model)
    pids = [int((model / name).read_text()) for name in ("pid", "pids")]
    assert wait_until(lambda: all(map(gone, pids)))


def test_it_dies_with_whoever_started_it(python: str, model: Path) -> None:
    program = (
        "import json, pathlib, sys, threading\n"
        "from madsafe_web.core.llm.vllm_process import Process\n"
        "here, told = pathlib.Path('.'), lambda facts: None\n"
        "process = Process(sys.argv[1], json.loads(sys.argv[2]), here, told, told)\n"
        "process.send(json.loads(sys.argv[3]))\n"
        "threading.Event().wait()\n"
    )
    settings = json.dumps(Options().settings(str(model)))
    asked = {"id": 0, "do": "chat", "most": 1, "messages": [{"content": "offspring"}], "sampling": {}}
    parent = subprocess.Popen([sys.executable, "-c", program, python, settings, json.dumps(asked)], cwd=ROOT)
    try:
        wait_until((model / "hangs").exists)
        pids = [int((model / name).read_text()) for name in ("pid", "pids")]
    finally:
        parent.kill()
        parent.wait()
    assert wait_until(lambda: all(map(gone, pids)))


def test_one_that_is_killed_while_it_idles_is_started_again(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> tuple[Reply, Reply]:
        before = await backend.complete(call("say:1"))
        os.kill(int((model / "pid").read_text()), signal.SIGKILL)
        return before, await backend.complete(call("say:2"))

    assert [reply.text for reply in ask(work, python, model)] == ["1", "2"]


def test_a_run_that_stops_lets_go_of_what_waits(python: str, model: Path) -> None:
    async def work(backend: VllmBackend) -> list[bool]:
        works = asyncio.create_task(backend.complete(call("hang")))
        await until_it_hangs(model)
        while not backend._batch:  # what the child has begun is known here a moment later
            await asyncio.sleep(0.01)
        waits = asyncio.create_task(backend.complete(call("a")))
        await asyncio.sleep(0)
        backend.give_up_waiting()
        await asyncio.wait([waits])
        found = [waits.cancelled(), works.done()]
        works.cancel()
        return found

    assert ask(work, python, model) == [True, False]


def test_our_secrets_and_our_pythons_settings_stay_here(
    python: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "secret-0042")
    monkeypatch.setenv("DATABASE_URL", "secret-0042")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    answers(["a"], python, model)
    assert "secret-0042" not in (model / "environment").read_text()
    assert "PYTHONPATH" not in environment(os.environ)


def test_the_table_says_what_it_can_do(settings: Any, model: Path) -> None:
    settings.VLLM_PYTHON = ""
    backend = create(type("Endpoint", (), {"model": str(model), "options": {}})())
    assert isinstance(backend, Scorer) and isinstance(backend, Patient) and not backend.offline_rules
    able = capabilities.of("vllm")
    assert able.seed and able.logprobs and able.prompt_logprobs
