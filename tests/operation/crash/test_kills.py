"""What was acknowledged is there after a kill -9 of the service, of its store, of both, or of one of two workers.

`make check` has 8 such rounds, `make test-long` 20, `make crash` 200, or as many as CRASH_ROUNDS says.
"""

import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.operation.crash.figures import PROPERTY, figures
from tests.operation.crash.siege import Siege
from tests.support.http import LONG

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20" if LONG else "8"))
Record = Callable[[str, object], None]

SIEGES = [("first", 1), ("second", 1), ("third", 1), ("fourth", 2)]
"""Seeds, and with how many workers the service serves."""


def kinds(seed: str, workers: int, rounds: int) -> list[str]:
    """What is killed in each of so many rounds: all in turn, each seed from another one on, in an order of chance."""
    several = workers > 1
    begin = 0 if several else SIEGES.index((seed, workers))
    all_kinds = ["worker", "store", "service", "both"][0 if several else 1 :]
    order = [all_kinds[(begin + number) % len(all_kinds)] for number in range(rounds)]
    random.Random(seed).shuffle(order)
    return order


@pytest.mark.parametrize(("seed", "workers"), SIEGES)
class TestKillsInTheMiddleOfAMix:
    async def test_lose_nothing_that_was_acknowledged_and_do_nothing_by_halves(
        self,
        tmp_path: Path,
        database: Database,
        seed: str,
        workers: int,
        record_property: Callable[[str, object], None],
    ) -> None:
        with ExitStack() as stack:
            siege = Siege(tmp_path, seed, workers=workers, stack=stack)
            try:
                for kind in kinds(seed, workers, ROUNDS // len(SIEGES)):
                    await siege.round(kind)
                    await siege.compare(database)
            finally:
                record_property(PROPERTY, figures(siege.ledger, siege.kills))
