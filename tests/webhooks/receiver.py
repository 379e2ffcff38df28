"""A receiver of webhooks on the loopback interface, with and without TLS."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from app.clock import utc_now
from tests.support.http import Json

HOST = "hooks.example.com"


@dataclass(frozen=True)
class Received:
    """A request that a receiver got."""

    target: str
    headers: dict[str, str]
    body: bytes
    server_name: str | None

    @property
    def json(self) -> Json:
        body: Json = json.loads(self.body)
        return body

    def verify(self, secret: str) -> None:
        """Verify the signature. Raises WebhookVerificationError."""
        Webhook(secret).verify(self.body, self.headers)


Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes the response to a request. The connection is closed afterwards."""


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    """Return the reply with this status. An underscore in the name of a header is a hyphen."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return reply


def raw(content: bytes) -> Reply:
    """Return the reply that writes these bytes."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return reply


def endless(head: bytes, part: bytes, *, pause_seconds: float = 0) -> Reply:
    """Return the reply that writes `head` and then repeats `part` until the client closes the connection."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return reply


async def hang(_writer: asyncio.StreamWriter) -> None:
    """Do not reply."""
    await asyncio.Event().wait()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close the connection, and wait until it is closed."""
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


@dataclass
class Receiver:
    """The receiver: the requests that it got, and its replies. The last reply is repeated."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=lambda: [answer()])
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection was closed."""
    server_names: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"

    def url_of(self, host: str, scheme: str = "https") -> str:
        return f"{scheme}://{host}:{self.port}/hook"

    async def wait_for(self, count: int, seconds: float = 30) -> list[Received]:
        """Return the requests as soon as there are so many."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:  # noqa: ASYNC110 -- an event would have to be reset for each request
                await asyncio.sleep(0.01)
        return self.received

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                self.received.append(await self._read(reader))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                closing = asyncio.create_task(self._wait_until_closed(reader))
                replying = asyncio.ensure_future(reply(writer))
                await asyncio.wait({closing, replying}, return_when=asyncio.FIRST_COMPLETED)
                for task in (closing, replying):
                    task.cancel()
                await asyncio.gather(closing, replying, return_exceptions=True)
            finally:
                await close(writer)
                self.closed.set()

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        method, target, _ = first.split(" ")
        assert method == "POST"
        return Received(target, headers, body, self.server_names[-1] if self.server_names else None)

    async def _wait_until_closed(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            await reader.read()


@asynccontextmanager
async def receiving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver with these replies while the block runs."""
    receiver = Receiver(replies=list(replies or [answer()]))
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.server_names.append(name)
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


class Authority:
    """A certificate authority."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
        certificate = self._certificate(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context_of(self, host: str) -> ssl.SSLContext:
        """Return the TLS context of a server with a certificate for this host name."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._certificate(name, key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = utc_now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )
