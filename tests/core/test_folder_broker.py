"""The broker in a folder, where a kill or a full disk left half a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.virtual import BrokerState

from madsafe_web.core import folder_broker


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection to a broker in the test's folder."""
    monkeypatch.setattr(folder_broker.Transport, "global_state", BrokerState())  # which queues are bound
    monkeypatch.setitem(TRANSPORT_ALIASES, "filesystem", "")
    folder_broker.use()
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    places = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
    with Connection("filesystem://", transport_options={k: str(tmp_path / v) for k, v in places.items()}) as found:
        yield found


@pytest.mark.parametrize("half", ["", '[["celery", "", "cel'])
def test_a_broken_table_of_queues_is_made_anew(line: Connection, tmp_path: Path, half: str) -> None:
    (tmp_path / "control" / "celery.exchange").write_text(half)
    with line.SimpleQueue("celery") as queue:
        queue.put("ring")
        assert queue.get_nowait().payload == "ring"


@pytest.mark.parametrize("half", ["", '{"body": "cmlu'])
def test_a_broken_message_is_left_out(line: Connection, tmp_path: Path, half: str) -> None:
    with line.SimpleQueue("celery") as queue:
        (tmp_path / "queue" / "0_broken.celery.msg").write_text(half)
        with pytest.raises(Empty):
            queue.get_nowait()
        queue.put("ring")
        assert queue.get_nowait().payload == "ring"
        assert list((tmp_path / "queue").iterdir()) == []
