"""Which servers may be asked: addresses in every disguise, names that change, redirects, and what the setting opens."""

from __future__ import annotations

import asyncio
import gzip
import resource
import socket
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from madsafe_web.core import outbound
from madsafe_web.core.llm.base import Call, CallError, EndpointDown, Message
from madsafe_web.core.llm.openai_compatible import OpenAICompatibleBackend, Policy

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "::1"])
PUBLIC = "93.184.215.14"
DISGUISED = [
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1",
    "127.0.0.1.",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "169.254.169.254",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:10.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::]",
    "[2001:0:5db8:d70e:0:0:80ff:fffe]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "some.localhost",
    "localhost..",
    "１２７.０.０.１",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "loc%61lhost",
    "-a.example",
    "a..example",
]


@pytest.fixture
def closed(settings: Any) -> Any:
    """An installation that opens nothing."""
    settings.LLM_ALLOWED_HOSTS = []
    return settings


class Names(AbstractResolver):
    """A name server of the test: one list of addresses an answer, the last one for ever after; [] = no such name."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers[min(self.asked, len(self.answers)) - 1]
        if not addresses:
            raise OSError(None, "no such name")
        return [answer(host, port, one) for one in addresses]

    async def close(self) -> None:
        pass


def answer(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)


def resolve(url: str, names: Names, times: int = 1) -> list[str]:
    """The addresses that the resolver of this target hands on at the last of so many questions."""
    wanted = outbound.target(url)
    resolver = outbound.CheckedResolver(wanted, names)

    async def main() -> list[str]:
        for _ in range(times):
            found = await resolver.resolve(wanted.url.raw_host or "", wanted.port)
        return [one["host"] for one in found]

    return asyncio.run(main())


@pytest.mark.parametrize("host", DISGUISED)
def test_no_disguise_of_a_private_address_is_a_server(host: str, closed: Any) -> None:
    with pytest.raises(outbound.Refused):
        outbound.target(f"http://{host}:8000/v1")


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://example.org/", "file:///etc/hosts", "gopher://example.org/", "//example.org", "example.org/v1"),
        *("http:///v1", "http:example.org", "http://u:p@example.org/v1", "http://u@example.org", "http://@example.org"),
        *("http://example.org:0/", "http://example.org:99999/", "http://exa mple.org/", "http://example.org/v1?a=b"),
        *("http://example.org/v1#a", "http://example.org\\@127.0.0.1/", "http://exa\tmple.org/", "javascript:1"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str, closed: Any) -> None:
    with pytest.raises(outbound.Refused, match="base URL"):
        outbound.target(url)


@pytest.mark.parametrize(
    ("host", "usual"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("ｅxample.org", "example.org"),
        (PUBLIC, PUBLIC),
        ("[2606:4700:0::1111]", "2606:4700::1111"),
        ("[64:ff9b::5db8:d70e]", "64:ff9b::5db8:d70e"),
    ],
)
def test_a_public_server_is_allowed_in_its_one_form(host: str, usual: str, closed: Any) -> None:
    assert outbound.target(f"https://{host}/v1").host == usual


def test_addresses_of_a_public_name_are_handed_on(closed: Any) -> None:
    assert resolve("https://example.org/v1", Names([PUBLIC, "2606:4700::1111"])) == [PUBLIC, "2606:4700::1111"]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fe80::1%2", "::"]
)
def test_a_name_with_one_private_address_among_public_ones_is_refused(address: str, closed: Any) -> None:
    with pytest.raises(outbound.Refused, match="example.org"):
        resolve("https://example.org/v1", Names([PUBLIC, address]))


def test_a_name_that_becomes_private_later_is_refused_then(closed: Any) -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    assert resolve("https://example.org/v1", names) == [PUBLIC]
    with pytest.raises(outbound.Refused):
        resolve("https://example.org/v1", names)


def test_a_name_that_does_not_exist_at_first_is_checked_when_it_does(closed: Any) -> None:
    names = Names([], ["10.0.0.1"])
    with pytest.raises(OSError, match="no such name"):
        resolve("https://example.org/v1", names)
    with pytest.raises(outbound.Refused):
        resolve("https://example.org/v1", names)


@pytest.mark.parametrize("url", ["http://10.0.0.5:8000/v1", "http://gpu.lan:8000", "http://[fd00::5]:8000/v1"])
def test_an_opened_server_may_stand_at_a_private_address(url: str, settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = ["10.0.0.5:8000", "gpu.lan:8000", "fd00::5:8000"]
    assert outbound.target(url).opened
    assert resolve("http://gpu.lan.:8000", Names(["10.0.0.9"])) == ["10.0.0.9"]


@pytest.mark.parametrize("url", ["http://10.0.0.5:8001/v1", "http://10.0.0.6:8000/v1", "http://[::ffff:10.0.0.5]:8000"])
def test_an_opened_server_opens_no_other_one(url: str, settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = ["10.0.0.5:8000", "gpu.lan:8000"]
    with pytest.raises(outbound.Refused, match="MADSAFE_LLM_ALLOWED_HOSTS"):
        outbound.target(url)
    with pytest.raises(outbound.Refused):
        resolve("http://other.lan:8000", Names(["10.0.0.5"]))


def test_the_resolver_of_an_opened_server_resolves_no_other_host(settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = ["gpu.lan:8000"]
    resolver = outbound.CheckedResolver(outbound.target("http://gpu.lan:8000"), Names([PUBLIC]))
    for host, port in [("example.org", 8000), ("gpu.lan", 80)]:
        with pytest.raises(outbound.Refused):
            asyncio.run(resolver.resolve(host, port))


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::ffff:169.254.1.1", "0.0.0.0", "ff02::1"])
def test_no_setting_opens_a_link_local_address(address: str, settings: Any) -> None:
    settings.LLM_ALLOWED_HOSTS = ["gpu.lan:8000", f"{address}:8000"]
    with pytest.raises(outbound.Refused):
        resolve("http://gpu.lan:8000", Names([address]))
    with pytest.raises(outbound.Refused):
        outbound.target(f"http://[{address}]:8000" if ":" in address else f"http://{address}:8000")


def ask(backend: OpenAICompatibleBackend) -> None:
    async def main() -> None:
        try:
            await backend.complete(Call("", "", {}, (Message("user", "hello"),)))
        finally:
            await backend.close()

    asyncio.run(main())


def test_what_is_refused_at_connect_is_said_and_not_tried_again(closed: Any, monkeypatch: Any) -> None:
    names = Names(["127.0.0.1"])
    monkeypatch.setattr(aiohttp, "ThreadedResolver", lambda: names)
    with pytest.raises(EndpointDown, match=r"example.org:80 is not a public address") as caught:
        ask(OpenAICompatibleBackend("http://example.org/v1", "m", "", Policy()))
    assert (caught.value.kind, names.asked) == ("refused", 1)


def test_a_connection_to_an_address_that_was_not_checked_is_refused(closed: Any, monkeypatch: Any) -> None:
    """Should a later version of aiohttp pass by the resolver, the socket is the last gate."""
    monkeypatch.setattr(outbound, "CheckedResolver", lambda wanted, lookup: Names(["127.0.0.1"]))
    with pytest.raises(EndpointDown, match="not a public address"):
        ask(OpenAICompatibleBackend("http://example.org/v1", "m", "", Policy()))


def served(
    handle: Any, calls: int, names: Names, monkeypatch: Any, settings: Any, **policy: float
) -> list[BaseException | Any]:
    """So many calls at once to gpu.lan, which is a server on loopback that answers by `handle`."""

    async def main() -> list[BaseException | Any]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        settings.LLM_ALLOWED_HOSTS = [f"gpu.lan:{port}"]
        backend = OpenAICompatibleBackend(f"http://gpu.lan:{port}/v1", "m", "", Policy(tries=1, **policy))
        call = Call("", "", {}, (Message("user", "hello"),))
        try:
            return await asyncio.gather(*(backend.complete(call) for _ in range(calls)), return_exceptions=True)
        finally:
            await backend.close()
            await runner.cleanup()

    monkeypatch.setattr(aiohttp, "ThreadedResolver", lambda: names)
    return asyncio.run(main())


def test_a_redirect_leads_nowhere(monkeypatch: Any, settings: Any) -> None:
    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest"})

    (error,) = served(redirect, 1, Names(["127.0.0.1"]), monkeypatch, settings)
    assert isinstance(error, EndpointDown) and error.kind == "redirected"


def test_a_name_is_resolved_once_for_many_calls(monkeypatch: Any, settings: Any) -> None:
    async def fine(_request: web.Request) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": "fine"}}]})

    names = Names(["127.0.0.1"])
    replies = served(fine, 50, names, monkeypatch, settings)
    assert {reply.text for reply in replies} == {"fine"}
    assert names.asked == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: Any, settings: Any) -> None:
    async def fine(_request: web.Request) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": "fine"}}]})

    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (reply,) = served(fine, 1, Names(["127.0.0.1"]), monkeypatch, settings)
    assert reply.text == "fine"


def test_a_reply_that_unpacks_to_very_much_is_cut_off(monkeypatch: Any, settings: Any) -> None:
    packed = gzip.compress(bytes(200 << 20))

    async def bomb(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (error,) = served(bomb, 1, Names(["127.0.0.1"]), monkeypatch, settings)
    assert isinstance(error, CallError) and error.kind == "too_large" and "sent more than" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # in KiB


def test_a_reply_that_drips_is_cut_off_in_time(monkeypatch: Any, settings: Any) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    (error,) = served(drip, 1, Names(["127.0.0.1"]), monkeypatch, settings, total_timeout=2.0)
    assert isinstance(error, CallError) and error.kind == "slow_body"
