"""The URLs and network addresses that webhooks may be sent to."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from app.config import Settings
from app.errors import ValidationError
from services.webhooks import addresses
from services.webhooks.addresses import AddressPolicy, Resolve, is_public, look_up, require_deliverable
from services.webhooks.urls import BLOCKED_PORTS, UndeliverableError, parse_url

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:2800:21f:cb07::1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2001:4860::8888"]

NOT_PUBLIC = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00:ec2::254", "fec0::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%1", "fe80::1%eth0"],
    "shared by a provider's customers": ["100.64.0.1", "100.100.100.200", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "4000::1", "100::1", "5f00::1"],
    "protocol assignments": ["192.0.0.8", "192.0.0.192", "192.88.99.1", "2001:1::1", "2001:20::1", "168.63.129.16"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1", "3fff::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:224.0.0.1"],
    "IPv4-compatible": ["::127.0.0.1", "::10.0.0.1", "::1.1.1.1"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:1.1.1.1"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::100.64.0.1"],
    "NAT64 for local use": ["64:ff9b:1::1", "64:ff9b:1:fffe::1.1.1.1"],
    "6to4": ["2002:7f00:1::1", "2002:a00:1::", "2002:101:101::"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:80ff:fffe", "2001::1"],
}
EVERY_FAMILY = [
    pytest.param(address, id=f"{kind}-{address}") for kind, group in NOT_PUBLIC.items() for address in group
]
LITERALS = [address for group in NOT_PUBLIC.values() for address in group if "%" not in address]

INVALID_URLS = [
    *("", "hooks.example.com", "//hooks.example.com/", "https:/hooks.example.com", "https:hooks.example.com"),
    *("ftp://hooks.example.com", "file:///etc/passwd", "gopher://hooks.example.com", "javascript:alert(1)//"),
    *("https://", "https:///path", "https://:443/", "https://?x", "https://#x"),
    *("https://user@hooks.example.com", "https://user:pass@hooks.example.com", "https://@hooks.example.com"),
    *("https://hooks.example.com@127.0.0.1/", "https://hooks.example.com\\@127.0.0.1/", "https://a%40b@c.example/"),
    *("https://hooks.example.com#", "https://hooks.example.com/#x", "https://hooks.example.com/?a#b"),
    *("https://hooks.example.com:0/", "https://hooks.example.com:65536/", "https://hooks.example.com:99999999/"),
    *("https://hooks.example.com:/", "https://hooks.example.com:+443/", "https://hooks.example.com:-1/"),
    *("https://hooks.example.com:443:443/", "https://hooks.example.com:\u0664\u0664\u0663/", "https://a.example:x/"),
    *(" https://hooks.example.com", "https://hooks.example.com ", "https://hooks.example.com/a b"),
    *("https://hooks.example.com/\n", "https://hooks.example.com\r\nX: y", "https://hooks\t.example.com"),
    *("https://hooks.example.com/\x00", "https://hooks.example.com/\x7f", "https://hooks\u3000.example.com"),
    *("https://hooks.example.com/\\", "https://hooks.example.com/\u00fc", "https://hooks.example.com/%zz"),
    *("https://hooks.example.com/{id}", "https://hooks.example.com/<x>", 'https://hooks.example.com/"'),
    *("https://hooks.example.com./", "https://127.0.0.1./", "https://hooks..example.com", "https://.example.com"),
    *("https://-hooks.example.com", "https://hooks-.example.com", f"https://{'a' * 64}.example.com"),
    *(f"https://{'a.' * 127}example.com", f"https://hooks.example.com/{'a' * 2048}"),
    *("https://127%2e0%2e0%2e1/", "https://%6cocalhost/", "https://hooks.example.com%00.example/"),
    *("https://0x7f.1/", "https://0x7f000001/", "https://2130706433/", "https://127.1/", "https://0177.0.0.1/"),
    *("https://017700000001/", "https://127.0.0.1.1/", "https://1.1.1.256/", "https://1.1.1.08/", "https://0x/"),
    *("https://hooks.example.0x7f/", "https://0/", "https://\uff11\uff12\uff17.1/", "https://127\u30021/"),
    *("https://[::1", "https://::1/", "https://[127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%1]/"),
    *("https://[v1.x]/", "https://[::1]x/", "https://[]/", "https://[::g]/", "https://[1:2]/", "https://[::1]:0/"),
    *(
        "https://\u2603.example/",
        "https://a\uff0fb.example/",
        "https://a\uff20b.example/",
        "https://xn--a\u00fc.example/",
    ),
]


@pytest.fixture(name="settings")
def strict_settings(settings: Settings) -> Settings:
    """The settings by default: only https, and only public addresses."""
    return settings.model_copy(update={"webhooks_allow_http": False, "webhooks_allow_private": False})


def resolving(*answers: Sequence[str]) -> Resolve:
    """Return a resolver with these answers to one look-up after the other. The last one is repeated."""
    remaining = list(answers)

    async def resolve(_host: str) -> Sequence[str]:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return resolve


def policy(*answers: Sequence[str], allow_http: bool = False, allow_private: bool = False) -> AddressPolicy:
    return AddressPolicy(allow_http, allow_private, resolving(*answers) if answers else look_up)


async def refusal(url: str, settings: Settings, resolve: Resolve = look_up) -> str:
    """Return the error of a URL that is refused at the creation of a webhook."""
    with pytest.raises(ValidationError) as caught:
        await require_deliverable(url, settings, resolve)
    (error,) = caught.value.errors
    assert error.pointer == "#/url"
    return error.detail


BAD_PORTS = [
    "0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95",
    "101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179",
    "389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995",
    "1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080",
]
"""The bad ports of the Fetch Standard, and 0."""


class TestPublicAddresses:
    @pytest.mark.parametrize("address", PUBLIC)
    def test_public_address_is_accepted(self, address: str) -> None:
        assert is_public(ip_address(address))

    @pytest.mark.parametrize("address", EVERY_FAMILY)
    def test_other_address_is_not_public(self, address: str) -> None:
        assert not is_public(ip_address(address))


class TestParseUrl:
    @pytest.mark.parametrize("url", INVALID_URLS)
    def test_invalid_url_is_refused_with_any_setting(self, url: str) -> None:
        with pytest.raises(UndeliverableError):
            parse_url(url, allow_http=True)

    @pytest.mark.parametrize("ports", BAD_PORTS)
    def test_port_of_another_protocol_is_refused(self, ports: str) -> None:
        for port in ports.split():
            with pytest.raises(UndeliverableError, match=f"has the port {port}, which is not allowed"):
                parse_url(f"https://hooks.example.com:{port}/", allow_http=False)

    def test_all_other_ports_are_accepted(self) -> None:
        bad = set(map(int, " ".join(BAD_PORTS).split()))
        assert bad == BLOCKED_PORTS
        for port in (80, 443, 3000, 8080, 8443, 65_535):
            assert parse_url(f"https://hooks.example.com:{port}/", allow_http=False).port == port

    def test_http_is_refused_unless_it_is_allowed(self) -> None:
        with pytest.raises(UndeliverableError, match="is not an https URL"):
            parse_url("http://hooks.example.com/", allow_http=False)
        assert parse_url("http://hooks.example.com/", allow_http=True).port == 80

    @pytest.mark.parametrize(
        ("url", "host", "port", "target", "header"),
        [
            ("https://hooks.example.com", "hooks.example.com", 443, "/", "hooks.example.com"),
            ("HTTPS://Hooks.Example.COM:443/A?b=C", "hooks.example.com", 443, "/A?b=C", "hooks.example.com"),
            ("https://hooks.example.com?a=@:b", "hooks.example.com", 443, "/?a=@:b", "hooks.example.com"),
            ("https://hooks.example.com:8443/x%20y", "hooks.example.com", 8443, "/x%20y", "hooks.example.com:8443"),
            ("https://my_hooks.example", "my_hooks.example", 443, "/", "my_hooks.example"),
            ("https://b\u00fccher.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
            ("https://B\u00dcCHER.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
            ("https://fa\u00df.example/", "xn--fa-hia.example", 443, "/", "xn--fa-hia.example"),
            ("https://\uff45xample.com/", "example.com", 443, "/", "example.com"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
            ("https://1.1.1.1:8443/", "1.1.1.1", 8443, "/", "1.1.1.1:8443"),
            ("https://\uff11.1.1.1/", "1.1.1.1", 443, "/", "1.1.1.1"),
            ("https://[2606:4700:0::1111]/", "2606:4700::1111", 443, "/", "[2606:4700::1111]"),
            ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"),
            ("https://4.example/", "4.example", 443, "/", "4.example"),
        ],
    )
    def test_valid_url_is_parsed(self, url: str, host: str, port: int, target: str, header: str) -> None:
        parsed = parse_url(url, allow_http=False)
        assert (parsed.host, parsed.port, parsed.target, parsed.host_header) == (host, port, target, header)


class TestCreation:
    async def test_host_with_public_addresses_is_accepted(self, settings: Settings) -> None:
        await require_deliverable("https://hooks.example.com/", settings, resolving(PUBLIC))

    @pytest.mark.parametrize("url", ["https://1.1.1.1/", "https://[2606:4700::1111]:8443/"])
    async def test_public_address_is_accepted_without_a_look_up(self, url: str, settings: Settings) -> None:
        await require_deliverable(url, settings, resolving(["127.0.0.1"]))

    @pytest.mark.parametrize("address", LITERALS)
    async def test_other_address_in_the_url_is_refused(self, address: str, settings: Settings) -> None:
        host = f"[{address}]" if ":" in address else address
        detail = await refusal(f"https://{host}/", settings)
        assert detail == "has a host whose addresses are not all public"

    @pytest.mark.parametrize("address", EVERY_FAMILY)
    async def test_host_with_one_other_address_is_refused(self, address: str, settings: Settings) -> None:
        detail = await refusal("https://hooks.example.com/", settings, resolving([*PUBLIC, address]))
        assert detail == "has a host whose addresses are not all public"

    async def test_invalid_url_is_refused_before_a_look_up(self, settings: Settings) -> None:
        async def resolve(host: str) -> Sequence[str]:
            raise AssertionError(host)

        assert await refusal("http://hooks.example.com/", settings, resolve) == "is not an https URL"

    async def test_host_without_an_address_is_refused(self, settings: Settings) -> None:
        async def resolve(_host: str) -> Sequence[str]:
            raise OSError("no such host")

        for answer in (resolve, resolving([])):
            assert await refusal("https://hooks.example.com/", settings, answer) == "has a host without an address"

    async def test_look_up_has_a_time_limit(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        async def resolve(_host: str) -> Sequence[str]:
            await asyncio.Event().wait()
            return PUBLIC

        monkeypatch.setattr(addresses, "LOOKUP_SECONDS", 0.05)
        detail = await refusal("https://hooks.example.com/", settings, resolve)
        assert detail == "has a host whose address could not be looked up in time"

    async def test_private_host_is_accepted_if_it_is_allowed(self, settings: Settings) -> None:
        lenient = settings.model_copy(update={"webhooks_allow_private": True})
        await require_deliverable("https://127.0.0.1:8443/", lenient)
        await require_deliverable("https://hooks.internal/", lenient, resolving(["10.0.0.1", "fd00::1"]))
        assert await refusal("http://127.0.0.1:8080/", lenient) == "is not an https URL"


class TestDestination:
    async def test_addresses_are_those_of_one_look_up(self) -> None:
        strict = policy(["1.1.1.1", "1.1.1.1", "2606:4700::1111"], ["127.0.0.1"])
        destination = await strict.find_destination("https://hooks.example.com/")
        assert destination.addresses == ("1.1.1.1", "2606:4700::1111")
        assert destination.url.host == "hooks.example.com"

    @pytest.mark.parametrize("address", EVERY_FAMILY)
    async def test_host_that_has_moved_to_another_address_is_refused(self, address: str) -> None:
        strict = policy(["1.1.1.1"], [address])
        await strict.find_destination("https://hooks.example.com/")
        with pytest.raises(UndeliverableError, match="not all public"):
            await strict.find_destination("https://hooks.example.com/")


class TestLookUp:
    async def test_addresses_of_the_system_are_returned(self) -> None:
        assert "127.0.0.1" in await look_up("localhost")
        assert await look_up("127.0.0.1") == ["127.0.0.1"]

    async def test_local_host_is_refused(self, settings: Settings) -> None:
        assert await refusal("https://localhost/", settings) == "has a host whose addresses are not all public"

    async def test_unknown_host_raises_an_os_error(self) -> None:
        with pytest.raises(OSError, match=r"."):
            await look_up(f"{'a' * 64}.invalid")  # too long for a query

    async def test_result_of_an_abandoned_look_up_is_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        may_answer, errors, get_addresses = threading.Event(), list[threading.ExceptHookArgs](), socket.getaddrinfo

        def answer_late(host: bytes, *arguments: Any, **options: Any) -> Any:
            if host == b"late.example.com":
                may_answer.wait()
                host = b"127.0.0.1"
            return get_addresses(host, *arguments, **options)

        monkeypatch.setattr(threading, "excepthook", errors.append)
        monkeypatch.setattr(socket, "getaddrinfo", answer_late)
        looking = asyncio.create_task(look_up("late.example.com"))
        await asyncio.sleep(0)
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "look-up of late.example.com"]
        looking.cancel()
        await asyncio.wait({looking})
        may_answer.set()
        await asyncio.to_thread(thread.join)
        assert not errors

    async def test_look_ups_in_progress_are_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(addresses, "_lookups", threading.BoundedSemaphore(1))
        with addresses._lookups, pytest.raises(UndeliverableError, match="in time"):
            await policy(allow_private=True).find_destination("https://localhost/")
        assert (await policy(allow_private=True).find_destination("https://localhost/")).addresses
