"""The faults of `make mutate`: which exist, and that applying one does not change this process."""

import os
import random
import time
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from documents.tracking.queries import overlap as overlapping
from services.common import intervals
from services.tracking.rules import instants as spans
from tests.mutation.__main__ import EXPLAINED, difference
from tests.mutation.children import apply_fault, in_child, remember_functions
from tests.mutation.coverage_map import OPENAPI_TEST, SCHEMA_TESTS, Map
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.selection import choose_tests, quickest

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
"""The child does not use the threads of this process."""


def faults(source: str) -> list[str]:
    """Return the source with each of its faults."""
    return [mutant.apply(source) for mutant in mutants("one.py", source)]


class TestFaults:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("x = a < b", ["x = a <= b"]),
            ("x = a is None", ["x = a is not None"]),
            ("x = a and b and c", ["x = a or b or c", "x = b and c", "x = a and c", "x = a and b"]),
            ("x = not a", ["x = (a)"]),
            ("x = a if b else c", ["x = a if True else c", "x = a if False else c"]),
            ("x = a - b", ["x = a + b", "x = b - a"]),
            ("x = [a for a in b if c]", ["x = [a for a in b]"]),
            ("x = {'a': b, **c}", ["x = {**c}", "x = {'a': b}"]),
            ("x = [a, b]", ["x = [b]", "x = [a]"]),
            ("x = f(a, b, c=d)", ["x = f(b, a, c=d)", "x = f(a, b)"]),
            ("x = 59", ["x = 60"]),
            ("x = True", ["x = False"]),
            ("x = '$lt'", ["x = '$lte'"]),
            ("x = 'warn'", ["x = 'warn_'"]),
            ("x.y = z", ["pass"]),
            ("f()", ["pass"]),
            ("x += y", ["pass"]),
            ("class A:\n    b: Annotated[int, Field(ge=c)]", ["class A:\n    b: Annotated[int, Field()]"]),
        ],
    )
    def test_source_has_these_faults(self, source: str, expected: list[str]) -> None:
        assert faults(source) == expected

    @pytest.mark.parametrize(
        "source",
        [
            '"""What it does."""',
            "def f(a: Literal['b']) -> None: ...",
            "x: Literal['b']",
            "logger.warning('gone', extra=a)",
            "detail = 'Gone'",
            "x = 'It is gone.'",
            "x = f'{a - b} left'",
            "x = a['b']",
            "if TYPE_CHECKING:\n    import a",
        ],
    )
    def test_source_has_no_fault(self, source: str) -> None:
        assert faults(source) == []

    def test_module_with_a_fault_can_be_compiled(self) -> None:
        path = Path(overlapping.__file__)
        found = list(mutants(str(path), path.read_text()))
        assert len(found) > 50
        for mutant in found:
            compile(mutant.apply(path.read_text()), mutant.file, "exec")


class TestExplainedFaults:
    def test_exist(self) -> None:
        """An explanation of a line that has changed since does not apply any more."""
        for known in tomllib.loads(EXPLAINED.read_text())["fault"]:
            expected, source = known["difference"].strip(), Path(known["file"]).read_text()
            removed = {line[1:].strip() for line in expected.splitlines() if line.startswith("-")}
            lines = [line.strip() for line in source.splitlines()]
            candidates = [
                mutant
                for mutant in mutants(known["file"], source)
                if removed.intersection(lines[mutant.lines.start - 1 : mutant.lines.stop - 1])
                and known.get("function", mutant.function) == mutant.function
            ]
            assert expected in {difference(mutant).strip() for mutant in candidates}, known


def fault(module: str, before: str, after: str) -> Mutant:
    """Return the fault of a module that replaces `before` by `after`."""
    found = mutants(module, Path(module).read_text())
    (mutant,) = [mutant for mutant in found if (mutant.before, mutant.after) == (before, after)]
    return mutant


def seconds_before_the_start() -> int:
    now = datetime(2026, 11, 18, tzinfo=UTC)
    return intervals.seconds_between(now, now - timedelta(minutes=1))


class TestFaultInChild:
    def test_fault_changes_an_imported_function(self) -> None:
        mutant = fault("services/common/intervals.py", "end - start", "start - end")

        def work(_: int) -> int:
            remember_functions()
            apply_fault(mutant)
            return seconds_before_the_start()

        assert in_child(work, 60) == (60, "")
        assert seconds_before_the_start() == 0

    def test_fault_changes_a_constant_of_a_module(self) -> None:
        mutant = fault("services/tracking/rules/instants.py", "60", "61")

        def work(_: int) -> int:
            apply_fault(mutant)
            from services.tracking.rules.instants import MAX_CLOCK_SKEW  # noqa: PLC0415 -- imported again

            return int(MAX_CLOCK_SKEW.total_seconds())

        assert in_child(work, 60) == (61, "")
        assert spans.MAX_CLOCK_SKEW.total_seconds() == 60

    def test_hanging_child_is_killed(self) -> None:
        def work(_: int) -> int:
            time.sleep(60)
            return 0

        began = time.monotonic()
        assert in_child(work, 0.2) == (None, "")
        assert time.monotonic() - began < 30

    def test_lines_of_the_child_are_passed_on_and_restart_the_timeout(self) -> None:
        def work(output: int) -> int:
            for number in range(5):
                time.sleep(0.9)
                os.write(output, f"line {number}\n".encode())
            return 0

        lines: list[str] = []
        assert in_child(work, 4, lines.append)[0] == 0
        assert lines == [f"line {number}" for number in range(5)]

    def test_exception_in_the_child_is_raised(self) -> None:
        def work(_: int) -> int:
            raise KeyError("lost")

        with pytest.raises(RuntimeError, match="KeyError: 'lost'"):
            in_child(work, 60)


