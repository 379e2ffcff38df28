"""The receiver in docs/integrations.rst verifies what the service sends."""

import asyncio
import os
import re
import sys
from textwrap import dedent

from services.webhooks.addresses import AddressPolicy
from services.webhooks.sender import SendResult, WebhookSender
from tests.paths import ROOT
from tests.support.processes import free_port
from tests.webhooks.test_sender import MESSAGE, OLD_SECRET, SECRET, send

PATIENCE_SECONDS = 60


def documented_receiver() -> str:
    """Return the program."""
    page = (ROOT / "docs" / "integrations.rst").read_text()
    block = re.search(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", page, re.MULTILINE)
    assert block is not None
    return dedent(block[1])


async def send_until_connected(url: str, secret: str) -> SendResult:
    sender = WebhookSender(AddressPolicy(allow_http=True, allow_private=True))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            result = await send(url, secret, by=sender)
            if result.status_code is not None:
                return result
            await asyncio.sleep(0.05)


class TestDocumentedReceiver:
    async def test_accepts_valid_signatures_only(self) -> None:
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", documented_receiver()),
            env={**os.environ, "SECRET": SECRET, "PORT": str(port)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}/"
            assert (await send_until_connected(url, SECRET)).status_code == 204
            assert (await send_until_connected(url, OLD_SECRET)).status_code == 401
        finally:
            process.terminate()
            output, _ = await process.communicate()
        assert output.decode().split()[:2] == [MESSAGE.id, "timer.started"]

    def test_has_about_twenty_lines(self) -> None:
        assert len([line for line in documented_receiver().splitlines() if line]) <= 20
