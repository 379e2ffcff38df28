"""The order of the tests with several workers: the long ones first, distributed evenly.

An idle worker takes over half of the remaining tests of another one. So a long test delays the end of a run only if it
is one of the last.
"""

from itertools import groupby

import pytest

LONG_FILES = (
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
    "tests/feed/test_relay.py",
    "tests/feed/test_workers.py",
    "tests/contract/test_access_matrix.py",
    "tests/contract/openapi/test_responses.py",
    "tests/page/lists/test_tasks.py",
    "tests/page/week/test_week.py",
    "tests/page/test_reports.py",
    "tests/page/test_settings.py",
    "tests/contract/http/test_crashes.py",
    "tests/contract/http/test_request_log.py",
    "tests/operation/commands/test_commands.py",
    "tests/operation/crash/test_timer_survives_crashes.py",
    "tests/webhooks/test_workers.py",
    "tests/operation/server/test_log_secrets.py",
)
"""Files with tests that take seconds. Those of the first ones take longest."""


def workers_for(cores: int) -> int:
    """Return the number of workers: two per core, since many tests wait for processes."""
    return 2 * cores


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order the tests in one part of equal size per worker. Each part begins with its share of the long files.

    The tests of a file stay together, since they share fixtures.
    """
    long_tests = [item for item in items if _rank(item) < len(LONG_FILES)]
    rest = [item for item in items if _rank(item) == len(LONG_FILES)]
    files = [list(tests) for _, tests in groupby(sorted(long_tests, key=_rank), key=_rank)]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        ordered += [item for tests in files[worker::workers] for item in tests]
        size = len(items) * (worker + 1) // workers - len(ordered)
        ordered += rest[: max(size, 0)]
        del rest[: max(size, 0)]
    return ordered


def _rank(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    return LONG_FILES.index(file) if file in LONG_FILES else len(LONG_FILES)
