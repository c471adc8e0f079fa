"""POST to one server over HTTP/1.1, for a third of what a client for every purpose takes of the processor a call.

A run asks one path of one server thousands of times a second, so the head of a request is made once, connections are
kept, and of an answer only those headers that somebody reads. See docs/decisions/0025. Where a connection may lead is
for `outbound` to say; redirects are answers like any other.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import httptools

from madsafe_web.core import outbound

KEPT_S = 4.0  # how long an idle connection is used again: vLLM and others on uvicorn close theirs after five
HEAD_BYTES = 64 << 10
ENCODING, LENGTH, CODING, RETRY_AFTER = "content-encoding", "content-length", "transfer-encoding", "retry-after"
ANY_PACKING = 47  # gzip or zlib, as the bytes say
PACKED = ("gzip", "x-gzip", "deflate")


class CutOff(Exception):
    """The connection ended before the answer, or what came is no HTTP."""


class TooLarge(Exception):
    """The answer is larger than allowed."""


class Unreachable(Exception):
    """No connection; the message says why in a few words."""


class TooLate(Exception):
    """The time was over; `begun` says whether an answer had begun to come."""

    def __init__(self, begun: bool) -> None:
        super().__init__(begun)
        self.begun = begun


@dataclass(slots=True)
class Answer:
    """Status, the headers that somebody reads (names in lower case), and the body, unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, then the next request. The parser calls the methods `on_…`."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._loop = wire, wire.loop
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self.idle_since = 0.0

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the answer raises CutOff, TooLarge or TooLate."""
        self._received, self.begun = 0, False
        self._answer = self._loop.create_future()
        self._timer = self._loop.call_later(self._wire.total_s, self._late)
        self._transport.write(request)
        return self._answer

    @property
    def closing(self) -> bool:
        return self._transport.is_closing()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wire.opened.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._wire.opened.discard(self)
        if self._answer is None:
            return
        if error is None and self.begun and not self._whole:  # a body that ends with its connection
            self.on_message_complete()
        else:
            self._fail(CutOff(type(error).__name__ if error else "it closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._answer is None:  # nothing was asked
            self.abort()
        elif self._received > 2 * self._wire.most_bytes + HEAD_BYTES:  # headers, or the frames around what is sent
            self._fail(TooLarge())
        else:
            try:
                self._parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
                self._fail(CutOff(type(error).__name__))

    def on_message_begin(self) -> None:
        if self._answer is None:  # a second answer to one request
            self.abort()
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        known = name.decode("latin-1").lower()
        if known in self._wire.read_headers:
            self._headers[known] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.begun = self._parser.get_status_code() >= 200
        self._whole = LENGTH in self._headers or CODING in self._headers

    def on_body(self, part: bytes) -> None:
        self._body.append(part)
        self._size += len(part)
        if self._size > self._wire.most_bytes:
            self._fail(TooLarge())

    def on_message_complete(self) -> None:
        if self._answer is None or not self.begun:  # it failed, or is only the news that an answer will come
            return
        try:
            body = _unpacked(b"".join(self._body), self._headers.get(ENCODING, ""), self._wire.most_bytes)
        except TooLarge as error:
            self._fail(error)
            return
        answered, self._answer = self._answer, None
        self._timer.cancel()
        if self._parser.should_keep_alive():
            self._wire.keep(self)
        else:
            self._transport.close()
        if not answered.done():
            answered.set_result(Answer(self._parser.get_status_code(), self._headers, body))

    def _late(self) -> None:
        self._fail(TooLate(self.begun))

    def _fail(self, error: Exception) -> None:
        failed, self._answer = self._answer, None
        self._timer.cancel()
        self._transport.abort()
        if failed and not failed.done():
            failed.set_exception(error)


class Wire:
    """The connections to one target, in the event loop that makes it; as many as there are calls at once.

    `total_s` is for a request and its answer, `connect_s` for a connection before it, in seconds; `most_bytes` of a
    body, as sent and as unpacked; `kept` names the headers wanted of an answer, in lower case.
    """

    def __init__(
        self,
        target: outbound.Target,
        path: str,
        headers: Mapping[str, str],
        *,
        total_s: float,
        connect_s: float,
        most_bytes: int,
        kept: frozenset[str] = frozenset(),
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.total_s, self.most_bytes = total_s, most_bytes
        self.read_headers = kept | {ENCODING, LENGTH, CODING, RETRY_AFTER}
        self.opened: set[Connection] = set()
        self._connect_s, self._opener = connect_s, outbound.Opener(target)
        self._idle: list[Connection] = []
        self._head = _head(path, {"Host": target.url.host_port_subcomponent or "", **headers})

    async def post(self, body: bytes) -> Answer:
        """The answer to one request. Raises outbound.Refused, Unreachable, CutOff, TooLate, TooLarge."""
        connection = self._kept() or await self._connect()
        answer = connection.ask(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.cancelled():  # else it had come, and the connection may be that of another request by now
                connection.abort()  # its answer would be that of the next request
            raise

    async def close(self) -> None:
        """Close all connections, also those with a request under way."""
        for connection in list(self.opened):
            connection.abort()
        await asyncio.sleep(0)  # in which they close

    def keep(self, connection: Connection) -> None:
        """Take back a connection whose answer is whole."""
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    def _kept(self) -> Connection | None:
        """The connection that was used last; None when there is none that the server may be expected to know."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closing and time.monotonic() - connection.idle_since < KEPT_S:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        try:
            return await self._opener.open(lambda: Connection(self), self._connect_s)
        except TimeoutError:
            raise Unreachable("no connection in time") from None
        except OSError as error:
            raise Unreachable(error.strerror or type(error).__name__) from error


def _head(path: str, headers: Mapping[str, str]) -> bytes:
    """A request up to the number of its bytes. Raises ValueError for what would be more than one header."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Content-Length: "]
    if any(not line.isprintable() for line in lines):
        raise ValueError("A header must be one line.")
    return "\r\n".join(lines).encode("latin-1")


def _unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body as it was before it was packed. Raises TooLarge; one that cannot be read stays as it is."""
    if encoding.lower() not in PACKED:
        return body
    try:
        whole = zlib.decompressobj(ANY_PACKING).decompress(body, most + 1)
    except zlib.error:
        return body
    if len(whole) > most:
        raise TooLarge
    return whole
