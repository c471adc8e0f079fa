"""The only way out: which servers a language model may be asked on, checked when named and again at every connection.

An endpoint's server must stand at a public address, or its `host:port` must be opened by LLM_ALLOWED_HOSTS. A name is
resolved once a connection, all its addresses must pass, and only the checked ones are connected to, so an answer of
the name server that changes afterwards changes nothing. Link-local addresses (the clouds' metadata) are never allowed.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar

import aiohappyeyeballs
import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from django.utils.translation import gettext as _
from yarl import URL

Address = IPv4Address | IPv6Address
Spoken = TypeVar("Spoken", bound=asyncio.Protocol)
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
ANY_PORT = "*"
NAMES_S = 10.0  # how long the addresses of a name are used for new connections
SECOND_ADDRESS_S = 0.25  # when the next address of a name is tried beside one that does not answer
# IPv6 ranges that carry an IPv4 address, and how far it stands from the right end in bits.
CARRIERS = (
    (ip_network("::/96"), 0),
    (ip_network("::ffff:0:0/96"), 0),  # mapped
    (ip_network("::ffff:0:0:0/96"), 0),  # translated
    (ip_network("64:ff9b::/96"), 0),  # NAT64
    (ip_network("2002::/16"), 80),  # 6to4
)
TEREDO = ip_network("2001::/32")
# Not for the public network, though `is_global` of this Python says so of some.
SPECIAL = tuple(
    ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")
)


class Refused(ValueError):
    """A server that must not be asked. The message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that may be asked: `host` in its one usual form; `opened` when the setting names it with this port."""

    url: URL
    host: str
    port: int
    opened: bool


def target(base_url: str) -> Target:
    """The server of a base URL, without asking any name server. Raises Refused."""
    url = _url(base_url.strip())
    host = usual_host(url.raw_host or "")
    opened = f"{host}:{url.port}" in settings.LLM_ALLOWED_HOSTS or f"{host}:{ANY_PORT}" in settings.LLM_ALLOWED_HOSTS
    found = Target(url, host, url.port or 0, opened)
    if (address := _literal(host)) is not None:
        check(found, str(address))
    elif not opened and (host == "localhost" or host.endswith(".localhost")):
        raise _closed(found)
    return found


def check(wanted: Target, address: str) -> None:
    """Raises Refused unless this address may be connected to for the target."""
    for part in carried(ip_address(address.partition("%")[0])):
        if part.is_link_local or part.is_multicast or part.is_unspecified or str(part) == "255.255.255.255":
            message = _("%(host)s leads to %(address)s, an address that is never asked: correct the base URL.")
            raise Refused(message % {"host": wanted.host, "address": address})
        if not wanted.opened and not public(part):
            raise _closed(wanted)


def public(address: Address) -> bool:
    return address.is_global and not address.is_reserved and not any(address in network for network in SPECIAL)


def carried(address: Address) -> Iterator[Address]:
    """What an address really leads to: itself, or the IPv4 addresses inside it."""
    if isinstance(address, IPv4Address) or int(address) < 2:  # ::1 and :: carry nothing
        yield address
        return
    if address in TEREDO:
        yield from (address, *(address.teredo or ()))
        return
    for network, shift in CARRIERS:
        if address in network:
            yield IPv4Address(int(address) >> shift & 0xFFFFFFFF)
            return
    yield address


def usual_host(host: str) -> str:
    """The one form a host is compared in: lower case, without the dot at the end. Raises Refused for a disguised one.

    Numbers that some systems read as an address (127.1, 0x7f.1, 017700000001) are no host names.
    """
    host = host.lower()
    host = host[:-1] if host.endswith(".") else host
    if (address := _literal(host)) is not None:
        return str(address)
    labels = host.split(".")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels) or NUMBER.fullmatch(labels[-1]):
        raise Refused(_("The base URL names no usual host: write a name, 10.0.0.1 or [fd00::1]."))
    return host


def _url(text: str) -> URL:
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise Refused(_("The base URL must not hold spaces, backslashes or control characters."))
    try:
        url = URL(text)
    except ValueError:
        raise Refused(_("The base URL is no web address.")) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Refused(_("The base URL must start with http:// or https:// and name a host."))
    if "@" in text.split("/")[2] or url.user is not None or url.password is not None:
        raise Refused(_("The base URL must not hold a name or password: put the key into the key field."))
    if not url.port:
        raise Refused(_("The base URL names no usable port."))
    if url.query_string or url.fragment:
        raise Refused(_("The base URL must end with its path, mostly /v1."))
    return url


def _literal(host: str) -> Address | None:
    """The address that a host is, None for a name. A zone id makes it neither."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def _closed(wanted: Target) -> Refused:
    shown = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    message = _(
        "%(host)s is not a public address. If it is your own server, add %(host)s to MADSAFE_LLM_ALLOWED_HOSTS "
        "where MadSafe runs."
    )
    return Refused(message % {"host": f"{shown}:{wanted.port}"})


