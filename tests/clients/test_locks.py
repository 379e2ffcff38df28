import json
import re
from pathlib import Path

import pytest

from tests.clients.__main__ import DOCUMENT, HERE, PYTHON, TYPESCRIPT, has_node, main
from tests.paths import ROOT

LOCK = HERE / "package-lock.json"


@pytest.fixture
def without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


class TestWithoutNode:
    @pytest.mark.usefixtures("without_node")
    def test_typescript_client_is_skipped_with_a_message(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("CI", raising=False)
        assert not has_node()
        assert "skipped: the TypeScript client needs Node.js" in capsys.readouterr().out

    @pytest.mark.usefixtures("without_node")
    def test_command_fails_in_ci(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")
        with pytest.raises(
            SystemExit, match=r"needs Node\.js 18 or later, with npm; install them, because CI does not skip it"
        ):
            main()

    def test_old_version_counts_as_missing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("CI", raising=False)
        for name in ("node", "npm"):
            (tmp_path / name).write_text("#!/bin/sh\necho v16.20.2\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not has_node()


class TestLocks:
    def test_each_package_is_pinned_with_a_hash(self) -> None:
        packages = json.loads(LOCK.read_text())["packages"]
        required = json.loads((HERE / "package.json").read_text())["devDependencies"]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in required.values())
        for name, version in required.items():
            assert packages[f"node_modules/{name}"]["version"] == version
        for name, package in packages.items():
            assert not name or package["integrity"].startswith("sha512-"), name
        pins = (HERE / "generator.txt").read_text().replace("\\\n", "").splitlines()
        assert all(re.search(r"==\S+ .*--hash=sha256:\w{64}", pin) for pin in pins)

    def test_no_package_index_is_named(self) -> None:
        packages = json.loads(LOCK.read_text())["packages"]
        assert [name for name, package in packages.items() if "resolved" in package] == []
        assert "://" not in (HERE / "generator.txt").read_text()


class TestGeneratedFiles:
    def test_generated_files_are_outside_of_the_sources_and_ignored_by_git(self) -> None:
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        assert {folder.relative_to(ROOT).parts[0] + "/" for folder in (PYTHON, TYPESCRIPT)} <= set(ignored)
        assert DOCUMENT.is_file()
