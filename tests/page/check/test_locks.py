"""The packages that check the page."""

import json
import re

import pytest

from tests.page.check.__main__ import FOLDER, HERE, main
from tests.paths import ROOT


class TestLock:
    def test_each_package_is_pinned_with_a_hash_and_without_an_address(self) -> None:
        packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
        required = json.loads((HERE / "package.json").read_text())["devDependencies"]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in required.values())
        assert {name: packages[f"node_modules/{name}"]["version"] for name in required} == required
        for name, package in packages.items():
            assert "resolved" not in package, name
            assert not name or package["integrity"].startswith("sha512-"), name

    def test_versions_are_those_of_the_generated_clients(self) -> None:
        own, clients = (
            json.loads((folder / "package.json").read_text())["devDependencies"]
            for folder in (HERE, ROOT / "tests/clients")
        )
        common = own.keys() & clients.keys()
        assert common == {"openapi-typescript", "typescript"}
        assert all(own[name] == clients[name] for name in common)

    def test_generated_files_are_ignored_by_git(self) -> None:
        assert f"{FOLDER.relative_to(ROOT)}/" in (ROOT / ".gitignore").read_text().splitlines()


class TestWithoutNode:
    @pytest.fixture(autouse=True)
    @staticmethod
    def without_node(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
        monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))

    def test_check_is_skipped_with_a_message(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("CI", raising=False)
        main([])
        assert "page-check: skipped: the check of the page needs Node.js" in capsys.readouterr().out

    def test_check_fails_in_ci(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")
        with pytest.raises(SystemExit, match=r"needs Node\.js 18 or later, with npm; install them"):
            main([])
