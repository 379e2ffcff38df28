"""Which tests run with a fault, and in which order."""

import random
from collections import Counter
from itertools import accumulate

from tests.mutation.coverage_map import Map

SLOW_SECONDS = 15.0
FIRST_SECONDS = 2.0
"""The total time of the quickest tests, which run first because they cost nothing."""
QUICK_SECONDS = 20.0
MAX_QUICK_TESTS = 300
"""The quickest tests are tried in any case, up to this time and number: one of several hundred may detect the fault."""


def choose_tests(known: Map, tests: set[str], count: int, generator: random.Random) -> list[str]:
    """Choose about `count` tests, and all quick ones, in the order in which they run.

    The quickest are first, then those that execute the fewest lines, because they examine these most closely. Random
    ones follow.
    """
    quick = {test for test in tests if known.seconds[test] < SLOW_SECONDS} or tests
    narrow = _narrowest(known, quick)
    first, rest = narrow[: count * 2 // 3], narrow[count * 2 // 3 :]
    others = generator.sample(rest, min(len(rest), count - len(first)))
    quick_ones = quickest(known, quick, QUICK_SECONDS)[:MAX_QUICK_TESTS]
    return list(dict.fromkeys([*quickest(known, quick, FIRST_SECONDS), *first, *others, *quick_ones]))


def _narrowest(known: Map, tests: set[str]) -> list[str]:
    """Order the tests by the number of lines that they execute: one case of each test, then the second cases."""
    cases: Counter[str] = Counter()
    ranks: dict[str, int] = {}
    ordered = sorted(tests, key=lambda test: (known.breadth[test], test))
    for test in ordered:
        function = test.partition("[")[0]
        ranks[test] = cases[function]
        cases[function] += 1
    return sorted(ordered, key=lambda test: ranks[test])


def quickest(known: Map, tests: set[str], seconds: float) -> list[str]:
    """Return the quickest tests, as many as take this time together."""
    ordered = sorted(tests, key=lambda test: (known.seconds[test], test))
    totals = accumulate(known.seconds[test] for test in ordered)
    return [test for test, total in zip(ordered, totals, strict=True) if total <= seconds]
