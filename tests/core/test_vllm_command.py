"""The command that serves an endpoint with vLLM: what a shell makes of it, and where it is shown."""

from __future__ import annotations

import json
import os
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse

from madsafe_web.core.llm.endpoints import CallKeys
from madsafe_web.core.llm.vllm_command import commands
from madsafe_web.core.models import Endpoint
from tests.core.test_openai_compatible import call
from tests.factories import Person, make_endpoint

BASE = {"backend": "openai_compatible", "base_url": "http://10.0.0.7:8001/v1", "model": "m"}
ALWAYS = ["--load-format=safetensors", "--generation-config=vllm"]
STUB = '#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done\nprintf "%s\\0" "$VLLM_API_KEY"\n'


def row(**values: Any) -> Endpoint:
    return Endpoint(name="judge", **{**BASE, **values})


def run(endpoint: Endpoint, tmp_path: Path) -> tuple[list[str], str]:
    """What a program named vllm gets from a shell that runs the command: its arguments, and the key."""
    (tmp_path / "vllm").write_text(STUB)
    (tmp_path / "vllm").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JUDGE_KEY": "a key", "MODEL_KEY": "stored"}
    done = subprocess.run(["sh", "-c", commands(endpoint)[0].text], env=environment, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    *words, key, _ = done.stdout.decode().split("\0")
    return words, key


def test_the_command_serves_the_model_under_its_name_where_the_endpoint_looks_for_it(tmp_path: Path) -> None:
    assert run(row(), tmp_path) == (
        ["serve", "m", "--served-model-name=m", "--host=10.0.0.7", "--port=8001", *ALWAYS],
        "",
    )


def test_what_only_the_server_needs_comes_from_the_option_serve(tmp_path: Path) -> None:
    serve = {
        "model": "/models/Qwen3-8B",
        "dtype": "bfloat16",
        "tensor_parallel_size": 2,
        "max_model_len": 8192,
        "gpu_memory_utilization": 0.85,
        "enforce_eager": True,
        "reasoning_parser": "qwen3",
    }
    words, _ = run(row(options={"serve": serve}), tmp_path)
    assert words[1] == "/models/Qwen3-8B" and "--served-model-name=m" in words
    assert words[5:] == [
        *ALWAYS,
        "--dtype=bfloat16",
        "--max-model-len=8192",
        "--tensor-parallel-size=2",
        "--gpu-memory-utilization=0.85",
        "--enforce-eager",
        "--reasoning-parser=qwen3",
    ]


@pytest.mark.parametrize("name", ["a b", "$(touch owned)", "`touch owned`", "it's", '"', "a;touch owned", "\\", "模型"])
def test_no_name_means_anything_to_the_shell(name: str, tmp_path: Path) -> None:
    words, _ = run(row(model=name, options={"serve": {"revision": name}}), tmp_path)
    assert (words[1], words[2], words[-1]) == (name, f"--served-model-name={name}", f"--revision={name}")
    assert not (tmp_path / "owned").exists()


def test_no_model_can_be_taken_for_an_option(tmp_path: Path) -> None:
    assert run(row(model="--trust-remote-code"), tmp_path)[0][1] == "./--trust-remote-code"


def test_the_key_travels_in_the_environment(tmp_path: Path) -> None:
    words, key = run(row(key_env="JUDGE_KEY"), tmp_path)
    assert key == "a key" and not any("key" in word for word in words)
    stored = row(secret="encrypted")
    assert run(stored, tmp_path)[1] == "stored"
    assert "MODEL_KEY" in commands(stored)[0].notes[0]


@pytest.mark.parametrize("way", ["response_format", "vllm"])
def test_replies_that_are_held_to_a_schema_are_compact(way: str, tmp_path: Path) -> None:
    words, _ = run(row(options={"structured_output": way}), tmp_path)
    given = dict(word.split("=", 1) for word in words[2:])["--structured-outputs-config"]
    assert json.loads(given) == {"backend": "xgrammar", "disable_any_whitespace": True}


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1", 8000),
        ("http://localhost:8000/v1", "127.0.0.1", 8000),
        ("http://vllm.internal/v1", "0.0.0.0", 80),
        ("http://[fd00::7]:8001/v1", "fd00::7", 8001),
        ("https://llm.example.org/v1", "127.0.0.1", 8000),
    ],
)
def test_it_listens_where_the_address_leads(url: str, host: str, port: int, tmp_path: Path) -> None:
    words, _ = run(row(base_url=url), tmp_path)
    assert words[3:5] == [f"--host={host}", f"--port={port}"]


