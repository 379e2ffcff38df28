"""In which order the tests run when several workers share them: the long ones first, dealt out evenly.

A worker that has nothing left takes over half of what another has still to do, so only a long test at the end
makes the others wait for it.
"""

from itertools import groupby

import pytest

LONG_ONES = (
    "tests/operation/commands/test_serve_command.py",
    "tests/operation/store/test_worker_store.py",
    "tests/operation/crash/test_kills.py",
    "tests/operation/crash/test_shutdown.py",
    "tests/races/test_users_on_large_tasks.py",
    "tests/operation/store/test_hanging_store.py",
    "tests/operation/server/test_workers.py",
    "tests/races/test_mixed_load.py",
    "tests/operation/commands/test_backups.py",
    "tests/operation/commands/test_standard_streams.py",
    "tests/races/test_state_machine.py",
    "tests/contract/openapi/test_schemathesis.py",
    "tests/operation/store/test_outages.py",
    "tests/operation/store/test_unfit_databases.py",
    "tests/operation/server/test_reverse_proxy.py",
    "tests/operation/server/test_slow_clients.py",
    "tests/operation/crash/test_exact_kills.py",
    "tests/operation/crash/test_killed_imports.py",
    "tests/contract/input/test_hostile_input.py",
    "tests/operation/store/test_embedded_store.py",
)
"""Files with tests that take seconds, the longest ones first."""


def workers_for(cores: int) -> int:
    """More than one worker a core: many a test waits for a process to start or to end."""
    return cores + (cores + 1) // 2


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in as many equal parts one after the other, each of which begins with its share of the long ones.

    The tests of one file stay together, since they share what is started for them.
    """
    long_ones = [item for item in items if _rank(item) < len(LONG_ONES)]
    rest = [item for item in items if _rank(item) == len(LONG_ONES)]
    files = [list(tests) for _, tests in groupby(sorted(long_ones, key=_rank), key=_rank)]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        ordered += [item for tests in files[worker::workers] for item in tests]
        size = len(items) * (worker + 1) // workers - len(ordered)
        ordered += rest[: max(size, 0)]
        del rest[: max(size, 0)]
    return ordered


def _rank(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    return LONG_ONES.index(file) if file in LONG_ONES else len(LONG_ONES)
