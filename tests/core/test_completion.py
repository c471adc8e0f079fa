"""What is read out of a server's answer: text, thinking, finish; and the names of what is no completion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from madsafe_web.core.llm.base import CallError, Reply
from madsafe_web.core.llm.completion import parsed, parsed_stream, thought_apart

# What vLLM 0.32.0 answered when it was served with --reasoning-parser=qwen3 and stopped in the middle of the thinking.
RECORDED = (
    b'{"id":"chatcmpl-a82e10715ff04f15","object":"chat.completion","created":1795920583,"model":"tiny","choices":[{"index"'
    b':0,"message":{"role":"assistant","content":null,"refusal":null,"annotations":null,"audio":null,"function_call":null,'
    b'"reasoning":"(A) "},"logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null}],'
    b'"system_fingerprint":"vllm-0.32.0-3a59a6e8","usage":{"prompt_tokens":22,"total_tokens":26,'
    b'"completion_tokens":4,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":4}},'
    b'"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"metrics":null}'
)


def body(content: str | None, finish: str = "stop", **message: Any) -> bytes:
    choice = {"message": {"content": content, **message}, "finish_reason": finish}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("fine", "fine", ""),
        ("<think>first\nthen</think>\n\nfine", "fine", "first\nthen"),
        ("first, then</think>fine", "fine", "first, then"),
        ("<think></think>fine", "fine", ""),
        ("\n<think>\nfirst\n</think>\n0.5", "0.5", "first"),
        ("<think>only begun", "", "only begun"),
    ],
)
def test_inline_thinking_is_kept_apart(content: str, text: str, reasoning: str) -> None:
    reply = parsed(body(content), "it")
    assert (reply.text, reply.reasoning, reply.finish) == (text, reasoning, "stop")


def test_an_answer_of_vllm_that_was_cut_off_in_its_thinking_has_none() -> None:
    assert parsed(RECORDED, "it") == Reply("", "thinking", "(A) ", 22, 4)


def test_thinking_in_a_field_of_its_own_stays_beside_that_in_the_text() -> None:
    assert thought_apart("b</think>c", "a", "stop") == ("c", "a\nb", "stop")


@pytest.mark.parametrize(
    "given",
    [body("", "length", reasoning_content="on and on"), body("<think>on and on", "length")],
)
def test_thinking_that_used_up_the_tokens_has_a_finish_of_its_own(given: bytes) -> None:
    reply = parsed(given, "it")
    assert (reply.text, reply.reasoning, reply.finish) == ("", "on and on", "thinking")


def test_an_answer_cut_off_after_the_thinking_is_one_of_its_length() -> None:
    assert parsed(body("<think>a</think>so far", "length"), "it").finish == "length"


def stream(*events: Any, end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + end


def delta(finish: str | None = None, **piece: Any) -> dict[str, Any]:
    return {"choices": [{"delta": piece, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def test_a_stream_is_put_together() -> None:
    events = (
        *(delta(role="assistant", content=""), delta(reasoning_content="be"), delta(reasoning_content="cause")),
        *(delta(content="fi"), delta("stop", content="ne"), USAGE),
    )
    assert parsed_stream(b": a comment\n" + stream(*events), "it") == Reply("fine", "stop", "because", 3, 2)


def test_a_stream_that_names_its_end_may_lack_the_last_line() -> None:
    assert parsed_stream(stream(delta("length", content="so far"), end=b""), "it") == Reply("so far", "length")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (stream(delta(content="so far"), end=b""), "cut_off"),
        (b"", "cut_off"),
        (b'data: {"choices": [{"del', "truncated_json"),
        (stream({"error": {"code": "overloaded"}}), "error_object"),
        (stream({"choices": [None]}), "bad_response"),
        (b"<html>busy</html>", "html_page"),
    ],
)
def test_a_stream_that_is_no_completion_has_a_name(given: bytes, kind: str) -> None:
    with pytest.raises(CallError) as caught:
        parsed_stream(given, "it")
    assert caught.value.kind == kind


@pytest.mark.parametrize("code", ["data_inspection_failed", "content_filter"])
def test_a_filter_that_refuses_in_the_middle_of_a_stream_is_a_filtered_reply(code: str) -> None:
    given = stream(delta(content="so"), {"error": {"code": code}})
    assert parsed_stream(given, "it").finish == "content_filter"


def test_a_server_that_does_not_stream_after_all_is_read_whole() -> None:
    assert parsed_stream(body("fine"), "it").text == "fine"


@pytest.mark.parametrize(
    ("said", "kept"), [("-5", 0), ("4294967296", 2**31 - 1), ("1e300", 2**31 - 1), ("null", 0), ("7.9", 7)]
)
def test_a_number_of_tokens_is_one_that_every_database_takes(said: str, kept: int) -> None:
    usage = f'{{"prompt_tokens": {said}, "completion_tokens": {said}}}'
    reply = parsed(f'{{"choices": [{{"message": {{"content": "x"}}}}], "usage": {usage}}}'.encode(), "it")
    assert (reply.prompt_tokens, reply.completion_tokens) == (kept, kept)
