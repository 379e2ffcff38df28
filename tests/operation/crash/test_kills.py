"""Acknowledged writes survive a kill -9 of the service, of its store, of both, or of one of two workers.

`make check` runs 5 rounds, with each kind of kill once; `make test-long` runs 20, and `make crash` runs 200.
CRASH_ROUNDS is any other number of rounds.
"""

import os
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.operation.crash.figures import PROPERTY, figures
from tests.operation.crash.scenario import CrashScenario
from tests.support.http import LONG

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20" if LONG else "5"))
SEEDS = ["first", "second", "third"]
"""The seeds of services with one worker. The service of the seed "fourth" has two."""

SCENARIOS = (
    [("first", 1, 3), ("fourth", 2, 2)]
    if ROUNDS < 8
    else [*((seed, 1, ROUNDS // 4) for seed in SEEDS), ("fourth", 2, ROUNDS // 4)]
)
"""Seeds, the number of workers of the service, and the number of rounds."""


def kinds(seed: str, workers: int, rounds: int) -> list[str]:
    """Return what is killed in each round: all kinds in turn, beginning with another one for each seed, shuffled."""
    several = workers > 1
    begin = 0 if several else SEEDS.index(seed)
    all_kinds = ["worker", "store", "service", "both"][0 if several else 1 :]
    order = [all_kinds[(begin + number) % len(all_kinds)] for number in range(rounds)]
    random.Random(seed).shuffle(order)
    return order


@pytest.mark.parametrize(("seed", "workers", "rounds"), SCENARIOS)
class TestKillsDuringALoad:
    async def test_kills_lose_no_acknowledged_write_and_leave_none_half_done(
        self,
        tmp_path: Path,
        database: Database,
        seed: str,
        workers: int,
        rounds: int,
        record_property: Callable[[str, object], None],
    ) -> None:
        with ExitStack() as stack:
            scenario = CrashScenario(tmp_path, seed, workers=workers, stack=stack)
            try:
                for kind in kinds(seed, workers, rounds):
                    await scenario.run_round(kind)
                    await scenario.compare(database)
                assert scenario.pages > 0
            finally:
                record_property(PROPERTY, figures(scenario.ledger, scenario.kills))
