"""The tests of the page on a machine without a browser."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.paths import ROOT
from tests.support.processes import clean_environment
from tests.support.pytest_hooks import browsers

PYTEST = (sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "--collect-only", "-q")
FILE = "tests/page/test_sign_in.py"


def collect(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Collect the tests of a file with no browser in PATH."""
    variables = {"CI": "", "PAGE_TESTS": "", "CHROMIUM_BINARY": "", "PATH": str(folder)} | variables
    return subprocess.run(
        [*PYTEST, FILE], cwd=ROOT, env=clean_environment(**variables), capture_output=True, text=True, check=False
    )


def page_test(request: pytest.FixtureRequest) -> pytest.Item:
    """Return a test of the page."""

    def test(browser: Browser) -> None:
        assert browser.version

    module = request.node.getparent(pytest.Module)
    item: pytest.Function = pytest.Function.from_parent(module, name="test", callobj=test)
    assert browsers.FIXTURE in item.fixturenames
    return item


class TestWithoutBrowser:
    def test_tests_of_the_page_are_deselected_with_a_message(self, tmp_path: Path) -> None:
        result = collect(tmp_path)
        assert "deselected" in result.stdout
        assert f"The page was not tested: {browsers.MISSING}." in result.stdout

    @pytest.mark.parametrize("variables", [{"CI": "true"}, {"PAGE_TESTS": "required"}], ids=["ci", "make-check"])
    def test_tests_are_selected_where_they_are_required(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str]
    ) -> None:
        for name in ("CI", "PAGE_TESTS", "CHROMIUM_BINARY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert browsers.summary() is not None
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        items = [page_test(request)]
        browsers.deselect_without_browser(request.config, items)
        assert len(items) == 1
        assert browsers.summary() is None


class TestBrowser:
    @pytest.mark.parametrize("name", browsers.NAMES)
    def test_is_found_by_its_name(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
        monkeypatch.delenv("CHROMIUM_BINARY", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert browsers.chromium() is None
        (tmp_path / name).touch(mode=0o755)
        assert browsers.chromium() == str(tmp_path / name)

    def test_variable_has_precedence(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        binary = tmp_path / "browser"
        binary.touch(mode=0o755)
        monkeypatch.setenv("CHROMIUM_BINARY", str(binary))
        assert browsers.chromium() == str(binary)
