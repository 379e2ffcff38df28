"""The rules that keep the house in order; import-linter keeps the layers, and runs here too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

PACKAGES = ("app", "documents", "services", "routes")
MAX_MODULE_LENGTH = 400
MAX_FUNCTION_LENGTH = 40

RUNS_ANYTHING = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"),
    *(
        "subprocess.getstatusoutput",
        "asyncio.create_subprocess_shell",
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
    ),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_route(function: Function) -> bool:
    decorators = (mark.func for mark in function.decorator_list if isinstance(mark, ast.Call))
    methods = {"get", "post", "patch", "put", "delete"}
    return any(isinstance(mark, ast.Attribute) and mark.attr in methods for mark in decorators)


class TestLayers:
    def test_imports_go_one_way(self) -> None:
        lint = Path(sys.executable).parent / "lint-imports"
        linted = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert linted.returncode == 0, linted.stdout + linted.stderr


class TestRoutes:
    def test_are_thin(self) -> None:
        routes = [
            (path, function)
            for path in modules("routes")
            for function in functions(ast.parse(path.read_text()))
            if is_route(function)
        ]
        assert len(routes) >= 16
        for path, route in routes:
            place = f"{named(path)}: {route.name}"
            assert ast.get_docstring(route), place
            assert len(route.body) - 1 <= 5, place
            branches = ast.If | ast.Try | ast.IfExp | ast.For | ast.While | ast.Match
            assert not any(isinstance(node, branches) for node in ast.walk(route)), place

    def test_have_their_functions_name_as_operation_id(self) -> None:
        for path in modules("routes"):
            for function in functions(ast.parse(path.read_text())):
                for mark in function.decorator_list if is_route(function) else ():
                    assert isinstance(mark, ast.Call)
                    said = {word.arg: word.value for word in mark.keywords}
                    operation_id = said["operation_id"]
                    assert isinstance(operation_id, ast.Constant)
                    assert operation_id.value == function.name


class TestDocuments:
    @pytest.mark.parametrize("path", modules(*PACKAGES), ids=named)
    def test_are_never_written_back_whole_or_by_the_many(self, path: Path) -> None:
        banned = {
            "save",
            "save_changes",
            "replace_one",
            "replace_many",
            "upsert",
            "update_many",
            "delete_many",
            "find_one_and_update",
            "find_one_and_replace",
            "find_one_and_delete",
        }
        found = list(calls(ast.parse(path.read_text())))
        used = {call.func.attr for call in found if isinstance(call.func, ast.Attribute)}
        words = {word.arg for call in found for word in call.keywords}
        assert not (used | words) & banned

    @pytest.mark.parametrize("path", modules("documents", "services"), ids=named)
    def test_are_not_replaced(self, path: Path) -> None:
        tree = ast.parse(path.read_text())
        replaced = [
            call for call in calls(tree) if isinstance(call.func, ast.Attribute) and call.func.attr == "replace"
        ]
        assert not replaced

    @pytest.mark.parametrize("path", modules("routes", "services"), ids=named)
    def test_are_reached_through_their_operations_alone(self, path: Path) -> None:
        drivers = {"motor", "pymongo", "beanie"}
        imported = {name.split(".")[0] for node in ast.walk(ast.parse(path.read_text())) for name in _imported(node)}
        assert not imported & drivers


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


class TestTheEnvironment:
    @pytest.mark.parametrize("path", [path for path in modules(*PACKAGES) if path.name != "config.py"], ids=named)
    def test_is_read_by_the_settings_alone(self, path: Path) -> None:
        tree = ast.parse(path.read_text())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"environ", "environb", "getenv", "putenv"}
        assert not {"environ", "getenv"} & {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
        }


class TestWhatRunsWhatItIsGiven:
    @pytest.mark.parametrize("path", modules(*PACKAGES), ids=named)
    def test_is_not_used(self, path: Path) -> None:
        tree = ast.parse(path.read_text())
        modules_used = {name.split(".")[0] for node in ast.walk(tree) for name in _imported(node)}
        assert not modules_used & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
        for call in calls(tree):
            assert ast.unparse(call.func) not in RUNS_ANYTHING, f"line {call.lineno}"
            shell = [word.value for word in call.keywords if word.arg == "shell"]
            assert all(isinstance(value, ast.Constant) and value.value is False for value in shell), call.lineno


class TestSize:
    @pytest.mark.parametrize("path", modules(*PACKAGES), ids=named)
    def test_is_what_a_reader_can_hold(self, path: Path) -> None:
        text = path.read_text()
        assert len(text.splitlines()) <= MAX_MODULE_LENGTH
        for function in functions(ast.parse(text)):
            assert function.end_lineno is not None
            assert function.end_lineno - function.lineno < MAX_FUNCTION_LENGTH, function.name


class TestTheProject:
    def tracked(self) -> list[str]:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        return listed.stdout.splitlines()

    def test_has_no_markdown(self) -> None:
        assert not [path for path in self.tracked() if path.lower().endswith((".md", ".markdown"))]

    def test_names_no_registry(self) -> None:
        for name in ("constraints.txt", "constraints-dev.txt", "tests/install/wheels.txt"):
            assert "--index-url" not in (ROOT / name).read_text()
            assert "://" not in (ROOT / name).read_text()
