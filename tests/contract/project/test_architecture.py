"""The rules of the source tree. docs/architecture.rst describes them; each failure names the file.

import-linter checks which module may import which: see its contracts in pyproject.toml.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.paths import ROOT

SOURCE = ("app", "documents", "services", "routes")
EVERYTHING = (*SOURCE, "benchmarks", "tests")
MAX_MODULES_PER_FOLDER = 12
MAX_LINES_PER_MODULE = 400
MAX_LINES_PER_FUNCTION = 40
MAX_STATEMENTS_PER_ROUTE = 5

DRIVERS = {"beanie", "pymongo"}
DRIVER_LOCATIONS = (
    "documents/",
    "app/database/",
    "app/embedded/replica_set.py",  # initiates the replica set of a mongod that the service has started
)
DRIVER_ERROR_HANDLERS = {
    "app/http/problems.py",  # answers a request with 503 when the database is unavailable
    "app/commands/database_session.py",  # prints the error and ends the command
}
"""The other modules that may import the driver's exceptions, and nothing else of it."""

WHOLE_DOCUMENT_WRITES = {
    *("save", "save_changes", "replace", "replace_one", "replace_many", "upsert"),
    *("find_one_and_update", "find_one_and_replace", "find_one_and_delete"),
}
"""The first six undo concurrent changes of other fields; the last three scan the collection (decision 10)."""

MULTI_DOCUMENT_WRITES = {"update_many", "delete_many"}
"""They can deadlock with an open transaction in the embedded store (decision 10)."""

CODE_EXECUTION = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load"),
}
UNSAFE_SERIALIZERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
ENVIRONMENT_READERS = {"environ", "environb", "getenv", "getenvb", "putenv", "load_dotenv", "dotenv_values"}

HTTP_METHODS = {"get", "post", "patch", "put", "delete"}
BRANCHES = ast.If | ast.Try | ast.IfExp | ast.For | ast.While | ast.Match
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the module's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in nodes(path) if isinstance(node, Function))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in nodes(path) if isinstance(node, ast.Call))


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the name of each imported module."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def decorators(function: Function) -> list[ast.Call]:
    """The decorators that declare a route."""
    return [
        call
        for call in function.decorator_list
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in HTTP_METHODS
    ]


def routes() -> list[tuple[str, Function]]:
    """Each route, with its file and name for a message."""
    found = [
        (f"{relative(path)}:{function.lineno} {function.name}", function)
        for path in modules("routes")
        for function in functions(path)
        if decorators(function)
    ]
    assert len(found) >= 50
    return found


class TestImports:
    def test_contracts_of_import_linter_hold(self) -> None:
        command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    def test_driver_is_imported_only_where_it_may_be(self) -> None:
        wrong = [
            f"{relative(path)}:{line} imports {module}"
            for path in modules(*SOURCE)
            if not relative(path).startswith(DRIVER_LOCATIONS)
            for line, module in imported_modules(path)
            if module.split(".")[0] in DRIVERS
            and not (relative(path) in DRIVER_ERROR_HANDLERS and module == "pymongo.errors")
        ]
        assert not wrong

    def test_driver_error_handlers_exist(self) -> None:
        for name in DRIVER_ERROR_HANDLERS:
            assert "pymongo.errors" in {module for _, module in imported_modules(ROOT / name)}, name

    def test_unsafe_serializers_are_not_imported(self) -> None:
        wrong = [
            f"{relative(path)}:{line} imports {module}"
            for path in modules(*SOURCE)
            for line, module in imported_modules(path)
            if module.split(".")[0] in UNSAFE_SERIALIZERS
        ]
        assert not wrong


class TestRoutes:
    def test_have_a_docstring(self) -> None:
        assert not [place for place, route in routes() if not ast.get_docstring(route)]

    def test_have_at_most_five_statements(self) -> None:
        assert not [place for place, route in routes() if len(route.body) - 1 > MAX_STATEMENTS_PER_ROUTE]

    def test_have_no_branches_and_no_loops(self) -> None:
        assert not [place for place, route in routes() if any(isinstance(node, BRANCHES) for node in ast.walk(route))]

    def test_have_the_name_of_their_function_as_operation_id(self) -> None:
        for place, route in routes():
            for decorator in decorators(route):
                arguments = {keyword.arg: keyword.value for keyword in decorator.keywords}
                operation_id = arguments["operation_id"]
                assert isinstance(operation_id, ast.Constant), place
                assert operation_id.value == route.name, place


