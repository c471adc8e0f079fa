"""The reference page of the API, made on the server from the OpenAPI document: no script and no style of others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from madsafe_web.core.access import needs
from madsafe_web.core.api.schema import ALWAYS, description

DEEPEST = 3  # levels of nested fields that are written out
METHODS = ("get", "post", "put", "patch", "delete")
TYPES = {"integer": 0, "number": 0.5, "boolean": True, "object": {}, "array": []}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body: `place` is query, header or path; `depth` says how far in it is."""

    name: str
    kind: str
    required: bool
    text: str
    place: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    status: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    right: str
    summary: str
    text: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    media: str
    replies: tuple[Reply, ...]
    curl: str


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    operations: tuple[Operation, ...]


@require_safe
@needs("browse")
def reference(request: HttpRequest) -> HttpResponse:
    """Every operation by group; errors that each one can answer with stand once, at the top."""
    return render(request, "api/reference.html", {"groups": groups(), "always": ALWAYS})


@lru_cache(maxsize=1)
def groups() -> tuple[Group, ...]:
    """The operations in the order of their addresses, by their first tag."""
    document = description()
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                made = methods[method]
                found.setdefault(made["tags"][0], []).append(operation(document, path, method, made))
    return tuple(Group(name, tuple(operations)) for name, operations in found.items())


def operation(document: Mapping[str, Any], path: str, method: str, made: Mapping[str, Any]) -> Operation:
    media, body = body_of(made)
    fields = tuple(fields_of(document, body))
    told = made["description"]
    _first, _stop, rest = told.partition(". ") if ". " in told else told.partition(".")
    return Operation(
        id=made["operationId"],
        method=method.upper(),
        path=path,
        right=made["x-right"],
        summary=made["summary"],
        text=rest.strip(),
        parameters=tuple(parameter(one) for one in made.get("parameters", ())),
        body=fields,
        media=media,
        replies=tuple(replies(document, made["responses"])),
        curl=curl(path, method.upper(), media, fields),
    )


def body_of(made: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Media type and schema of the body; both empty without one."""
    content = made.get("requestBody", {}).get("content", {})
    return next(((media, entry["schema"]) for media, entry in content.items()), ("", {}))


def parameter(one: Mapping[str, Any]) -> Field:
    return Field(one["name"], kind(one["schema"]), one.get("required", False), one.get("description", ""), one["in"])


def replies(document: Mapping[str, Any], responses: Mapping[str, Any]) -> Iterator[Reply]:
    """What the operation answers beside the errors that all have."""
    for status, one in responses.items():
        if int(status) in ALWAYS:
            continue
        schema: Mapping[str, Any] = next((entry["schema"] for entry in one.get("content", {}).values()), {})
        fields = tuple(fields_of(document, schema)) if status < "300" else ()
        yield Reply(status, one["description"], fields)


def fields_of(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Iterator[Field]:
    """The fields of an object, those of nested ones behind their own."""
    target = resolved(document, schema)
    required = target.get("required", ())
    for name, inner in target.get("properties", {}).items():
        child = resolved(document, inner)
        text = inner.get("description", "") or child.get("description", "")
        yield Field(name, kind(child, inner), name in required, text, depth=depth)
        if depth + 1 < DEEPEST:
            yield from fields_of(document, child.get("items", child), depth + 1)


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference means; also one in a list of a single one."""
    if "$ref" in schema:
        found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    one_of: Iterable[Mapping[str, Any]] = schema.get("allOf", ())
    return next((resolved(document, one) for one in one_of), schema)


def kind(schema: Mapping[str, Any], outer: Mapping[str, Any] | None = None) -> str:
    """A type in words: "integer 1 to 200", "one of: a, b", "list of objects", "text or null"."""
    found = _kind(schema)
    return f"{found} or null" if schema.get("nullable") or (outer or {}).get("nullable") else found


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of: {', '.join(str(one) for one in schema['enum'] if one not in ('', None))}"
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return "list of objects" if "$ref" in items else f"list of {_kind(items)}"
    word = "text" if schema.get("type") == "string" else schema.get("type", "any")
    if "minimum" in schema and "maximum" in schema:
        return f"{word} {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        return f"{word}, at most {schema['maxLength']} characters"
    return str({"date-time": "time", "binary": "file"}.get(schema.get("format", ""), word))


def curl(path: str, method: str, media: str, fields: Iterable[Field]) -> str:
    """A call to copy, with the fields that a body must have."""
    parts = ["curl", '-H "Authorization: Bearer $MADSAFE_TOKEN"']
    if method != "GET":
        parts.append(f'-X {method} -H "Idempotency-Key: $(uuidgen)"')
    top = [one for one in fields if one.depth == 0]
    if media.startswith("multipart"):
        parts += [f"-F {one.name}={'@file' if one.kind == 'file' else '…'}" for one in top if one.required]
    elif method != "GET":
        wanted = {one.name: sample(one) for one in top if one.required}
        parts.append(f"--json '{json.dumps(wanted, ensure_ascii=False)}'")
    parts.append(f'"{settings.MADSAFE_URL}{path}"')
    return " \\\n  ".join(parts)


def sample(one: Field) -> Any:
    if one.kind.startswith("one of: "):
        return one.kind.removeprefix("one of: ").split(", ")[0]
    if one.kind.startswith("list"):
        return []
    return TYPES.get(one.kind.split(" ")[0], "…")
