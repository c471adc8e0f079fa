"""HTTP/1.1 as servers speak it, byte for byte: what an answer is, where it ends, and which connections are kept."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from madsafe_web.core import outbound
from madsafe_web.core.llm import wire
from madsafe_web.core.llm.wire import Answer, CutOff, TooLarge, TooLate, Unreachable, Wire

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1"])
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
END = None  # the server closes the connection


class Server:
    """Sends these pieces after each request, one entry a request; counts connections and keeps what it was sent."""

    def __init__(self, *answers: list[bytes | None]) -> None:
        self.answers, self.connections, self.requests = list(answers), 0, [b""]
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.read(1 << 16):
            self.requests.append(head)
            self.asked.set()
            for piece in self.answers.pop(0):
                if piece is END:
                    writer.close()
                    return
                writer.write(piece)
                await writer.drain()
        writer.close()


Talk = Callable[[Wire], Awaitable[Any]]


def talk(server: Server, work: Talk, tls: ssl.SSLContext | None = None, **limits: Any) -> Any:
    """What the work gives that talks to the server by a wire."""

    async def main() -> Any:
        served = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        port = served.sockets[0].getsockname()[1]
        target = outbound.target(f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1")
        usual = {"total_s": 20.0, "connect_s": 20.0, "most_bytes": 1000, "kept": frozenset({"x-wanted"})}
        made = Wire(target, "/v1/x", {"X-One": "1"}, **{**usual, **limits})
        try:
            return await work(made)
        finally:
            await made.close()
            served.close()

    return asyncio.run(main())


def answer(*pieces: bytes | None, **limits: Any) -> Answer:
    """What one request gives that the server answers with these pieces."""

    async def once(made: Wire) -> Answer:
        return await made.post(b"{}")

    found: Answer = talk(Server(list(pieces)), once, **limits)
    return found


async def twice(made: Wire) -> list[bytes]:
    return [(await made.post(b"{}")).body for _ in range(2)]


def test_a_request_is_one_head_and_the_body() -> None:
    server = Server([FINE])
    talk(server, lambda made: made.post(b'{"a": 1}'))
    head, body = server.requests[-1].split(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert (first, body) == (b"POST /v1/x HTTP/1.1", b'{"a": 1}')
    assert headers[0].startswith(b"Host: 127.0.0.1:") and headers[1:] == [b"X-One: 1", b"Content-Length: 8"]


def test_a_request_given_up_when_its_answer_is_there_leaves_the_connection_to_the_next() -> None:
    async def given_up(made: Wire) -> bytes:
        keep, others = made.keep, []

        def taken_at_once(connection: wire.Connection) -> None:
            keep(connection)
            made.keep = keep  # type: ignore[method-assign]
            made.loop.call_soon(first.cancel)  # before its task is woken with the answer
            others.append(made.loop.create_task(made.post(b"2")))

        made.keep = taken_at_once  # type: ignore[method-assign]
        first = made.loop.create_task(made.post(b"1"))
        await asyncio.wait([first])
        assert first.cancelled()
        return (await others[0]).body

    server = Server([FINE], [FINE])
    assert (talk(server, given_up), server.connections) == (b"fine", 1)


def test_a_header_of_two_lines_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="one line"):
            Wire(
                outbound.target("http://127.0.0.1:9"),
                *("/", {"X": "1\r\nY: 2"}),
                total_s=1,
                connect_s=1,
                most_bytes=1,
            )

    asyncio.run(main())


def test_of_the_headers_those_are_kept_that_somebody_reads() -> None:
    found = answer(b"HTTP/1.1 429 No\r\nX-Wanted: a\r\nX-Other: b\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
    assert (found.status, found.headers["retry-after"], found.headers["x-wanted"]) == (429, "7", "a")
    assert "x-other" not in found.headers


@pytest.mark.parametrize(
    "pieces",
    [
        [FINE],
        [FINE[at : at + 1] for at in range(len(FINE))],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\nfi", b"ne", END],
        [b"HTTP/1.0 200 OK\r\n\r\nfine", END],
        [b"HTTP/1.1 100 Continue\r\n\r\n", FINE],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + FINE],
    ],
    ids=["length", "byte by byte", "chunks", "until the end", "HTTP 1.0", "continue", "hints"],
)
def test_an_answer_ends_where_it_says(pieces: list[bytes | None]) -> None:
    found = answer(*pieces)
    assert (found.status, found.body) == (200, b"fine")


@pytest.mark.parametrize(
    "pieces",
    [
        [END],
        [b"HTTP/1.1 200 OK\r\nContent-Le", END],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine", END],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n", END],
        [b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
        [b"SSH-2.0-OpenSSH\r\n"],
        [b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", END],
    ],
    ids=["nothing", "half a head", "half a body", "half the chunks", "no length", "no HTTP", "upgrade"],
)
def test_an_answer_that_is_not_whole_is_cut_off(pieces: list[bytes | None]) -> None:
    with pytest.raises(CutOff):
        answer(*pieces)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"fine", mtime=0)),  # no time of day in the name of a test
        ("DEFLATE", zlib.compress(b"fine")),
        ("gzip", b"fine"),
        ("br", b"fine"),
    ],
)
def test_a_packed_body_is_unpacked_and_one_that_is_not_stays(encoding: str, packed: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    assert answer(head.encode() + packed).body == b"fine"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + bytes(1001)],
        [b"HTTP/1.1 200 OK\r\n\r\n", *([bytes(100)] * 11)],
        [b"HTTP/1.1 200 OK\r\n", *([b"X-A: %b\r\n" % (b"a" * 1000)] * 70)],
        [b"HTTP/1.1 200 OK\r\nX-A: ", *([b"a" * 1000] * 70)],
    ],
    ids=["body", "body without length", "headers", "header"],
)
def test_an_answer_is_read_no_further_than_allowed(pieces: list[bytes | None]) -> None:
    with pytest.raises(TooLarge):
        answer(*pieces)


@pytest.mark.parametrize(("begun", "pieces"), [(False, []), (True, [FINE[:-1]])], ids=["nothing", "begun"])
def test_an_answer_that_does_not_end_in_time_says_whether_it_had_begun(begun: bool, pieces: list[bytes | None]) -> None:
    server = Server(pieces)

    async def work(made: Wire) -> Any:
        under_way = asyncio.create_task(made.post(b"{}"))
        await server.asked.wait()
        (connection,) = made.opened
        while begun and not connection.begun:
            await asyncio.sleep(0)
        connection._late()  # as the clock does
        return await asyncio.gather(under_way, return_exceptions=True)

    (error,) = talk(server, work)
    assert isinstance(error, TooLate) and error.begun == begun


def test_the_clock_ends_a_call_without_an_answer() -> None:
    with pytest.raises(TooLate):
        answer(total_s=0.05)


def test_a_connection_is_used_for_the_next_request() -> None:
    server = Server([FINE], [FINE])
    assert (talk(server, twice), server.connections) == ([b"fine", b"fine"], 1)


@pytest.mark.parametrize(
    "first",
    [
        [FINE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")],
        [FINE + b"HTTP/1.1 200 OK\r\n\r\nfor nobody"],
        [b"HTTP/1.1 200 OK\r\n\r\nfine", END],
    ],
    ids=["closed by its word", "more than was asked", "closed"],
)
def test_a_connection_that_has_ended_is_used_no_more(first: list[bytes | None]) -> None:
    server = Server(first, [FINE])

    async def work(made: Wire) -> list[bytes]:
        one = (await made.post(b"{}")).body
        while made.opened:  # until its end has been seen
            await asyncio.sleep(0)
        return [one, (await made.post(b"{}")).body]

    assert (talk(server, work), server.connections) == ([b"fine", b"fine"], 2)


def test_a_connection_that_was_idle_for_long_is_used_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "KEPT_S", 0.0)
    server = Server([FINE], [FINE])
    assert (talk(server, twice), server.connections) == ([b"fine", b"fine"], 2)


def test_the_connection_of_a_call_that_was_given_up_is_used_no_more() -> None:
    server = Server([], [FINE])

    async def work(made: Wire) -> bytes:
        given_up = asyncio.create_task(made.post(b"{}"))
        await server.asked.wait()
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        return (await made.post(b"{}")).body

    assert (talk(server, work), server.connections) == (b"fine", 2)


def test_closing_ends_a_request_under_way() -> None:
    server = Server([])

    async def work(made: Wire) -> list[Any]:
        under_way = asyncio.create_task(made.post(b"{}"))
        await server.asked.wait()
        await made.close()
        return await asyncio.gather(under_way, return_exceptions=True)

    (error,) = talk(server, work)
    assert isinstance(error, CutOff)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM
    secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(form) + secret)
    return path


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_server_with_a_trusted_certificate_is_asked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Server([FINE], [FINE])
    assert (talk(server, twice, serving(certificate)), server.connections) == ([b"fine", b"fine"], 1)


def test_a_server_whose_certificate_nobody_trusts_is_not_asked(certificate: Path) -> None:
    server = Server([FINE])
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        talk(server, twice, serving(certificate))
    assert server.requests == [b""]
