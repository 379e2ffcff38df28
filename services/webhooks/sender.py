"""Sending a signed request to the receiver of a webhook (Standard Webhooks 1.0)."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING

from standardwebhooks import Webhook as Signer

from app.clock import aware_utc
from services.common.offload import run_in_thread
from services.webhooks.addresses import AddressPolicy
from services.webhooks.urls import UndeliverableError

if TYPE_CHECKING:
    from httpcore import Response

    from services.webhooks.exchange import Exchange

SEND_SECONDS = 15.0
"""How long an attempt may take as a whole: the look-up, the connection, the request and the response."""

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
        exchange_class = await run_in_thread(_load_exchange)
        exchange = exchange_class(message.body.encode(), headers)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                destination = await self._policy.find_destination(url)
                tls = await self._tls_context(exchange) if destination.url.scheme == "https" else None
                error = await exchange.run(destination, tls)
        except TimeoutError:
            error = f"The receiver did not respond within {SEND_SECONDS:.0f} seconds."
        except UndeliverableError as refusal:
            error = f"The URL {refusal}."
        finally:
            await exchange.close()
        response, milliseconds = exchange.response, int((monotonic() - started) * 1000)
        if response is None:
            return SendResult(None, error or "There was no response.", milliseconds, None)
        return _read_response(response, milliseconds, now)

    async def _tls_context(self, exchange: "Exchange") -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await run_in_thread(exchange.create_tls_context)
        return self._tls


def _load_exchange() -> "type[Exchange]":
    # httpcore takes 1 MiB in each process that has imported it.
    from services.webhooks.exchange import Exchange  # noqa: PLC0415

    return Exchange


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


def _read_response(response: "Response", milliseconds: int, now: datetime) -> SendResult:
    is_redirect = 300 <= response.status < 400  # noqa: PLR2004 -- the class 3xx
    error = "The response is a redirect, which is not followed." if is_redirect else None
    retry_after = next((value for name, value in response.headers if name.lower() == b"retry-after"), None)
    delay = None if retry_after is None else parse_retry_after(retry_after.decode("latin-1"), now)
    return SendResult(response.status, error, milliseconds, delay)