class TestWrites:
    def test_no_document_is_written_back_as_a_whole(self) -> None:
        assert not list(self.uses(WHOLE_DOCUMENT_WRITES - {"replace"}, *SOURCE))
        assert not list(self.uses({"replace"}, "documents", "services"))  # a str method elsewhere

    def test_no_update_or_deletion_is_of_many_documents(self) -> None:
        assert not list(self.uses(MULTI_DOCUMENT_WRITES, *SOURCE))

    def uses(self, names: set[str], *packages: str) -> Iterator[str]:
        """Each call of a method with one of the names, and each argument with one."""
        for path in modules(*packages):
            for call in calls(path):
                used = {call.func.attr} if isinstance(call.func, ast.Attribute) else set()
                used |= {keyword.arg for keyword in call.keywords if keyword.arg}
                yield from (f"{relative(path)}:{call.lineno} uses {name}" for name in used & names)


class TestTheEnvironment:
    def test_is_read_by_the_settings_alone(self) -> None:
        wrong = [
            f"{relative(path)}:{line} uses {name}"
            for path in modules(*SOURCE)
            if relative(path) != "app/config.py"
            for line, name in self.names(path)
            if name in ENVIRONMENT_READERS
        ]
        assert not wrong

    def names(self, path: Path) -> Iterator[tuple[int, str]]:
        """Each attribute that is used and each name that is imported, with its line."""
        for node in nodes(path):
            if isinstance(node, ast.Attribute):
                yield node.lineno, node.attr
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, alias.name) for alias in node.names)


class TestCodeExecution:
    def test_no_call_executes_code_or_a_shell(self) -> None:
        wrong = [
            f"{relative(path)}:{call.lineno} calls {ast.unparse(call.func)}"
            for path in modules(*SOURCE)
            for call in calls(path)
            if ast.unparse(call.func) in CODE_EXECUTION or self.has_shell(call)
        ]
        assert not wrong

    def has_shell(self, call: ast.Call) -> bool:
        shell = [keyword.value for keyword in call.keywords if keyword.arg == "shell"]
        return not all(isinstance(value, ast.Constant) and value.value is False for value in shell)


class TestSize:
    def test_folder_has_at_most_12_modules(self) -> None:
        """routes/ may have more: it has one module for each resource."""
        folders = {path.parent for path in modules(*EVERYTHING)} - {ROOT / "routes"}
        counts = {relative(folder): len({*folder.glob("*.py")} - {folder / "__init__.py"}) for folder in folders}
        assert not {name: count for name, count in counts.items() if count > MAX_MODULES_PER_FOLDER}

    def test_module_has_at_most_400_lines(self) -> None:
        lengths = {relative(path): len(path.read_text().splitlines()) for path in modules(*EVERYTHING)}
        assert not {name: length for name, length in lengths.items() if length > MAX_LINES_PER_MODULE}

    def test_function_has_at_most_40_lines(self) -> None:
        lengths = {
            f"{relative(path)}:{function.lineno} {function.name}": (function.end_lineno or 0) - function.lineno + 1
            for path in modules(*EVERYTHING)
            for function in functions(path)
        }
        assert not {name: length for name, length in lengths.items() if length > MAX_LINES_PER_FUNCTION}


class TestTheRepository:
    def test_has_no_markdown(self) -> None:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert not [name for name in listed.stdout.splitlines() if name.lower().endswith((".md", ".markdown"))]

    def test_lock_files_name_no_package_index(self) -> None:
        for name in ("constraints.txt", "constraints-dev.txt", "tests/install/wheels.txt"):
            text = (ROOT / name).read_text()
            assert "--index-url" not in text, name
            assert "://" not in text, name
