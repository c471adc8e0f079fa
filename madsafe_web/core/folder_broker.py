"""Celery's messages in a folder, for an installation without a server: kombu's, made to outlive half a file.

A kill, or a full disk, leaves a table of queues or a message empty or cut off. kombu then fails at each start, or takes
the worker down when it reads the message. Both hold nothing that is needed: a table is made anew, and whoever a lost
message was to wake is rung for again by the sweep.
"""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel that leaves out what cannot be read."""

    def get_table(self, exchange: str) -> Any:
        """The queues of an exchange; none where its file holds none."""
        try:
            return super().get_table(exchange)
        except ValueError:
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except ValueError:
            logger.warning("the table of the exchange '%s' is broken and made anew", exchange)
            self._exchange_file(exchange).unlink(missing_ok=True)
            super()._queue_bind(exchange, routing_key, pattern, queue)

    def _get(self, queue: str) -> Any:
        try:
            return super()._get(queue)
        except ValueError:  # kombu has removed the file by now
            logger.warning("a message of the queue '%s' is broken and left out", queue)
            raise Empty from None


class Transport(filesystem.Transport):  # type: ignore[misc]  # kombu has no types
    Channel = Channel


def use() -> None:
    """Let "filesystem://" mean this transport in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
