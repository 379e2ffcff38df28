"""Sending a signed request to the receiver of a webhook (Standard Webhooks 1.0)."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from time import monotonic
from typing import Any

import httpcore
from standardwebhooks import Webhook as Signer

from app.clock import aware_utc
from services.common.offload import run_in_thread
from services.webhooks.addresses import AddressPolicy, Destination
from services.webhooks.urls import UndeliverableError

SEND_SECONDS = 15.0
"""How long an attempt may take as a whole: the look-up, the connection, the request and the response."""

CONNECT_SECONDS = 5.0
"""How long the connection to one address may take. The next address is tried then."""

MAX_ADDRESSES = 3
"""How many addresses of a host are tried."""

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 4 * 1024
READ_BYTES = 1024

MAX_RETRY_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the id is the same in each attempt, so that the receiver recognizes a repetition."""

    id: str
    body: str


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of an attempt: the status of the response, or a sentence that says why there is none.

    A redirect has both, because it is not followed.
    """

    status_code: int | None
    error: str | None
    milliseconds: int
    retry_after: timedelta | None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has accepted the message."""
        return self.status_code is not None and 200 <= self.status_code < 300  # noqa: PLR2004 -- the class 2xx


class WebhookSender:
    """Sends requests to addresses that the policy allows. Proxies of the environment are not used."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._tls: ssl.SSLContext | None = None
        self._user_agent = f"task-timer/{version('task-timer')}"

    async def send(self, url: str, message: Message, *, secrets: Sequence[str], now: datetime) -> SendResult:
        """Send the message, signed with each of the secrets. Takes at most SEND_SECONDS, and raises nothing."""
        started, error = monotonic(), None
        headers = {
            "User-Agent": self._user_agent,
            "Content-Type": "application/json",
            "Connection": "close",
            **signature_headers(message, secrets=secrets, now=now),
        }
        exchange = _Exchange(message.body.encode(), headers)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                destination = await self._policy.find_destination(url)
                tls = await self._tls_context() if destination.url.scheme == "https" else None
                await exchange.run(destination, tls)
        except TimeoutError:
            error = f"The receiver did not respond within {SEND_SECONDS:.0f} seconds."
        except UndeliverableError as refusal:
            error = f"The URL {refusal}."
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failure:
            error = _describe(failure)
        finally:
            await exchange.close()
        response, milliseconds = exchange.response, int((monotonic() - started) * 1000)
        if response is None:
            return SendResult(None, error or "There was no response.", milliseconds, None)
        return _read_response(response, milliseconds, now)

    async def _tls_context(self) -> ssl.SSLContext:
        """Return the context that verifies certificates and host names. Loading the certificates takes a while."""
        if self._tls is None:
            self._tls = await run_in_thread(httpcore.default_ssl_context)
        return self._tls


def signature_headers(message: Message, *, secrets: Iterable[str], now: datetime) -> dict[str, str]:
    """Return the headers that identify and sign the message. `now` is naive or aware UTC."""
    timestamp = aware_utc(now)
    signatures = [Signer(secret).sign(message.id, timestamp, message.body) for secret in secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(timestamp.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def parse_retry_after(text: str, now: datetime) -> timedelta | None:
    """Return how long to wait by the header Retry-After (RFC 9110 section 10.2.3), at most MAX_RETRY_AFTER."""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(float(text), MAX_RETRY_AFTER.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
        delay = (moment if moment.tzinfo else aware_utc(moment)) - aware_utc(now)
    except (ValueError, OverflowError):
        return None
    return min(max(delay, timedelta(0)), MAX_RETRY_AFTER)


class _Exchange:
    """One request and its response, on a connection of its own."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self._body = body
        self._headers = headers
        self._connector: _Connector | None = None
        self.response: httpcore.Response | None = None
        """The response, as soon as its status and headers have been received."""

    async def run(self, destination: Destination, tls: ssl.SSLContext | None) -> None:
        """Send the request to one of the addresses, and receive the response."""
        url = httpcore.URL(
            scheme=destination.url.scheme,
            host=destination.url.host,
            port=destination.url.port,
            target=destination.url.target,
        )
        headers = {"Host": destination.url.host_header, "Content-Length": str(len(self._body)), **self._headers}
        request = httpcore.Request("POST", url, headers=[*headers.items()], content=self._body)
        self._connector = _Connector(destination.addresses)
        connection = httpcore.AsyncHTTPConnection(url.origin, ssl_context=tls, network_backend=self._connector)
        response = await connection.handle_async_request(request)
        self.response = response
        await self._read_body(response, self._connector)

    async def _read_body(self, response: httpcore.Response, connector: "_Connector") -> None:
        """Read the beginning of the body, so that a receiver with a short response can complete it."""
        connector.limit(MAX_BODY_BYTES - READ_BYTES)  # the last read of the head may have included READ_BYTES of it
        try:
            await response.aread()
        except (httpcore.NetworkError, httpcore.ProtocolError):
            return  # the status is known

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connector is not None:
            await self._connector.close()


class _Connector(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, whatever the host name of the request resolves to."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses[:MAX_ADDRESSES]
        self._backend = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None
        self._budget = _Budget(MAX_HEAD_BYTES)

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 -- the parameters are those of the base class
        port: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that accepts the connection."""
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                self._stream = await self._backend.connect_tcp(address, port, timeout=CONNECT_SECONDS)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _LimitedStream(self._stream, self._budget)
        raise failure

    def limit(self, remaining: int) -> None:
        """Read at most so many more bytes."""
        self._budget.remaining = remaining

    async def close(self) -> None:
        """Close the connection. The HTTP client does not close it when the TLS handshake is cancelled."""
        if self._stream is not None:
            await self._stream.aclose()


@dataclass(slots=True)
class _Budget:
    """How many bytes of the response may still be read."""

    remaining: int


class _LimitedStream(httpcore.AsyncNetworkStream):
    """A stream that ends when its budget is used up."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 -- as the base class
        allowed = min(max_bytes, READ_BYTES, self._budget.remaining)
        if allowed <= 0:
            return b""
        content = await self._stream.read(allowed, timeout)
        self._budget.remaining -= len(content)
        return content

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- as the base class
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- as the base class
    ) -> httpcore.AsyncNetworkStream:
        return _LimitedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _read_response(response: httpcore.Response, milliseconds: int, now: datetime) -> SendResult:
    is_redirect = 300 <= response.status < 400  # noqa: PLR2004 -- the class 3xx
    error = "The response is a redirect, which is not followed." if is_redirect else None
    retry_after = next((value for name, value in response.headers if name.lower() == b"retry-after"), None)
    delay = None if retry_after is None else parse_retry_after(retry_after.decode("latin-1"), now)
    return SendResult(response.status, error, milliseconds, delay)


def _describe(failure: Exception) -> str:
    """Return a sentence about a failure, without the address that was connected to."""
    cause = failure.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate of the receiver is not valid: {cause.verify_message.rstrip('.')}."
    if isinstance(cause, ssl.SSLError):
        return "The TLS handshake with the receiver failed."
    if isinstance(failure, httpcore.ConnectError | httpcore.ConnectTimeout):
        return "The receiver did not accept the connection."
    if isinstance(failure, httpcore.ProtocolError):
        return "The receiver did not send a valid HTTP response."
    return "The connection to the receiver was lost."
