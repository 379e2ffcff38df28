"""Sending a signed request to a receiver that responds, fails, hangs or sends too much."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import monotonic

import pytest
from standardwebhooks import WebhookVerificationError

from app.clock import utc_now
from services.webhooks import sender
from services.webhooks.addresses import AddressPolicy, look_up
from services.webhooks.sender import Message, SendResult, WebhookSender, parse_retry_after
from tests.support.processes import free_port
from tests.webhooks.receiver import HOST, Authority, Receiver, answer, close, endless, hang, raw, receiving
from tests.webhooks.test_addresses import EVERY_FAMILY, resolving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
MESSAGE = Message("674855d1c0ffee0000000001", '{"type":"timer.started","data":{"note":"Gr\u00fc\u00dfe"}}')
LENIENT = WebhookSender(AddressPolicy(allow_http=True, allow_private=True))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PATIENCE_SECONDS = 60


def lenient(*answers: Sequence[str]) -> WebhookSender:
    """Return a sender that may use HTTP and private addresses, with these results of its look-ups."""
    return WebhookSender(AddressPolicy(allow_http=True, allow_private=True, resolve=resolving(*answers)))


async def send(url: str, *secrets: str, by: WebhookSender = LENIENT) -> SendResult:
    return await by.send(url, MESSAGE, secrets=secrets or (SECRET,), now=utc_now())


class TestRequest:
    async def test_receiver_gets_the_signed_message(self) -> None:
        async with receiving() as receiver:
            result = await send(receiver.url)
        (received,) = receiver.received
        assert (result.status_code, result.error, result.is_success, result.retry_after) == (200, None, True, None)
        assert received.target == "/hook?a=b"
        assert received.body == MESSAGE.body.encode()
        assert received.headers["webhook-id"] == MESSAGE.id
        assert received.headers["content-type"] == "application/json"
        assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert received.headers["user-agent"].startswith("task-timer/")
        received.verify(SECRET)
        with pytest.raises(WebhookVerificationError):
            received.verify(OLD_SECRET)

    async def test_both_secrets_sign_after_a_rotation(self) -> None:
        async with receiving() as receiver:
            await send(receiver.url, SECRET, OLD_SECRET)
        (received,) = receiver.received
        received.verify(SECRET)
        received.verify(OLD_SECRET)
        assert received.headers["webhook-signature"].count("v1,") == 2

    async def test_connection_is_closed_afterwards(self) -> None:
        async with receiving(answer(200, b"ok")) as receiver:
            await send(receiver.url)
            await asyncio.wait_for(receiver.closed.wait(), PATIENCE_SECONDS)
            assert receiver.received[0].headers["connection"] == "close"

    async def test_proxy_of_the_environment_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with receiving() as proxy, receiving() as receiver:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert (await send(receiver.url)).is_success
            assert not proxy.received


class TestResponse:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    async def test_2xx_is_a_success(self, status: int) -> None:
        async with receiving(answer(status)) as receiver:
            assert (await send(receiver.url)).is_success

    @pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
    async def test_other_status_is_a_failure(self, status: int) -> None:
        async with receiving(answer(status, b"text")) as receiver:
            result = await send(receiver.url)
        assert (result.status_code, result.error, result.is_success) == (status, None, False)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirect_is_not_followed(self, status: int) -> None:
        async with receiving() as target, receiving(answer(status, Location=target.url)) as receiver:
            result = await send(receiver.url)
            assert (result.status_code, result.is_success) == (status, False)
            assert result.error == "The response is a redirect, which is not followed."
            assert len(receiver.received) == 1
            assert not target.received

    async def test_retry_after_is_returned(self) -> None:
        async with receiving(answer(429, Retry_After="120")) as receiver:
            assert (await send(receiver.url)).retry_after == timedelta(minutes=2)

    async def test_informational_responses_are_skipped(self) -> None:
        early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        async with receiving(raw(early + b"HTTP/1.1 204 No Content\r\n\r\n")) as receiver:
            assert (await send(receiver.url)).status_code == 204

    @pytest.mark.parametrize(
        "content",
        [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01"],
    )
    async def test_invalid_response_is_a_failure(self, content: bytes) -> None:
        async with receiving(raw(content)) as receiver:
            result = await send(receiver.url)
        assert (result.status_code, result.is_success) == (None, False)
        assert result.error == "The receiver did not send a valid HTTP response."

    async def test_incomplete_body_does_not_matter(self) -> None:
        async with receiving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")) as receiver:
            assert (await send(receiver.url)).is_success

    async def test_refused_connection_is_a_failure(self) -> None:
        result = await send(f"http://127.0.0.1:{free_port()}/")
        assert (result.status_code, result.error) == (None, "The receiver did not accept the connection.")


class TestLimits:
    @pytest.fixture(autouse=True)
    async def short_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with receiving() as receiver:
            await send(receiver.url)  # the first request takes longer
        monkeypatch.setattr(sender, "SEND_SECONDS", 1.0)

    async def timed_send(self, receiver: Receiver) -> SendResult:
        """Send a message. Assert that the time limit holds and that the connection is closed."""
        started = monotonic()
        result = await send(receiver.url)
        assert monotonic() - started < PATIENCE_SECONDS
        await asyncio.wait_for(receiver.closed.wait(), PATIENCE_SECONDS)
        return result

    async def test_receiver_that_hangs_is_abandoned(self) -> None:
        async with receiving(hang) as receiver:
            result = await self.timed_send(receiver)
        assert (result.status_code, result.error) == (None, "The receiver did not respond within 1 seconds.")
        assert result.milliseconds >= 1000

    @pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: "])
    async def test_receiver_that_drips_headers_is_abandoned(self, head: bytes) -> None:
        async with receiving(endless(head, b"H", pause_seconds=0.02)) as receiver:
            result = await self.timed_send(receiver)
        assert (result.status_code, result.error) == (None, "The receiver did not respond within 1 seconds.")

    async def test_receiver_that_drips_its_body_has_responded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sender, "SEND_SECONDS", 4.0)  # the head must arrive within it, on a busy machine too
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        async with receiving(endless(head, b".", pause_seconds=0.02)) as receiver:
            result = await self.timed_send(receiver)
        assert (result.status_code, result.error, result.is_success) == (200, None, True)

    async def test_look_up_counts(self) -> None:
        async def resolve(_host: str) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

        result = await send(f"https://{HOST}/", by=WebhookSender(AddressPolicy(False, False, resolve)))
        assert result.error == "The receiver did not respond within 1 seconds."

    async def test_receiver_that_does_not_speak_tls_is_abandoned(self) -> None:
        async with await asyncio.start_server(_read_without_reply, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            result = await send(f"https://127.0.0.1:{port}/")
        assert result.error == "The receiver did not respond within 1 seconds."


class TestLargeResponses:
    @pytest.mark.parametrize("length", ["Content-Length: 10485760", "Transfer-Encoding: chunked", "X-None: 0"])
    async def test_body_is_not_read_beyond_its_beginning(self, length: str) -> None:
        part = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
        async with receiving(endless(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode(), part)) as receiver:
            result = await send(receiver.url)
            await asyncio.wait_for(receiver.closed.wait(), PATIENCE_SECONDS)
        assert (result.status_code, result.error) == (200, None)
        assert result.milliseconds < sender.SEND_SECONDS * 1000

    @pytest.mark.parametrize(
        ("head", "part"),
        [
            (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 1000 + b"\r\n"),
            (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        ],
    )
    async def test_endless_headers_are_a_failure(self, head: bytes, part: bytes) -> None:
        async with receiving(endless(head, part)) as receiver:
            result = await send(receiver.url)
            await asyncio.wait_for(receiver.closed.wait(), PATIENCE_SECONDS)
        assert (result.status_code, result.error) == (None, "The receiver did not send a valid HTTP response.")
        assert result.milliseconds < sender.SEND_SECONDS * 1000


class TestAddresses:
    @pytest.mark.parametrize("address", EVERY_FAMILY)
    async def test_nothing_is_sent_to_an_address_that_is_not_public(self, address: str) -> None:
        strict = WebhookSender(AddressPolicy(True, False, resolving([address])))
        result = await send(f"http://{HOST}:{free_port()}/", by=strict)
        assert (result.status_code, result.error) == (None, "The URL has a host whose addresses are not all public.")

    async def test_nothing_is_sent_to_a_host_that_has_moved_to_loopback(self) -> None:
        policy = AddressPolicy(True, False, resolving(["1.1.1.1"], ["127.0.0.1"]))
        async with receiving() as receiver:
            url = receiver.url_of(HOST, "http")
            await policy.find_destination(url)
            assert (await send(url, by=WebhookSender(policy))).status_code is None
            assert not receiver.received

    async def test_connection_goes_to_the_address_that_was_checked(self) -> None:
        async with receiving() as receiver:
            rebinding = lenient(["127.0.0.1"], ["127.0.0.2"])
            assert (await send(receiver.url_of(HOST, "http"), by=rebinding)).is_success
            assert receiver.received[0].headers["host"] == f"{HOST}:{receiver.port}"
            assert (await send(receiver.url_of(HOST, "http"), by=rebinding)).status_code is None

    async def test_next_address_is_tried_if_one_does_not_accept_the_connection(self) -> None:
        async with receiving() as receiver:
            assert (await send(receiver.url_of(HOST, "http"), by=lenient(["127.0.0.2", "127.0.0.1"]))).is_success
            assert len(receiver.received) == 1

    async def test_http_url_is_refused_unless_it_is_allowed(self) -> None:
        async with receiving() as receiver:
            strict = WebhookSender(AddressPolicy(False, True, look_up))
            assert (await send(receiver.url, by=strict)).error == "The URL is not an https URL."
            assert not receiver.received

    async def test_ipv6_address_is_in_brackets_in_the_host_header(self) -> None:
        receiver = Receiver()
        try:
            server = await asyncio.start_server(receiver.handle, "::1", 0, family=socket.AF_INET6)
        except OSError:  # a machine without IPv6
            return
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert (await send(f"http://[::1]:{port}/")).is_success
            assert receiver.received[0].headers["host"] == f"[::1]:{port}"


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture
    def trusted(self, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
        """An authority that the system trusts."""
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        return authority

    async def test_certificate_of_the_host_name_is_accepted(self, trusted: Authority) -> None:
        async with receiving(tls=trusted.context_of(HOST)) as receiver:
            result = await send(receiver.url_of(HOST), by=lenient(["127.0.0.1"]))
        assert (result.status_code, result.error) == (200, None)
        assert receiver.received[0].server_name == HOST
        receiver.received[0].verify(SECRET)

    async def test_certificate_of_another_host_is_refused(self, trusted: Authority) -> None:
        async with receiving(tls=trusted.context_of("other.example.com")) as receiver:
            result = await send(receiver.url_of(HOST), by=lenient(["127.0.0.1"]))
        assert result.error is not None
        assert result.error.startswith("The certificate of the receiver is not valid: Hostname mismatch")
        assert not receiver.received

    async def test_certificate_of_an_unknown_authority_is_refused(self, authority: Authority) -> None:
        async with receiving(tls=authority.context_of(HOST)) as receiver:
            result = await send(receiver.url_of(HOST), by=lenient(["127.0.0.1"]))
        assert result.error is not None
        assert result.error.startswith("The certificate of the receiver is not valid: ")
        assert not receiver.received

    async def test_certificate_of_a_host_name_does_not_fit_an_address(self, trusted: Authority) -> None:
        async with receiving(tls=trusted.context_of(HOST)) as receiver:
            result = await send(receiver.url_of("127.0.0.1"), by=lenient())
        assert result.error is not None
        assert result.error.startswith("The certificate of the receiver is not valid: IP address mismatch")

    async def test_large_body_is_not_read_beyond_its_beginning(self, trusted: Authority) -> None:
        reply = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n", b"x" * 65536)
        async with receiving(reply, tls=trusted.context_of(HOST)) as receiver:
            assert (await send(receiver.url_of(HOST), by=lenient(["127.0.0.1"]))).is_success
            await asyncio.wait_for(receiver.closed.wait(), PATIENCE_SECONDS)

    async def test_plain_http_is_a_failed_handshake(self) -> None:
        async with await asyncio.start_server(_respond_without_tls, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert (await send(f"https://127.0.0.1:{port}/")).error == "The TLS handshake with the receiver failed."


async def _respond_without_tls(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await close(writer)


async def _read_without_reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await close(writer)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            *(("0", 0), ("120", 120), ("86400", 86400), ("86401", 86400), ("0000000000000120", 120)),
            ("9" * 5000, 86400),
            *(("-1", None), ("1.5", None), ("soon", None), ("", None), ("\u0661", None), ("\u00b2", None)),
            (format_datetime(NOW + timedelta(minutes=1), usegmt=True), 60),
            (format_datetime(NOW - timedelta(minutes=1), usegmt=True), 0),
            (format_datetime(NOW + timedelta(days=9), usegmt=True), 86400),
            ("Sat, 28 Nov 2026 12:01:00", 60),
            ("Sat, 28 Nov 2026 14:01:00 +0200", 60),
            *(("Sat, 99 Nov 2026 12:01:00 GMT", None), ("Sat, 28 Nov 2026 12:01:00 +99999999999999999999", None)),
        ],
    )
    def test_is_seconds_or_a_date_of_at_most_24_hours(self, text: str, seconds: int | None) -> None:
        assert parse_retry_after(text, NOW) == (None if seconds is None else timedelta(seconds=seconds))
