"""Record which lines each test file executes. A recording is stored until the test file changes."""

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.children import in_child
from tests.mutation.coverage_map import Map, Recorder

FOLDER = Path(".mutation")
"""The recordings, one for each test file. Remove the folder to record all again."""
OPTIONS = ["-n0", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=native"]
EXCLUDED_TESTS = re.compile(
    # They start other processes, which contain no fault, or execute no code of the service.
    r"tests/(clients|fuzz|install|mutation|page|contract/project|operation/(crash|server))/"
    r"|test_(adding_a_route|docs_page|documented_receiver|embedded_store|hanging_store|loaded_modules|mongo_shell|outages"
    r"|serve_command|standard_streams|unfit_databases|users_on_large_tasks|worker_store)|webhooks/test_workers"
    # They execute everything, and take longer than all other tests together.
    r"|test_(schemathesis|mixed_load|state_machine)"
)
FILES_PER_CHILD = 8
TIMEOUT_SECONDS = 1800.0
_COMPLETE = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
"""With another exit code not all tests have run."""


def recordings() -> dict[Path, Path]:
    """Return the recording of each test file, which may not exist yet. Its name depends on the content of the file."""
    found = {}
    for file in sorted(Path("tests").rglob("test_*.py")):
        if not EXCLUDED_TESTS.search(file.as_posix()):
            cases = [path for path in sorted(Path("tests/cases").iterdir()) if path.name in file.read_text()]
            content = b"".join(path.read_bytes() for path in (file, *cases))
            found[file] = FOLDER / f"{file.stem}-{hashlib.sha256(content).hexdigest()[:16]}.json"
    return found


def read_map(say: Callable[[str], None]) -> Map:
    """Return the map of lines to tests. Records the files that have changed."""
    files = recordings()
    FOLDER.mkdir(exist_ok=True)
    record_missing(files, say)
    known = Map()
    for recording in files.values():
        if recording.exists():
            known.add(json.loads(recording.read_text()))
    return known


def record_missing(files: dict[Path, Path], say: Callable[[str], None]) -> None:
    """Record the files that have no recording, several in each child process, and report those that still have none.

    A file of which a test fails gets no recording. It is tried once more, because one test can make others fail.
    """
    for _ in range(2):
        missing = _missing(files)
        for number in range(0, len(missing), FILES_PER_CHILD):
            group = {file: files[file] for file in missing[number : number + FILES_PER_CHILD]}
            say(f"Recording which lines {', '.join(file.stem for file in group)} execute")
            in_child(partial(_record, group), TIMEOUT_SECONDS)
    if missing := _missing(files):
        say(f"No faults are tried with these files, because tests of them fail: {', '.join(map(str, missing))}")


def _missing(files: dict[Path, Path]) -> list[Path]:
    return [file for file, recording in files.items() if not recording.exists()]


def _record(group: dict[Path, Path], _: int) -> int:
    recorder = Recorder()
    recorder.coverage.start()
    status = pytest.main([*OPTIONS, *map(str, group)], plugins=[recorder])
    recorder.coverage.stop()
    result = recorder.result()
    for file, recording in group.items():
        if file.as_posix() in recorder.failed_files or status not in _COMPLETE:
            continue
        draft = recording.with_suffix(".draft")
        draft.write_text(json.dumps(_part_of_file(result, file)))
        draft.rename(recording)
    return status


def _part_of_file(result: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the part of the recorded result that belongs to the tests of one file."""
    tests = {test: places for test, places in result["tests"].items() if test.startswith(f"{file.as_posix()}::")}
    used = sorted({place for _, places in tests.values() for place in places})
    numbers = {place: number for number, place in enumerate(used)}
    return {
        "lines": [result["lines"][place] for place in used],
        "tests": {test: (seconds, [numbers[place] for place in places]) for test, (seconds, places) in tests.items()},
    }
