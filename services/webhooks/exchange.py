"""An HTTP request to the receiver of a webhook, and its response, on a connection of its own."""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpcore

from services.webhooks.addresses import Destination

CONNECT_SECONDS = 5.0
"""How long the connection to one address may take. The next address is tried then."""

MAX_ADDRESSES = 3
"""How many addresses of a host are tried."""

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 4 * 1024
READ_BYTES = 1024


class Exchange:
    """One request and its response."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self._body = body
        self._headers = headers
        self._connector: _Connector | None = None
        self.response: httpcore.Response | None = None
        """The response, as soon as its status and headers have been received."""

    @staticmethod
    def create_tls_context() -> ssl.SSLContext:
        """Return a context that verifies certificates and host names. Loading the certificates takes a while."""
        return httpcore.default_ssl_context()

    async def run(self, destination: Destination, tls: ssl.SSLContext | None) -> str | None:
        """Send the request to one of the addresses, and receive the response.

        Returns None, or a sentence that says why there is no response.
        """
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
        try:
            response = await connection.handle_async_request(request)
            self.response = response
            await self._read_body(response, self._connector)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as failure:
            return _describe(failure)
        return None

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