class TestChoiceOfTests:
    def test_quickest_tests_are_those_that_take_the_given_time_together(self) -> None:
        known = Map(seconds={"a": 2.0, "b": 0.5, "c": 1.0, "d": 0.25})
        assert quickest(known, {"a", "b", "c"}, 1.5) == ["b", "c"]
        assert quickest(known, {"a"}, 1.5) == []

    def test_one_case_of_each_test_is_chosen_before_the_second_cases(self) -> None:
        breadth = {"narrow[1]": 1, "narrow[2]": 2, "narrow[3]": 3, "wide[1]": 50, "wide[2]": 60}
        known = Map(seconds=dict.fromkeys(breadth, 10.0), breadth=breadth)
        assert choose_tests(known, set(breadth), 3, random.Random(1))[:2] == ["narrow[1]", "wide[1]"]

    def test_quickest_tests_are_first(self) -> None:
        known = Map(seconds={"slow": 5.0, "quick": 0.1}, breadth={"slow": 1, "quick": 100})
        assert choose_tests(known, {"slow", "quick"}, 2, random.Random(1)) == ["quick", "slow"]

    def test_same_seed_chooses_the_same_tests(self) -> None:
        names = [f"test_{number}" for number in range(300)]
        known = Map(seconds=dict.fromkeys(names, 1.0), breadth={name: len(name) for name in names})
        first, second = (choose_tests(known, set(names), 100, random.Random(7)) for _ in range(2))
        assert first == second
        assert 100 <= len(set(first)) == len(first) <= 120


class TestTestsOfALine:
    SOURCE = "def half(a):\n    return a // 2\n\n\ndef twice(a):\n    return a * 2\n"

    def known(self) -> Map:
        known = Map()
        lines = [
            "one.py|half|return a // 2",
            "one.py|twice|return a * 2",
            "services/tracking/rules/instants.py|clamp_to_now|now = utc_now()",
        ]
        known.add({"lines": lines, "tests": {"t_half": (0.1, [0]), "t_both": (0.1, [0, 1]), "t_now": (0.1, [2])}})
        return known

    def test_moved_line_has_the_same_tests(self) -> None:
        for source in (self.SOURCE, f"import os\n\n\n{self.SOURCE}"):
            found = {mutant.after: self.known().tests_of(mutant, source) for mutant in mutants("one.py", source)}
            assert found["a * 2"] == {"t_half", "t_both"}
            assert found["a // 2"] == {"t_both"}

    def test_new_line_has_the_tests_of_its_function(self) -> None:
        (one, *_) = mutants("one.py", "def half(a):\n    return a // 2 - b\n")
        assert self.known().tests_of(one, "def half(a):\n    return a // 2 - b\n") == {"t_half", "t_both"}

    def test_constant_has_the_tests_of_the_functions_that_use_it(self) -> None:
        mutant = fault("services/tracking/rules/instants.py", "60", "61")
        assert self.known().tests_of(mutant, Path("services/tracking/rules/instants.py").read_text()) == {"t_now"}

    @pytest.mark.parametrize(("before", "user"), [("86_400", "finish"), ("3_600", "_write_money")])
    def test_constants_of_one_statement_have_the_tests_of_all_their_users(self, before: str, user: str) -> None:
        known, place = Map(), "services/transfer/export_formats/xlsx_file.py"
        known.add(
            {
                "lines": [f"{place}|EntrySheet.{user}|pass", "services/other.py|other|pass"],
                "tests": {"t": (0.1, [0]), "t_other": (0.1, [1])},
            }
        )
        mutant = fault(place, before, str(int(before) + 1))
        assert known.tests_of(mutant, Path(place).read_text()) == {"t"}

    def test_name_used_at_import_has_the_tests_of_the_functions_that_use_the_result(self) -> None:
        known, place = Map(), "services/transfer/import_formats/values/currencies.py"
        known.add({"lines": [f"{place}|parse_currency|return codes"], "tests": {"t_parse": (0.1, [0])}})
        mutant = fault(place, '"₪"', repr("₪_"))
        assert known.tests_of(mutant, Path(place).read_text()) == {"t_parse"}

    def test_constructor_called_at_import_has_the_tests_of_the_functions_that_use_the_object(self) -> None:
        known, place = Map(), "services/accounts/authentication.py"
        known.add({"lines": ["services/other.py|other|pass"], "tests": {"t_other": (0.1, [0])}})
        user = "services/accounts/users.py|UserService._update_account"
        known.add({"lines": [f"{user}|authentication_service.invalidate()"], "tests": {"t_update": (0.1, [0])}})
        mutant = fault(place, "TTLCache(CACHE_SIZE, CACHE_SECONDS)", "TTLCache(CACHE_SECONDS, CACHE_SIZE)")
        assert known.tests_of(mutant, Path(place).read_text()) == {"t_update"}

    def test_constant_of_a_service_has_the_openapi_test_too(self) -> None:
        known = self.known()
        known.add({"lines": [], "tests": {OPENAPI_TEST: (0.1, [])}})
        mutant = fault("services/tracking/rules/instants.py", "60", "61")
        source = Path("services/tracking/rules/instants.py").read_text()
        assert known.tests_of(mutant, source) == {"t_now", OPENAPI_TEST}

    def test_openapi_test_exists(self) -> None:
        file, group, name = OPENAPI_TEST.split("::")
        module = Path(file).read_text()
        assert f"class {group}:" in module
        assert f"def {name}(" in module

    def test_schema_tests_exist(self) -> None:
        for file in SCHEMA_TESTS:
            assert Path(file).exists(), file