@pytest.mark.parametrize(("url", "words"), [("https://a.example.org/v1", "proxy"), ("http://10.0.0.7:1", "under /v1")])
def test_what_else_is_to_be_done_is_said(url: str, words: str) -> None:
    (note,) = commands(row(base_url=url))[0].notes
    assert words in note


def test_each_replica_has_its_command() -> None:
    options = {"replicas": ["http://10.0.0.8:9000/v1"]}
    assert [one.url for one in commands(row(options=options))] == [BASE["base_url"], options["replicas"][0]]


@pytest.mark.parametrize(
    "serve",
    [
        [],
        {"nosuch": 1},
        {"trust_remote_code": True},
        {"model": ""},
        {"model": "a\nb"},
        {"reasoning_parser": 1},
        {"dtype": "int8"},
        {"tensor_parallel_size": 0},
        {"gpu_memory_utilization": 1.5},
        {"enforce_eager": "yes"},
    ],
)
@pytest.mark.django_db
def test_a_wrong_option_serve_is_refused(serve: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        row(base_url="https://llm.example.org/v1", options={"serve": serve}).full_clean()
    assert list(caught.value.message_dict) == ["options"]


def test_how_it_is_served_is_no_part_of_a_calls_key() -> None:
    assert CallKeys(row(options={"serve": {"dtype": "float32"}})).key(call()) == CallKeys(row()).key(call())


def test_of_the_options_of_a_child_process_those_that_may_change_a_reply_are_a_part_of_the_key() -> None:
    def key(**options: Any) -> str:
        return CallKeys(Endpoint(name="bulk", backend="vllm", model="m", options=options)).key(call())

    sharing = {"gpu_memory_utilization": 0.5, "max_num_seqs": 8, "load_timeout": 9, "total_timeout": 9, "batch_rows": 9}
    assert key(**sharing) == key()
    deciding: list[dict[str, Any]] = [{"dtype": "float32"}, {"chat_template_kwargs": {"a": 1}}, {"revision": "r"}]
    assert len({key(), *(key(**each) for each in deciding)}) == 4


@pytest.mark.django_db
def test_the_page_of_a_served_endpoint_shows_the_command(admin: Person) -> None:
    served, loaded = make_endpoint("a"), make_endpoint("b", backend="transformers")
    assert "vllm serve m" in admin.get(reverse("llm:endpoint", args=[served.pk])).content.decode()
    assert "vllm serve" not in admin.get(reverse("llm:endpoint", args=[loaded.pk])).content.decode()


@pytest.mark.django_db
def test_the_management_command_prints_it() -> None:
    make_endpoint("judge", base_url="https://llm.example.org/v1")
    out = StringIO()
    call_command("vllm_command", "judge", stdout=out)
    first, second, *lines = out.getvalue().splitlines()
    assert first == "# https://llm.example.org/v1" and second.startswith("# A proxy")
    assert lines[0].startswith("vllm serve m")


@pytest.mark.parametrize(("name", "words"), [("nosuch", "no endpoint"), ("rules", "nobody serves it")])
@pytest.mark.django_db
def test_for_another_endpoint_it_says_why_there_is_none(name: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("vllm_command", name)


# --- the options of the backend `vllm` ---


@pytest.mark.parametrize(
    ("options", "fine"),
    [
        ({"dtype": "float32", "batch_rows": 64, "total_timeout": 60, "chat_template_kwargs": {"a": 1}}, True),
        ({"price_in": 1.0, "currency": "CNY", "structured_output": "vllm", "load_timeout": 60.5}, True),
        ({"trust_remote_code": True}, False),
        ({"total_timeout": 0}, False),
        ({"batch_rows": -1}, False),
        ({"chat_template_kwargs": []}, False),
        ({"max_model_len": 1.5}, False),
        ({"rpm": 5}, False),
    ],
)
@pytest.mark.django_db
def test_the_options_of_a_child_process_are_checked(options: dict[str, Any], fine: bool) -> None:
    endpoint = Endpoint(name="bulk", backend="vllm", model="m", options=options)
    if fine:
        endpoint.full_clean()
    else:
        with pytest.raises(ValidationError, match="option"):
            endpoint.full_clean()
