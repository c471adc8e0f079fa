"""What cannot be used ends a command with one sentence that says what to do; mended, the same command goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.helpers.installation import ROOT, Finished, Installation, free_port, import_of, installed, prompt_file

pytestmark = pytest.mark.slow


def run(installation: Installation, chain: str, **env: str) -> Finished:
    return installation.manage("run_pipeline", chain, "--json", **env)


def sentence(finished: Finished) -> str:
    """The one line on stderr."""
    lines = finished.err.strip().splitlines()
    assert len(lines) == 1, finished.err
    assert "Traceback" not in finished.err
    return lines[0]


def assert_failed(installation: Installation, finished: Finished, stage: str, words: list[str]) -> None:
    """Exit 1, one sentence with these words, and the same sentence on the run."""
    assert finished.code == 1
    said = sentence(finished)
    assert said.startswith(f"{stage}: ")
    assert all(word in said for word in words), said
    assert [" ".join(error.splitlines()) for error in installation.errors()] == [said.removeprefix(f"{stage}: ")]


def assert_goes_on(installation: Installation, chain: str, **env: str) -> None:
    done = run(installation, chain, **env)
    assert done.code == 0, done.err
    assert {row["state"] for row in done.summary["stages"]} == {"done"}
    assert installation.errors() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages: [labels]", ["There is no stage 'labels'", "Known:"]),
        ("stages: [{label: {endpont: rules}}]", ["has no parameter 'endpont'", "It knows:"]),
        ("stages: [{import: {files: [{path: a}]}}]", ["Stage 'import'", "files.0.format"]),
        ("stages: []", ["must be a mapping with a list `stages:`"]),
        ("stages: [", ["is not YAML"]),
        ("endpoints: {base: {backend: gpt}}\nstages: [label]", ["backend must be one of"]),
    ],
)
def test_a_bad_configuration_is_one_sentence_and_status_2(
    installation: Installation, text: str, words: list[str]
) -> None:
    path = installation.folder / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    done = installation.manage("run_pipeline", str(path))
    assert done.code == 2
    assert all(word in sentence(done) for word in words), done.err
    assert installation.rows("SELECT * FROM core_run") == []


def test_a_missing_configuration_is_one_sentence_and_status_2(installation: Installation) -> None:
    done = installation.manage("run_pipeline", "no/such.yaml")
    assert (done.code, sentence(done).startswith("There is no file no/such.yaml.")) == (2, True)


def test_an_unknown_format_names_those_that_exist(installation: Installation) -> None:
    path = prompt_file(installation.folder, 3)
    done = run(installation, installation.chain([import_of(path, "s_evil")]))
    assert_failed(installation, done, "import", ["There is no format 's_evil'", "Known:", "s_eval"])


def test_a_file_that_is_put_there_lets_the_same_command_go_on(installation: Installation) -> None:
    path = installation.folder / "late.jsonl"
    chain = installation.chain([import_of(path)])
    assert_failed(installation, run(installation, chain), "import", [f"There is no file {path}", "Put it there"])
    prompt_file(installation.folder, 3, "late.jsonl")
    assert_goes_on(installation, chain)


def test_nothing_of_a_truncated_file_is_in_the_database(installation: Installation) -> None:
    path = installation.folder / "scenarios.json"
    rows = [{"prompt": f"第{number}号问题", "response": "一条简短的回答。", "type": "Insult"} for number in range(3000)]
    whole = json.dumps({"Insult": rows}, ensure_ascii=False)
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    chain = installation.chain([import_of(path, "safety_prompts")])
    assert_failed(
        installation, run(installation, chain), "import", ["scenarios.json", "Nothing of this file was imported."]
    )
    for table in ("annotation_corpus", "annotation_prompt", "annotation_response", "annotation_rejectedimport"):
        assert installation.one(f"SELECT COUNT(*) FROM {table}") == 0
    path.write_text(whole, encoding="utf-8")
    assert_goes_on(installation, chain)
    assert installation.one("SELECT COUNT(*) FROM annotation_prompt") == 3000


class OneLabel(BaseHTTPRequestHandler):
    """A language-model server that answers every request with the same label."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "隐私保护"}
        body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def serving(port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), OneLabel)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def test_an_endpoint_that_cannot_be_reached_says_where_it_should_be(installation: Installation) -> None:
    port = free_port()
    endpoint = {"backend": "openai_compatible", "base_url": f"http://127.0.0.1:{port}/v1", "model": "m"}
    stages = [import_of(prompt_file(installation.folder, 40)), {"label": {"endpoint": "model"}}]
    chain = installation.chain(stages, endpoints={"model": endpoint})
    done = run(installation, chain)
    assert_failed(installation, done, "label", [endpoint["base_url"], "cannot be reached", "start the server"])
    with serving(port):
        assert_goes_on(installation, chain)
    assert installation.rows("SELECT name FROM annotation_intentlabel") == [("隐私保护",)]


def sample_until_export() -> list[object]:
    """A short way to a frozen and exported set."""
    folder = ROOT / "examples" / "sample"
    stages = [
        import_of(folder / "cvalues_comparison_train.jsonl", "cvalues_comparison"),
        import_of(folder / "alpaca_general.json", "alpaca"),
    ]
    files = [file for stage in stages for file in stage["import"]["files"]]
    files[1].pop("role")
    select = {"perplexity_quantile": 1.0, "response_min": 0.0, "instruction_max": 1.0}
    return [
        {"import": {"files": files}},
        *("label", "suggest", {"merge": {"decide": "rule"}}, "publish", "deduplicate"),
        *({"perplexity": {"endpoint": "base"}}, "response_safety", "instruction_safety"),
        *({"sample_general": {"count": 10}}, {"select": select}, "freeze", "export"),
        {"train": {"base_endpoint": "base", "epochs": 1, "accumulation": 8}},
    ]


def test_a_missing_llama_factory_is_said_before_training_and_can_be_mended(installation: Installation) -> None:
    installation.with_models()
    chain = installation.chain(sample_until_export(), endpoints={"base": {"backend": "tiny_llama"}})
    nowhere = str(Path(installation.folder, "no-such-command"))
    done = run(installation, chain, LLAMAFACTORY_CLI=nowhere)
    assert_failed(installation, done, "train", ["LLaMA-Factory is not installed.", "set LLAMAFACTORY_CLI"])
    assert_goes_on(installation, chain)


def test_a_chain_on_a_fresh_installation_makes_its_own_database(tmp_path: Path) -> None:
    with installed(tmp_path / "fresh") as fresh:
        chain = fresh.chain([import_of(prompt_file(fresh.folder, 20), name="prompts"), "label"])
        done = run(fresh, chain)
    assert done.code == 0, done.err
    assert [row["kept"] for row in done.summary["stages"]] == [20, 20]
