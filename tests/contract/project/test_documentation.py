"""The documentation: its examples run, its references exist, and its lists are complete."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from shutil import copyfile

import docutils.core
import docutils.nodes
import pytest
from fastapi import FastAPI

from app.commands.commands import cli
from app.config import Settings
from app.errors import ServiceError
from documents.tracking.tasks import Task
from services.transfer.export_formats.context import COLUMNS
from tests.operation.crash import figures
from tests.paths import ROOT
from tests.support.http import API
from tests.support.processes import clean_environment, free_port, running

PAGES = sorted([*ROOT.glob("*.rst"), *(ROOT / "docs").rglob("*.rst")])
README = ROOT / "README.rst"


@cache
def parse(page: Path) -> docutils.nodes.document:
    """Parse the page. Invalid reStructuredText is an error."""
    strict = {"report_level": 2, "halt_level": 2, "file_insertion_enabled": False}
    return docutils.core.publish_doctree(page.read_text(), source_path=str(page), settings_overrides=strict)


def shell_examples(page: Path, title: str | None = None) -> str:
    """Return the shell commands of a section, or of the whole page."""
    document = parse(page)
    sections = [section for section in document.findall(docutils.nodes.section) if section[0].astext() == title]
    assert title is None or len(sections) == 1, f"{page.name} has no section {title}"
    blocks = (sections[0] if sections else document).findall(docutils.nodes.literal_block)
    return "\n".join(block.astext() for block in blocks if "sh" in block["classes"])


def output_of(examples: str, folder: Path) -> str:
    """Run the commands against a new service in this folder, and return what they print."""
    with running("serve", folder=folder, PORT=free_port()) as service:
        service.wait_until_ready()
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", examples],
            cwd=folder,
            env=clean_environment(API=service.base_url + API),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def table_with(page: str, header: str) -> str:
    """Return the text of the table whose header begins with these words."""
    return page[page.index(header) :].partition("\n\n")[0]


def subclasses(kind: type[ServiceError]) -> set[type[ServiceError]]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def definitions(module: Path) -> set[str]:
    """The names that a module defines, and the members of its classes as Class.member."""
    names: set[str] = set()
    for node in ast.parse(module.read_text()).body:
        own = defined_names(node)
        names |= own
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for member in node.body for name in defined_names(member)}
    return names


def defined_names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


class TestEveryPage:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_is_valid_and_its_links_exist(self, page: Path) -> None:
        document = parse(page)
        for reference in document.findall(docutils.nodes.reference):
            target = reference.get("refuri", "")
            if target and "://" not in target:
                assert (page.parent / target).exists(), target


class TestReferencesToTheSource:
    """Inline literals such as ``app/config.py``, ``app/config.py: Settings`` and ``tests/paths.py::ROOT``."""

    reference = re.compile(r"((?:app|routes|services|documents|tests|benchmarks|docs)/[\w./-]*)(?:::|: )?([\w.]+)?")

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_name_files_and_definitions_that_exist(self, page: Path) -> None:
        literals = [" ".join(literal.astext().split()) for literal in parse(page).findall(docutils.nodes.literal)]
        matches = [match for literal in literals if (match := self.reference.fullmatch(literal))]
        assert not [match[0] for match in matches if not self.exists(ROOT / match[1], match[2])]

    def exists(self, path: Path, name: str | None) -> bool:
        return path.exists() and (name is None or name in definitions(path))

    def test_are_found(self) -> None:
        assert "TaskService.get" in definitions(ROOT / "services" / "tracking" / "tasks.py")
        assert (ROOT / "docs" / "architecture.rst").read_text().count(".py: ") > 30


class TestMakefile:
    text = (ROOT / "Makefile").read_text()

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_has_every_target_that_a_page_names(self, page: Path) -> None:
        targets = set(re.findall(r"^([\w-]+):", self.text, re.MULTILINE))
        named = set(re.findall(r"(?:``|^ +)make ([a-z][\w-]*)", page.read_text(), re.MULTILINE))
        assert named <= targets, named - targets
        if page == README:
            assert {"run", "test", "check", "shell", "bench"} <= named

    def test_lists_every_target_in_its_help(self) -> None:
        phony = re.search(r"^\.PHONY: (.*)$", self.text, re.MULTILINE)
        assert phony
        listed = re.findall(r"^\t@echo 'make ([\w-]+)", self.text, re.MULTILINE)
        assert sorted([*listed, "help"]) == sorted(phony[1].split())


class TestReadme:
    def test_tour_runs(self, tmp_path: Path) -> None:
        output = output_of(shell_examples(README, "Five minutes with curl"), tmp_path)
        for part in (
            '"email":"ada@example.com"',
            '"elapsed_seconds":',
            '"code":"timer_already_running"',
            '"duration_seconds":',
            '"time_entries":[{',
            '"status":"completed"',
            '"version":4',
            '{"items":[{',
        ):
            assert part in output

    def test_lists_every_setting(self) -> None:
        named = set(re.findall(r"``([A-Z0-9_]+)``", README.read_text()))
        assert {name.upper() for name in Settings.model_fields} <= named

    def test_shows_every_index_of_the_tasks(self) -> None:
        shown = re.findall(r"^      '(\w+)',?$", README.read_text(), re.MULTILINE)
        assert shown == sorted(["_id_", *(index.document["name"] for index in Task.Settings.indexes)])

    def test_commands_exist_and_are_documented(self) -> None:
        named = set(re.findall(r"task-timer (\w+)", "".join(page.read_text() for page in PAGES)))
        commands = {info.name for info in cli.registered_commands} | {info.name for info in cli.registered_groups}
        assert commands - {"openapi"} <= named <= commands


class TestApiPage:
    def test_lists_exactly_the_error_codes(self, app: FastAPI) -> None:
        assert app.title
        page = (ROOT / "docs" / "api.rst").read_text()
        table = table_with(page, "status  codes")
        listed = {
            (int(line[:3]), code)
            for line in table.splitlines()
            if re.match(r"\d{3} ", line)
            for code in re.findall(r"``([a-z_]+)``", line.partition(":")[0].replace("``running``", ""))
        }
        raised = {(error.status, error.code) for error in subclasses(ServiceError) if error.code != "internal_error"}
        assert listed == raised | {(500, "internal_error")}


class TestTrackingTimePage:
    def test_examples_run(self, tmp_path: Path) -> None:
        output = output_of(shell_examples(ROOT / "docs" / "tracking-time.rst"), tmp_path)
        for part in (
            '"started_at":"2026-11-18T08:00:00Z"',
            '"ended_at":"2026-11-18T09:30:00Z","duration_seconds":5400',
            '"ended_at":"2026-11-18T09:40:00Z","duration_seconds":600',
            '"task_title":"Call the bank"',
            '"ended_at":"2026-11-18T09:45:00Z","duration_seconds":300',
            '{"first":{',
            '"overlap_seconds":1800',
            '"code":"overlap"',
            '"duration_seconds":86400',
            '"needs_review":true',
            '"duration_seconds":28800',
        ):
            assert part in output
        assert output.lower().count("idempotency-replayed: true") == 1
        replayed = re.findall(r'^{"id":"(\w+)".*"started_at":"2026-11-18T11:00:00Z"', output, re.MULTILINE)
        assert len(replayed) == 2
        assert len(set(replayed)) == 1


class TestReportsPage:
    def test_examples_run(self, tmp_path: Path) -> None:
        output = output_of(shell_examples(ROOT / "docs" / "reports.rst"), tmp_path)
        for part in (
            '"label":"2026-11-18","seconds":3900,"rounded_seconds":3900,"entry_count":2,',
            '"amounts":[{"currency":"EUR","amount":6750}]',
            '"key":"2026-11-19","label":"2026-11-19","seconds":3000,',
            '"timezone":"America/New_York"',
            '"key":"2026-Q4","label":"2026-Q4","seconds":6900,',
            '"rows":[{"key":"00","label":"00","seconds":3000,',
            '"key":"2026-11-18","label":"2026-11-18","seconds":6900,',
            '"key":"Ada","label":"Ada","seconds":5700,',
            '"from":"2026-11-18T23:00:00Z","to":"2026-11-18T23:50:00Z","seconds":3000',
            '"label":"Write the offer","seconds":5700,"rounded_seconds":6300,',
            '"label":"Read the news","seconds":1200,"rounded_seconds":1800,',
            '"seconds":[0,0,2700,3000,0,0,0],"total":5700',
            '"recent_tasks":[{',
            '{"items":[{"from":"2026-11-15T23:00:00Z",',
        ):
            assert part in output
        assert output.count('"total_seconds":6900') == 6 + 2


class TestIntegrationsPage:
    def test_examples_run(self, tmp_path: Path) -> None:
        output = output_of(shell_examples(ROOT / "docs" / "integrations.rst"), tmp_path)
        for part in (
            "retry: 2000\nid: ",
            'event: timer.started\ndata: {"id":"',
            "\nWrite the offer\n",
            '{"name":"November","owner_name":"Grace Hopper","report":{"type":"summary","from":"2026-10-31T23:00:00Z",',
            '"rows":[{"key":"1","label":"Write the offer","seconds":5400,',
            '"notes":[[],[],["First draft"],[],[],[],[]]',
            '"code":"share_not_found"',
            "X-WR-CALNAME:My time\n",
            "SUMMARY:Write the offer\n",
            "END:VCALENDAR\n304\n",
        ):
            assert part in output


class TestExportsPage:
    def test_examples_run(self, tmp_path: Path) -> None:
        output = output_of(shell_examples(ROOT / "docs" / "exports-and-imports.rst"), tmp_path)
        for part in (
            "entry_id,task_id,project,client,task,note,tags,billable,start,end,timezone,",
            ",Write the offer,'=first draft,sales,false,2026-11-18T09:00:00+01:00,2026-11-18T10:30:00+01:00,",
            ",5400,1.5000,",
            '"type":"account"',
            '"note":"=first draft"',
            '{"type":"end","schema_version":1,"projects":0,"tasks":1,"entries":1,"deleted_entries":0}',
            '"dry_run":true,"created":{"projects":1,"tasks":2,"entries":2},"duplicates":0,',
            '"dry_run":false,"created":{"projects":1,"tasks":2,"entries":2},"duplicates":0,',
            '"dry_run":false,"created":{"projects":0,"tasks":0,"entries":0},"duplicates":2,',
            '"errors":[{"row":3,"column":"End"',
            '"removed":{"projects":1,"tasks":2,"entries":2},"left":{"projects":0,"tasks":0,"entries":0}',
        ):
            assert part in output

    def test_lists_every_column(self) -> None:
        page = (ROOT / "docs" / "exports-and-imports.rst").read_text()
        table = table_with(page, "column  ")
        assert re.findall(r"``([a-z_]+)``", re.sub(r"  +\S.*$", "", table, flags=re.MULTILINE)) == list(COLUMNS)


class TestMovingPage:
    def test_examples_run(self, tmp_path: Path) -> None:
        page = ROOT / "docs" / "moving.rst"
        for sample in set(re.findall(r"file=@(\S+)", shell_examples(page))) - {"list.csv"}:
            copyfile(ROOT / "tests" / "samples" / sample, tmp_path / sample)
        output = output_of(shell_examples(page), tmp_path)
        dry, toggl, clockify = re.findall(r'"created":({[^}]*}),"duplicates":(\d+)', output)[:3]
        assert dry == toggl == ('{"projects":1,"tasks":4,"entries":4}', "0")
        assert clockify[0].startswith('{"projects":0,"tasks":0,')  # nothing but entries is new
        formats = re.findall(r'"format":"(\w+)","dry_run":true,"created":{[^}]*"entries":(\d+)}', output)
        assert formats == [
            ("toggl", "4"),
            ("clockify", "4"),
            ("harvest", "2"),
            ("timewarrior", "3"),
            ("solidtime", "2"),
            ("csv", "1"),
        ]
        assert '"task":{"header":"Work done by Ada","values":["Write the offer"]}' in output
        assert '"total_seconds":9000' in output
        assert '"removed":{"projects":1,"tasks":4,"entries":4},"left":{"projects":0,"tasks":0,"entries":0}' in output


class TestReliabilityPage:
    page = (ROOT / "docs" / "reliability.rst").read_text()

    def test_named_tests_exist(self) -> None:
        named = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", self.page)
        assert len(named) > 20
        assert not [f"{path}::{name}" for path, name in named if name not in definitions(ROOT / path)]

    def test_each_promise_names_a_test(self) -> None:
        promises = re.split(r"^(\d+)\. ", self.page[: self.page.index("When something dies")], flags=re.MULTILINE)[1:]
        assert promises[::2] == [str(number) for number in range(1, 11)]
        assert all("``tests/" in promise for promise in promises[1::2])

    def test_figures_are_of_a_long_run_that_lost_nothing(self) -> None:
        table = self.page[self.page.index(figures.BEGIN) : self.page.index(figures.END)]
        numbers = {
            words: int(number.replace(",", ""))
            for words, number in re.findall(r"^(\S.*?)  +([\d,]+)$", table, re.MULTILINE)
        }
        assert list(numbers) == list(figures.LINES.values())
        assert numbers[figures.LINES["rounds"]] >= 200
        assert numbers[figures.LINES["lost"]] == numbers[figures.LINES["done in part"]] == 0


class TestDecisions:
    def test_are_numbered_without_gaps(self) -> None:
        pages = sorted((ROOT / "docs" / "decisions").glob("*.rst"))
        assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
        for page in pages:
            assert page.read_text().startswith(f"{int(page.name[:4])}. ")
