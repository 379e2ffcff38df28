"""The removal of expired documents, in the background of each process.

MongoDB removes them itself. SecantusDB would stop all other commands while it reads whole collections, so its removal
is disabled (app/embedded/secantus_server.py).
"""

import asyncio
import random

from app.clock import naive_utc, utc_now
from documents.maintenance.expiry import remove_expired
from services.common.outages import Outages

INTERVAL_SECONDS = 60.0
"""How often expired documents are removed. The same as in MongoDB."""


async def remove_expired_documents() -> None:
    """Remove expired documents until the task is cancelled. Several processes begin at different times."""
    outages = Outages("expired_documents_not_removed")
    await asyncio.sleep(random.uniform(0, INTERVAL_SECONDS))  # noqa: S311 -- not a secret
    while True:
        with outages.logged():
            await remove_expired(naive_utc(utc_now()))
        await asyncio.sleep(INTERVAL_SECONDS)