class CheckedResolver(AbstractResolver):
    """Hands on the addresses of one target when all of them may be connected to, and resolves no other host."""

    def __init__(self, wanted: Target, lookup: AbstractResolver | None = None) -> None:
        self._wanted, self._lookup = wanted, lookup or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises Refused when any address must not be connected to, OSError when there is none."""
        if usual_host(host) != self._wanted.host or port != self._wanted.port:
            raise _closed(self._wanted)
        found = await self._lookup.resolve(host, port, family)
        for answer in found:
            check(self._wanted, answer["host"])
        return found

    async def close(self) -> None:
        await self._lookup.close()


def _gate(wanted: Target) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """What makes sockets for the target: the last gate, at what is really connected to."""

    def checked_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        check(wanted, str(info[4][0]))
        return socket.socket(info[0], info[1], info[2])

    return checked_socket


class Opener:
    """Opens connections to the target alone, without proxies of the environment. Belongs to the running event loop."""

    def __init__(self, wanted: Target, lookup: AbstractResolver | None = None) -> None:
        self._wanted, self._resolver, self._gate = wanted, CheckedResolver(wanted, lookup), _gate(wanted)
        self._looking_up = asyncio.Lock()
        self._found: list[ResolveResult] = []
        self._found_at = 0.0
        self._tls: ssl.SSLContext | None = None
        if wanted.url.scheme == "https":
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])

    async def open(self, made: Callable[[], Spoken], seconds: float) -> Spoken:
        """What `made` gives, connected. Raises Refused, TimeoutError after so many seconds, else OSError."""
        loop = asyncio.get_running_loop()
        name = self._wanted.host if self._tls else None
        async with asyncio.timeout(seconds):
            places = [_place(one) for one in await self._addresses()]
            opened = await aiohappyeyeballs.start_connection(
                places, happy_eyeballs_delay=SECOND_ADDRESS_S, socket_factory=self._gate
            )
            _, spoken = await loop.create_connection(made, sock=opened, ssl=self._tls, server_hostname=name)
        return spoken

    async def _addresses(self) -> list[ResolveResult]:
        """The checked addresses; looked up once for all who open a connection meanwhile."""
        async with self._looking_up:
            if not self._found or time.monotonic() - self._found_at > NAMES_S:
                host = self._wanted.url.raw_host or ""
                self._found = await self._resolver.resolve(host, self._wanted.port, socket.AF_UNSPEC)
                self._found_at = time.monotonic()
        return self._found


def _place(found: ResolveResult) -> aiohttp.AddrInfoType:
    host, port = found["host"], found["port"]
    if ":" in host:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


def session(
    wanted: Target, timeout: aiohttp.ClientTimeout, headers: dict[str, str], lookup: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """A client session that connects to the target alone: no proxies of the environment, no cookies.

    Who uses it says `allow_redirects=False`. Belongs to the running event loop.
    """

    connector = aiohttp.TCPConnector(
        limit=0,  # how many calls are in flight is the engine's to say
        resolver=CheckedResolver(wanted, lookup),
        socket_factory=_gate(wanted),
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )
