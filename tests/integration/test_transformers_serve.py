"""`transformers serve` with the tiny model: a real server, asked for all that it can do and for what it cannot.

Which fields it heeds was found by asking transformers 5.5.4.
"""

from __future__ import annotations

import asyncio
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from madsafe_web.core.llm import structured, trying
from madsafe_web.core.llm.base import Call, CallError, Message, Reply, Sampling
from madsafe_web.core.llm.openai_compatible import OpenAICompatibleBackend, Policy
from madsafe_web.core.llm.trying import endpoint_try
from madsafe_web.core.models import User
from tests.factories import make_endpoint, make_user
from tests.helpers.installation import free_port, installed, wait_until
from tests.models import tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.allow_hosts(["127.0.0.1"])]
WAYS = ("response_format", "none")
SCHEMA = structured.object_of({"word": {"type": "string"}})


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the server."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    (folder / "hf" / "hub").mkdir(parents=True)  # without it the list of models is an error 500
    command = str(Path(sys.executable).parent / "transformers")
    with installed(folder / "installation") as made:
        offline = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        where = ("--host", "127.0.0.1", "--port", str(port), "--device", "cpu")
        server = made.start(command, "serve", str(tiny_model()), *where, **offline)

        def ready() -> bool:
            assert server.process.poll() is None, server.out + server.err
            return answers(f"http://127.0.0.1:{port}/health")

        wait_until(ready, 180, "the model server")
        yield f"http://127.0.0.1:{port}/v1"


def call(text: str = "安全第一", **sampling: Any) -> Call:
    return Call("", "", {}, (Message("user", text),), Sampling(**{"max_tokens": 16, **sampling}))


def found(served: str, calls: Sequence[Call], at_once: bool = False, **policy: Any) -> list[Reply | BaseException]:
    """What becomes of calls, one after the other unless at once."""

    async def main() -> list[Reply | BaseException]:
        limits = Policy(**{"tries": 1, "total_timeout": 240.0, **policy})
        backend = OpenAICompatibleBackend(served, str(tiny_model()), "", limits)
        try:
            if at_once:
                return await asyncio.gather(*map(backend.complete, calls), return_exceptions=True)
            return [(await asyncio.gather(backend.complete(one), return_exceptions=True))[0] for one in calls]
        finally:
            await backend.close()

    return asyncio.run(main())


def replies(served: str, calls: Sequence[Call], **policy: Any) -> list[Reply]:
    given = found(served, calls, **policy)
    assert all(isinstance(one, Reply) for one in given), given
    return [one for one in given if isinstance(one, Reply)]


def test_at_temperature_0_the_same_call_is_answered_alike(served: str) -> None:
    one, two = replies(served, [call(), call()])
    assert one == two and one.text != ""


def test_a_sampled_reply_is_the_same_under_the_same_seed(served: str) -> None:
    one, two = replies(served, [call(temperature=1.0, seed=7), call(temperature=1.0, seed=7)])
    assert one.text == two.text


def test_other_seeds_give_other_replies(served: str) -> None:
    assert len({reply.text for reply in replies(served, [call(temperature=1.0, seed=n) for n in range(6)])}) > 1


def test_a_narrow_top_p_leaves_the_likeliest_reply(served: str) -> None:
    greedy, narrow = replies(served, [call(), call(temperature=1.0, top_p=0.001, seed=3)])
    assert narrow.text == greedy.text


@pytest.mark.parametrize("tokens", [1, 5])
def test_a_reply_ends_at_max_tokens_and_says_so(served: str, tokens: int) -> None:
    (reply,) = replies(served, [call(max_tokens=tokens)])
    assert (reply.finish, reply.completion_tokens) == ("length", tokens)


def test_the_tokens_of_a_prompt_are_counted(served: str) -> None:
    short, long = replies(served, [call("安全"), call("安全" * 50)])
    assert 0 < short.prompt_tokens < long.prompt_tokens


def test_a_stream_gives_the_reply_that_a_whole_answer_gives(served: str) -> None:
    assert replies(served, [call()], stream=True) == replies(served, [call()])


def test_a_system_message_and_turns_are_taken(served: str) -> None:
    turns = (Message("system", "s"), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    one, alone = replies(served, [replace(call(), messages=turns), replace(call(), messages=turns[-1:])])
    assert one.prompt_tokens > alone.prompt_tokens


def test_any_text_can_be_sent(served: str) -> None:
    texts = ["😀 龘", "\x00\x1b", "<|eot_id|>", '"}], "x": [{"', "\u2028\r\n", "  "]
    assert len(replies(served, [call(text) for text in texts])) == len(texts)


def test_many_calls_at_once_are_all_answered(served: str) -> None:
    calls = [call(f"第{number}题", temperature=0.5, seed=number) for number in range(12)]
    assert all(reply.prompt_tokens > 0 for reply in replies(served, calls, at_once=True))


# --- what it cannot do ---


@pytest.mark.parametrize("extra", [{"top_k": 3}, {"chat_template_kwargs": {"enable_thinking": False}}])
def test_a_field_that_it_does_not_know_ends_the_call_at_once(served: str, extra: dict[str, Any]) -> None:
    (error,) = found(served, [call()], extra=extra)
    assert isinstance(error, CallError)
    assert (error.kind, error.final) == ("bad_request", True) and next(iter(extra)) in str(error)


def test_vllms_own_way_to_a_schema_is_refused(served: str) -> None:
    (error,) = found(served, [replace(call(), schema=SCHEMA)], structured_output="vllm")
    assert isinstance(error, CallError) and "structured_outputs" in str(error)


def test_a_schema_as_response_format_is_ignored(served: str) -> None:
    held, free = (replies(served, [replace(call(), schema=SCHEMA)], structured_output=way) for way in WAYS)
    assert held == free


@pytest.mark.django_db
def test_trying_the_endpoint_tells_that_a_schema_is_ignored(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "LIMIT_S", 240.0)  # the machine may be busy, nobody waits here
    monkeypatch.setitem(trying.ONCE, "total_timeout", 200.0)
    boss = make_user("boss", User.Role.ADMIN)
    values = {"base_url": served, "model": str(tiny_model())}
    plain = make_endpoint("plain", **values)
    held = make_endpoint("held", **values, options={"structured_output": "response_format"})
    found = [endpoint_try(user=boss, endpoint=row) for row in (plain, held)]
    assert [one.fine for one in found] == [True, False]
    assert "ignores the JSON schema" in found[1].text
