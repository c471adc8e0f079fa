"""Nothing that can hold code is ever loaded: not from the broker, not as a checkpoint, not anywhere in the source."""

from __future__ import annotations

import ast
import asyncio
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
from kombu.exceptions import ContentDisallowed

from madsafe_web.celery import app
from madsafe_web.core.llm.base import Call, EndpointDown, Message
from madsafe_web.core.llm.transformers import TransformersBackend
from pipeline.training import preflight
from pipeline.training.config import TrainingConfig
from pipeline.training.runner import child_environment
from tests.models import tiny_model
from tests.test_style import ROOT, SOURCES

OURS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] not in ("tests", "scripts", "examples")]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
CLIENTS = {"requests", "httpx", "urllib3", "http.client", "urllib.request", "ftplib", "smtplib"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "torch.load", "torch.hub.load"),
    *("pandas.read_pickle", "numpy.load", "np.load", "os.system", "os.popen", "shutil.unpack_archive"),
}
SWITCHES = {"shell": "True", "trust_remote_code": "True", "allow_pickle": "True", "ssl": "False", "verify": "False"}
ONE_WAY_OUT = "madsafe_web/core/outbound.py"  # the only file that may make an HTTP client or open a connection
OPENING = {"ClientSession", "TCPConnector", "create_connection", "open_connection", "start_connection"}
MAIL_OUT = "madsafe_web/core/runs/sending.py"  # through Django, to the server of the installation's own mail


class Dangerous:
    """Unpickled, it leaves a mark; harmless otherwise."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def folder_queue(tmp_path: Path) -> Iterator[kombu.Connection]:
    """A broker as an installation without Redis has it: messages are files in a folder."""
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "queue"),
        "data_folder_out": str(tmp_path / "queue"),
        "control_folder": str(tmp_path / "control"),
    }
    with kombu.Connection("filesystem://localhost", transport_options=options) as connection:
        yield connection


def publish_pickle(connection: kombu.Connection, mark: Path, queue: str = "celery") -> None:
    """A message whose body runs code when it is unpickled, sent as Celery would send a task."""
    body = pickle.dumps(([Dangerous(mark)], {}, {}))
    with connection.Producer() as producer:
        producer.publish(
            body,
            routing_key=queue,
            exchange=queue,
            declare=[kombu.Queue(queue, kombu.Exchange(queue), routing_key=queue)],
            content_type="application/x-python-serialize",
            content_encoding="binary",
            headers={"task": "madsafe_web.core.runs.tasks.execute_run", "id": "1", "lang": "py"},
        )


def test_a_pickled_message_is_refused_unread(folder_queue: kombu.Connection, tmp_path: Path) -> None:
    name = "unread"  # of its own: kombu keeps bindings for the whole process, whatever the folder
    publish_pickle(folder_queue, tmp_path / "mark", name)
    queue = kombu.Queue(name, kombu.Exchange(name), routing_key=name)
    received: list[Any] = []
    consumer = app.amqp.TaskConsumer(folder_queue.default_channel, queues=[queue], callbacks=[received.append])
    with consumer, pytest.raises(ContentDisallowed, match="pickle"):
        folder_queue.drain_events(timeout=5)
    assert received == [] and not (tmp_path / "mark").exists()


def test_pickle_would_have_run_it(tmp_path: Path) -> None:
    """The message of the test before is a real one."""
    pickle.loads(pickle.dumps(Dangerous(tmp_path / "mark")))
    assert (tmp_path / "mark").is_dir()


def test_celery_sends_and_takes_json_alone() -> None:
    assert list(app.conf.accept_content) == ["json"]
    assert (app.conf.task_serializer, app.conf.task_ignore_result) == ("json", True)


@pytest.fixture
def pickled_model(tmp_path: Path) -> Path:
    """The tiny model with a pickle in the place of its safetensors."""
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model(), folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Dangerous(tmp_path / "mark")))
    return folder


def test_a_backend_loads_no_pickled_checkpoint(pickled_model: Path, tmp_path: Path) -> None:
    async def main() -> None:
        backend = TransformersBackend(str(pickled_model), {})
        try:
            await backend.complete(Call("", "", {}, (Message("user", "hello"),)))
        finally:
            await backend.close()

    with pytest.raises(EndpointDown, match=r"cannot be loaded: .*safetensors"):
        asyncio.run(main())
    assert not (tmp_path / "mark").exists()


def test_a_training_is_not_launched_on_a_pickled_checkpoint(pickled_model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text('[{"instruction": "a", "input": "", "output": "b"}]')
    found = preflight.check(TrainingConfig(str(pickled_model), template="llama3"), rows, tmp_path)
    assert any("are a pickle" in one.what for one in found)


def test_a_stray_safetensors_file_does_not_let_a_pickled_checkpoint_through(
    pickled_model: Path, tmp_path: Path
) -> None:
    (pickled_model / "adapter.safetensors").touch()
    assert any("weights" in one.what for one in preflight.check(TrainingConfig(str(pickled_model)), tmp_path, tmp_path))


def test_a_training_process_gets_no_keys_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MADSAFE_ENCRYPTION_KEYS", "JUDGE_KEY", "HF_TOKEN", "DATABASE_URL", "PGPASSWORD", "MY_SECRET"):
        monkeypatch.setenv(name, "a-secret-value")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    found = child_environment(tmp_path, 1, None)
    assert "a-secret-value" not in found.values()
    assert found["TOKENIZERS_PARALLELISM"] == "false"


# --- the source ---


def faults(path: Path) -> Iterator[str]:
    """What in a file could load code, run a text, write SQL or HTML by hand, or go out by another way."""
    name = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            clients = CLIENTS - {"smtplib"} if name == MAIL_OUT else CLIENTS
            yield from (f"imports {one}" for one in module if one.split(".")[0] in MODULES or one in clients)
        elif isinstance(node, ast.Call):
            yield from _call_faults(node, name)


def _call_faults(node: ast.Call, file: str) -> Iterator[str]:
    called = ast.unparse(node.func)
    short = called.rpartition(".")[2]
    given = {word.arg: ast.unparse(word.value) for word in node.keywords}
    found = {
        f"calls {called}": called in BUILT_IN | ATTRIBUTES or short in ("mark_safe", "RawSQL"),
        f"calls {called}: SQL by hand": isinstance(node.func, ast.Attribute) and short in ("raw", "extra"),
        f"{called} without use_safetensors=True": short == "from_pretrained"
        and "Model" in called
        and given.get("use_safetensors") != "True",
        f"{called}: HTTP goes through {ONE_WAY_OUT}": short in OPENING and file != ONE_WAY_OUT,
        f"{called} follows redirects": "_session()." in called and given.get("allow_redirects") != "False",
        **{f"{called}({word}={value})": given.get(word) == value for word, value in SWITCHES.items()},
    }
    yield from (words for words, wrong in found.items() if wrong)


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_source_loads_no_code_and_goes_out_one_way(path: Path) -> None:
    assert list(faults(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import urllib.request",
        "eval('1')",
        "yaml.load(text)",
        "torch.load(path, weights_only=True)",
        "run(command, shell=True)",
        "AutoModel.from_pretrained(name)",
        "Prompt.objects.raw('SELECT 1')",
        "aiohttp.ClientSession()",
        "self._session().post(url)",
        "loop.create_connection(made, host, port)",
        "mark_safe(text)",
    ],
)
def test_what_it_looks_for_is_found(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.security.test_deserialisation.ROOT", tmp_path)
    (tmp_path / "one.py").write_text(source)
    assert list(faults(tmp_path / "one.py"))
