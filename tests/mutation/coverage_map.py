"""Which tests execute which line. The result is stored in a folder that git ignores, one file per test file."""

import ast
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from tests.mutation.mutants import Mutant, names_of

SCHEMA_TESTS = (
    "tests/operation/store/test_documents.py",
    "tests/operation/store/test_time_entries_view.py",
    "tests/operation/store/test_validators.py",
)
"""The tests that check what documents define at import, for example indexes."""

OPENAPI_TEST = "tests/contract/openapi/test_document.py::TestDocument::test_committed_document_is_up_to_date"
"""It checks what services define at import for the OpenAPI document, for example the format of a field."""

MAX_USERS = 60


class Recorder:
    """A pytest plugin that records the lines and the duration of each test that passes."""

    def __init__(self) -> None:
        self.coverage = Coverage(data_file=None, config_file=False, source=["services", "documents", "routes"])
        self.seconds: dict[str, float] = {}
        self.setup_seconds = 0.0
        self.failed_files: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed_files.add(report.nodeid.partition("::")[0])
        if report.when == "setup":
            self.setup_seconds = report.duration
        elif report.when == "call" and report.passed:
            self.seconds[report.nodeid] = self.setup_seconds + report.duration

    def result(self) -> dict[str, Any]:
        """Return the lines, and for each test its duration in seconds and the indexes of its lines."""
        lines: dict[str, int] = {}
        tests: dict[str, tuple[float, list[int]]] = {name: (seconds, []) for name, seconds in self.seconds.items()}
        data = self.coverage.get_data()
        for path in data.measured_files():
            named = names_of_lines(os.path.relpath(path), Path(path).read_text())
            for number, contexts in data.contexts_by_lineno(path).items():
                for test in tests.keys() & set(contexts):
                    tests[test][1].append(lines.setdefault(named[number], len(lines)))
        return {"lines": list(lines), "tests": tests}


@dataclass
class Map:
    """The tests of each line and function. A line is identified by its text, so it may move within its function."""

    seconds: dict[str, float] = field(default_factory=dict)
    breadth: dict[str, int] = field(default_factory=dict)
    of_line: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    of_function: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, result: dict[str, Any]) -> None:
        """Add the recorded result of one test file."""
        for test, (seconds, places) in result["tests"].items():
            self.seconds[test], self.breadth[test] = seconds, len(places)
            for place in places:
                line = result["lines"][place]
                self.of_line[line].add(test)
                self.of_function[line.rpartition("|")[0]].add(test)

    def tests_of(self, mutant: Mutant, source: str) -> set[str]:
        """Return the tests that execute the line of the fault, or use its names if it runs at import."""
        if mutant.function is None:
            users = self._tests_of_users(mutant)
            if not mutant.file.startswith("documents/"):
                return users | ({OPENAPI_TEST} & self.seconds.keys())
            narrow = sorted(users, key=lambda test: self.breadth[test])[:MAX_USERS]
            return {*narrow, *(test for test in self.seconds if test.startswith(SCHEMA_TESTS))}
        named = names_of_lines(mutant.file, source)
        tests = {test for number in mutant.lines for test in self.of_line[named[number]]}
        # A function without any tests is called at import.
        return tests or self.of_function[f"{mutant.file}|{mutant.function}"] or self._tests_of_users(mutant)

    def _tests_of_users(self, mutant: Mutant) -> set[str]:
        return {test for function in users_of(mutant.names) for test in self.of_function[function]}


def names_of_lines(file: str, source: str) -> list[str]:
    """Return an identifier for each line, from line 1: its file, function and text."""
    functions = [""] * (source.count("\n") + 2)
    for name, node in functions_of(ast.parse(source).body):
        functions[node.lineno : (node.end_lineno or 0) + 1] = [name] * ((node.end_lineno or 0) + 1 - node.lineno)
    texts = ["", *source.split("\n")]
    return [f"{file}|{function}|{text.strip()}" for function, text in zip(functions, texts, strict=True)]


def functions_of(body: list[ast.stmt], scope: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Return the functions of a module and the methods of its classes, without nested functions."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from functions_of(node.body, f"{scope}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield scope + node.name, node


def users_of(defined: tuple[str, ...]) -> set[str]:
    """Return the functions that use a module-level name, or another module-level name that is computed from it."""
    functions, names = set(), [*defined]
    for used in names:
        for statement in _statements():
            if used not in statement.names:
                continue
            if statement.function:
                functions.add(statement.function)
            names += ({statement.function.rpartition("|")[2]} & _called_at_import() | statement.defined) - set(names)
    return functions


@dataclass(frozen=True)
class Statement:
    """A module-level statement, or a function or method, and the names in it.

    `defined` are the names that the statement defines, `called` those that it calls. `function` is empty if it is no
    function.
    """

    names: set[str]
    function: str = ""
    defined: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)


@cache
def _statements() -> list[Statement]:
    found: list[Statement] = []
    for folder in ("services", "documents", "routes"):
        for path in Path(folder).rglob("*.py"):
            for unit in ast.parse(path.read_text()).body:
                found += [Statement(_names(node), f"{path}|{function}") for function, node in functions_of([unit])]
                if not isinstance(unit, ast.FunctionDef | ast.AsyncFunctionDef):
                    calls = [] if isinstance(unit, ast.ClassDef) else ast.walk(unit)
                    called = {getattr(part.func, "id", "") for part in calls if isinstance(part, ast.Call)}
                    found.append(Statement(_names(unit), defined=set(names_of(unit)), called=called))
    return found


@cache
def _called_at_import() -> set[str]:
    """Return the functions of whose results a module-level name is computed."""
    return set().union(*(statement.called for statement in _statements())) - {""}


def _names(node: ast.AST) -> set[str]:
    return {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node)}
