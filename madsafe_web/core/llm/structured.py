"""Replies held to a JSON schema by the server, where a stage has one and the endpoint's `structured_output` says how.

  none             the usual: the template asks for JSON, and what comes is read as text
  response_format  OpenAI's field, which most providers know
  vllm             vLLM's own field `structured_outputs`
A reply that was held to a schema can still be cut off, and a server may ignore the field: it is read as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NONE = "none"
Schema = Mapping[str, Any]


def object_of(properties: Mapping[str, Schema]) -> Schema:
    """The schema of an object with exactly these properties, in this order. No bounds: not all servers know them."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def fields(way: str, schema: Schema | None) -> dict[str, Any]:
    """What is added to a request so that its reply keeps to the schema; nothing without one, or without a way."""
    if schema is None or way == NONE:
        return {}
    if way == "vllm":
        return {"structured_outputs": {"json": schema}}
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}
    }
