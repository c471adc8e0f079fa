"""What a line of a result file becomes: a reply, read as that of a server asked at once, or an error with a class."""

from __future__ import annotations

from typing import Any

import pytest

from madsafe_web.core.llm.base import CallError, Reply
from madsafe_web.core.llm.openai_batch import parsed

KEY = "test-key-with-an-end-0042"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"response": {"status_code": 429}}, "rate_limited"),
        ({"response": {"status_code": 500}}, "server_error"),
        ({"response": None, "error": {"code": "x"}}, "bad_request"),
        ({"response": {"status_code": 200, "body": {"choices": []}}}, "empty_choices"),
        ({"response": {"status_code": 200, "body": {"error": {"code": "x"}}}}, "error_object"),
        ({"response": {"status_code": 200, "body": "<html>"}}, "bad_response"),
        ({"response": {"status_code": "200"}}, "bad_response"),
        ({"response": {"status_code": 400, "body": {"error": {"code": "x"}}}}, "bad_request"),
    ],
)
def test_a_line_that_is_no_reply_has_its_own_class(line: dict[str, Any], kind: str) -> None:
    found = parsed(line, KEY)
    assert isinstance(found, CallError) and found.kind == kind


@pytest.mark.parametrize(
    ("message", "reason", "reply"),
    [
        ({"content": "<think>hm</think>so"}, "stop", Reply("so", "stop", "hm")),
        ({"content": "<think>hm"}, "length", Reply("", "thinking", "hm")),
        ({"content": f"it is {KEY}"}, "stop", Reply("it is ***")),
    ],
)
def test_a_reply_is_read_as_that_of_a_server_that_is_asked_at_once(message: Any, reason: str, reply: Reply) -> None:
    body = {"choices": [{"message": message, "finish_reason": reason}]}
    assert parsed({"response": {"status_code": 200, "body": body}}, KEY) == reply


def test_a_refusal_of_the_provider_s_filter_is_a_reply() -> None:
    body = {"error": {"code": "content_filter"}}
    assert parsed({"response": {"status_code": 400, "body": body}}, KEY) == Reply("", "content_filter")
