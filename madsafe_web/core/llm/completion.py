"""What a server's chat completion says, whole or streamed: its text, its thinking apart, and how it ended.

Everything that is no completion has a name of its own (`CallError.kind`): html_page, truncated_json, empty_choices,
cut_off (a stream without its end), error_object, bad_response. No message holds anything of what was received.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from madsafe_web.core.llm.base import CallError, Finish, Reply

FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "content_filter"}
# How providers say that their own filter refused the request or the reply.
REFUSALS = ("content_filter", "data_inspection_failed", "datainspectionfailed", "content_policy_violation")
OPENS, CLOSES = "<think>", "</think>"
MOST_TOKENS = 2**31 - 1  # that a column of the database holds
SHORTEST_REDACTED = 12  # a shorter key, as the "EMPTY" of a server without keys, may be a word of a real reply
END_OF_STREAM = b"[DONE]"


def parsed(body: bytes, where: str) -> Reply:
    """The reply in the body of a 200. Raises CallError; `where` names the server in its message."""
    return completed(_json(body, where), where)


def completed(answer: Any, where: str) -> Reply:
    """The reply in a completion that was read from its JSON. Raises CallError."""
    try:
        if "error" in answer and not answer.get("choices"):
            return _error_object(answer["error"], where)
        if not answer["choices"]:
            raise CallError("empty_choices", f"{where} answered 200 without any choice.")
        choice = answer["choices"][0]
        return _reply(choice["message"], choice.get("finish_reason"), answer.get("usage"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _no_completion(error, where) from error


def parsed_stream(body: bytes, where: str) -> Reply:
    """The reply in the events of a stream that has ended. Raises CallError."""
    pieces: dict[str, str] = {}
    reason = usage = None
    ended = False
    for line in body.splitlines():
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        ended = ended or data == END_OF_STREAM
        if not ended:
            event = _json(data, where)
            try:
                reason, usage = _add(pieces, event, where) or reason, event.get("usage") or usage
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                raise _no_completion(error, where) from error
    if not (ended or reason):
        if body.lstrip()[:1] in (b"{", b"<"):  # no stream at all
            return parsed(body, where)
        raise CallError("cut_off", f"{where} ended its stream before the end of the reply.")
    try:
        return _reply(pieces, reason, usage)
    except (ValueError, TypeError, AttributeError) as error:
        raise _no_completion(error, where) from error


def refused(code: str) -> bool:
    """Whether an error code says that the provider's own filter refused."""
    return code.lower() in REFUSALS


def thought_apart(text: str, reasoning: str, finish: Finish) -> tuple[str, str, Finish]:
    """Text, thinking and finish of a reply whose thinking may stand inline, also without its opening tag.

    Thinking that used up max_tokens, so that no answer came, has a finish of its own.
    """
    head, closed, tail = text.partition(CLOSES)
    if closed:
        thought = head.strip().removeprefix(OPENS).strip()
        reasoning, text = "\n".join(filter(None, (reasoning, thought))), tail.lstrip()
    elif text.lstrip().startswith(OPENS):
        reasoning, text = text.strip().removeprefix(OPENS).strip() or reasoning, ""
    if finish == "length" and reasoning and not text.strip():
        finish = "thinking"
    return text, reasoning, finish


def without_key(reply: Reply, key: str) -> Reply:
    """The reply without the key that the server was sent, should it repeat it."""
    if len(key) < SHORTEST_REDACTED or key not in reply.text + reply.reasoning:
        return reply
    return replace(reply, text=reply.text.replace(key, "***"), reasoning=reply.reasoning.replace(key, "***"))


def _json(body: bytes, where: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if body.lstrip()[:1] == b"<":
            raise CallError("html_page", f"{where} answered 200 with a web page instead of a completion.") from None
        kind = "truncated_json" if body.lstrip()[:1] in (b"{", b"[") else "bad_response"
        raise CallError(kind, f"{where} answered 200 with JSON that cannot be read ({type(error).__name__}).") from None


def _reply(message: Any, reason: Any, usage: Any) -> Reply:
    text = message.get("content") or message.get("refusal") or ""
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(reasoning, str):
        raise TypeError("the text is no string")
    usage = usage or {}
    tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    text, reasoning, finish = thought_apart(text, reasoning, FINISHES.get(str(reason), "stop"))
    return Reply(text, finish, reasoning, *tokens)


def _count(given: Any) -> int:
    """A number of tokens as the database takes it, whatever the server says."""
    try:
        return max(0, min(int(given or 0), MOST_TOKENS))
    except OverflowError:  # infinity
        return MOST_TOKENS


def _add(pieces: dict[str, str], event: Any, where: str) -> str | None:
    """Put what an event adds to its piece; gives why the reply ended, once it has."""
    if "error" in event:
        refusal = _error_object(event["error"], where)
        return str(refusal.finish)
    if not event["choices"]:  # the event with the usage has none
        return None
    choice = event["choices"][0]
    for name, piece in (choice.get("delta") or {}).items():
        if isinstance(piece, str) and name != "role":
            pieces[name] = pieces.get(name, "") + piece
    reason = choice.get("finish_reason")
    return str(reason) if reason else None


def _error_object(error: Any, where: str) -> Reply:
    """A refusal of the provider's filter as a reply. Raises CallError for any other error in a 200."""
    code = str(error.get("code") or "") if isinstance(error, dict) else ""
    if refused(code):
        return Reply("", finish="content_filter")
    raise CallError("error_object", f"{where} answered 200 with an error instead of a completion.")


def _no_completion(error: Exception, where: str) -> CallError:
    return CallError(
        "bad_response", f"{where} answered 200 with something that is no chat completion ({type(error).__name__})."
    )
