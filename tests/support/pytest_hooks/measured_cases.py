"""Which cases of a test are measured by test coverage, with MEASURED_CASES=N: the first N of each parametrized test.

Tracing takes nearly as long as the tests themselves, and the other cases execute mostly the same lines. The result is a
lower bound of the coverage of all cases. Unit tests are always measured, because they are fast and test one case each.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver

import pytest

PROCESS_VARIABLE = "COVERAGE_PROCESS_CONFIG"
"""Makes the processes that a test starts measure their coverage."""

PAGED = "paged"
"""The cases of a test with both storages of entries that are measured first: they execute the lines of both."""

UNIT_TESTS = "tests/unit/"
UNMEASURED = (
    "tests/contract/project/",
    "tests/fuzz/",
    "tests/install/",
    "tests/mutation/",
    "tests/operation/crash/",
    "tests/page/lists/",
    "tests/page/offline/",
    "tests/page/test_",
    "tests/page/week/",
    "tests/races/",
)
"""How the names of tests begin that take long to execute lines which other tests execute too."""

_unmeasured: set[str] = set()


def select(items: list[pytest.Item]) -> None:
    """Select the cases that are not measured. Each worker selects the same ones."""
    cases = int(os.environ.get("MEASURED_CASES", "0"))
    counts: Counter[str] = Counter()
    for item in sorted(items, key=_place):
        test = item.nodeid.partition("[")[0]
        counts[test] += 1
        is_left_out = item.nodeid.startswith(UNMEASURED) or counts[test] > cases
        if cases and is_left_out and not item.nodeid.startswith(UNIT_TESTS):
            _unmeasured.add(item.nodeid)


def _place(item: pytest.Item) -> tuple[bool, tuple[int, ...]]:
    """Return the place of a case among those of its test, in the order of the parameters."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False, ()
    is_hot = item.callspec.params.get("entry_storage", PAGED) != PAGED
    return is_hot, tuple(item.callspec.indices.values())


@contextmanager
def measured_if_selected(item: pytest.Item, *, is_last: bool) -> Iterator[None]:
    """Stop tracing during the block, and in processes that are started in it, if the case is not measured.

    The last test of a worker is measured, because the service ends with it.
    """
    tracer, config = sys.gettrace(), os.environ.get(PROCESS_VARIABLE)
    if tracer is None or config is None or is_last or item.nodeid not in _unmeasured:
        yield
        return
    forkserver.ensure_running()  # while the variable is set, so that it is measured itself
    del os.environ[PROCESS_VARIABLE]
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        os.environ[PROCESS_VARIABLE] = config
