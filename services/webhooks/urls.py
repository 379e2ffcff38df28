"""The URLs of webhooks. Parsing is strict, so that no other parser can read another host from the same text."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

MAX_URL_LENGTH = 2048
MAX_HOST_LENGTH = 253
MAX_PORT = 65_535
DEFAULT_PORTS = {"https": 443, "http": 80}

BLOCKED_PORTS = frozenset(
    {
        *(0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179),
        *(389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601),
        *(636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    }
)
"""The ports of other protocols, as the Fetch Standard lists them (section "port blocking"), and 0."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?P<fragment>#?).*")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")
_TARGET = re.compile(r"(?:[A-Za-z0-9/?:@!$&'()*+,;=\[\]._~-]|%[0-9A-Fa-f]{2})*")
_INVISIBLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UndeliverableError(Exception):
    """Nothing may be sent to this URL. The message is a predicate, and its subject is the URL."""


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """A parsed URL.

    `host` is a host name in ASCII or an IP address without brackets. `target` is the path with the query.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The IP address that the URL contains instead of a host name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def host_header(self) -> str:
        """The value of the header Host (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str, *, allow_http: bool) -> WebhookUrl:
    """Parse the URL of a webhook (RFC 3986). Raises UndeliverableError."""
    if len(text) > MAX_URL_LENGTH:
        raise UndeliverableError(f"has more than {MAX_URL_LENGTH:,} characters")
    if _INVISIBLE.search(text):
        raise UndeliverableError("contains a space or a control character")
    parts = _URL.fullmatch(text)
    if parts is None:
        raise UndeliverableError("is not a complete URL (example: https://hooks.example.com/task-timer)")
    scheme = parts["scheme"].lower()
    if scheme != "https" and not (scheme == "http" and allow_http):
        raise UndeliverableError("does not begin with https:// or http://" if allow_http else "is not an https URL")
    if parts["fragment"]:
        raise UndeliverableError("has a fragment (#), which is never sent")
    if not _TARGET.fullmatch(parts["target"]):
        raise UndeliverableError("has a character in its path or query that must be percent-encoded")
    host, port = _parse_authority(parts["authority"], DEFAULT_PORTS[scheme])
    target = parts["target"]
    return WebhookUrl(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _parse_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise UndeliverableError("contains a user name or password")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise UndeliverableError("has no valid host or port")
    port = int(parts["port"] or default_port)
    if port in BLOCKED_PORTS or port > MAX_PORT:
        raise UndeliverableError(f"has the port {port}, which is not allowed")
    return _parse_host(parts["host"]), port


def _parse_host(text: str) -> str:
    if text.startswith("["):
        return _parse_ipv6(text[1:-1])
    host = text.lower() if text.isascii() else _to_ascii(text)
    if len(host) > MAX_HOST_LENGTH or not _HOST_NAME.fullmatch(host):
        raise UndeliverableError("does not have a valid host name")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):  # other parsers read 2130706433, 0x7f.1 and 127.1 as 127.0.0.1
        return _parse_ipv4(host)
    return host


def _to_ascii(host: str) -> str:
    """Convert an internationalized host name to ASCII (IDNA 2008 with the mapping of UTS 46)."""
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:  # IDNAError is one
        raise UndeliverableError("does not have a valid host name") from None


def _parse_ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise UndeliverableError("has an IPv4 address that is not four decimal numbers from 0 to 255") from None


def _parse_ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise UndeliverableError("has an invalid IPv6 address") from None
