"""Protection against server-side request forgery: the network addresses that webhooks may be sent to.

A URL is checked when a webhook is created or changed, and again for each delivery, because the addresses of a host name
can change. The delivery then connects to an address that was checked: there is no second look-up.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from threading import BoundedSemaphore, Thread
from typing import Self

from app.config import Settings
from app.errors import FieldError, ValidationError
from services.webhooks.urls import UndeliverableError, WebhookUrl, parse_url

LOOKUP_SECONDS = 5.0
"""How long the look-up of a host name may take."""

MAX_LOOKUPS = 64
"""How many look-ups may be in progress at once. One that has timed out still counts until its thread has ended."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC_IPV4 = (
    IPv4Network("168.63.129.16/32"),  # the platform services of Azure, inside each virtual machine there
    IPv4Network("192.0.0.0/24"),  # protocol assignments (RFC 6890)
    IPv4Network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    IPv4Network("224.0.0.0/4"),  # multicast
)
_NOT_PUBLIC_IPV6 = (
    IPv6Network("2001::/23"),  # protocol assignments (RFC 2928), among them Teredo
    IPv6Network("2002::/16"),  # 6to4 (RFC 7526)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host name, best first. Raises OSError if there are none."""

_lookups = BoundedSemaphore(MAX_LOOKUPS)


async def look_up(host: str) -> list[str]:
    """Return the IP addresses of a host name as the system finds them. Raises OSError.

    Each look-up has its own daemon thread. A name server that does not respond would otherwise occupy the threads that
    other work needs, and delay the end of the process.
    """
    if not _lookups.acquire(blocking=False):
        raise TimeoutError("too many look-ups are in progress")
    future: Future[list[str]] = Future()
    future.set_running_or_notify_cancel()
    Thread(target=_look_up_in_thread, args=(host, future), name=f"look-up of {host}", daemon=True).start()
    return await asyncio.wrap_future(future)


def _look_up_in_thread(host: str, future: Future[list[str]]) -> None:
    failure: OSError | None = None
    addresses: list[str] = []
    try:
        # As bytes, because Python would convert a text with IDNA 2003.
        rows = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        addresses = [str(address[0]) for *_, address in rows]
    except OSError as error:
        failure = error
    finally:
        _lookups.release()
    if failure is None:
        future.set_result(addresses)
    else:
        future.set_exception(failure)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is globally reachable unicast.

    An IPv4-mapped or NAT64 address is judged by the IPv4 address in it. The other kinds of IPv6 addresses that contain
    one (IPv4-compatible, 6to4, Teredo, NAT64 for local use) are obsolete or local, and never public.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_IPV4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    is_special = any(address in network for network in _NOT_PUBLIC_IPV6)
    return address in _GLOBAL_UNICAST and address.is_global and not is_special


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL and the addresses of its host, all of them checked, best first."""

    url: WebhookUrl
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The URLs and addresses that are allowed: WEBHOOKS_ALLOW_HTTP and WEBHOOKS_ALLOW_PRIVATE."""

    allow_http: bool
    allow_private: bool
    resolve: Resolve = look_up

    @classmethod
    def from_settings(cls, settings: Settings, resolve: Resolve = look_up) -> Self:
        """Return the policy of the service."""
        return cls(settings.webhooks_allow_http, settings.webhooks_allow_private, resolve)

    async def find_destination(self, url: str) -> Destination:
        """Parse the URL and look up its host. Raises UndeliverableError unless all addresses are allowed."""
        parsed = parse_url(url, allow_http=self.allow_http)
        addresses = await self._find_addresses(parsed)
        if not self.allow_private and not all(is_public(ip_address(address)) for address in addresses):
            raise UndeliverableError("has a host whose addresses are not all public")
        return Destination(parsed, addresses)

    async def _find_addresses(self, url: WebhookUrl) -> tuple[str, ...]:
        if url.address is not None:
            return (url.host,)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                addresses = await self.resolve(url.host)
        except TimeoutError:
            raise UndeliverableError("has a host whose address could not be looked up in time") from None
        except OSError:
            addresses = []
        if not addresses:
            raise UndeliverableError("has a host without an address")
        return tuple(dict.fromkeys(addresses))


async def require_deliverable(url: str, settings: Settings, resolve: Resolve = look_up) -> None:
    """Raises ValidationError if webhooks may not be sent to this URL at present."""
    try:
        await AddressPolicy.from_settings(settings, resolve).find_destination(url)
    except UndeliverableError as error:
        raise ValidationError(errors=(FieldError(str(error), pointer="#/url"),)) from None
