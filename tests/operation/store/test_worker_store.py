"""The suite goes on when its database dies or hangs: the one test that met it fails, the next one passes."""

import re
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT
from tests.support.processes import clean_environment

BEGINNING = """
import asyncio
import time
import psutil
import pytest
from tests.support.processes import one_of
from tests.support.http import Client

def process(script):
    return one_of(psutil.Process().children(recursive=True), script)

async def test_begins(alice: Client) -> None:
    await alice.make_task()
"""
A_DEED_AND_THE_NEXT = """
{mark}
async def test_{name}(alice: Client) -> None:
    await alice.make_task()
    {deed}
    assert (await alice.get("/tasks")).status_code == 503

async def test_after_{name}(alice: Client) -> None:
    await alice.start(await alice.make_task())
"""
DEEDS = {
    "death_of_the_store": 'process("secantusd-py").kill(); assert 0',
    "death_of_its_supervisor": 'process("app.embedded.supervisor").kill(); assert 0',
    "hanging_store": 'process("secantusd-py").suspend()',
    "waiting_for_ever": "await asyncio.sleep(3600)",
    "blocking_for_ever": "time.sleep(3600)",
}
FAILING = DEEDS.keys() - {"hanging_store"}


def test_only_the_test_that_meets_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_inner.py"
    tests = [
        A_DEED_AND_THE_NEXT.format(
            name=name, deed=deed, mark="@pytest.mark.time_limit(2, 1)" if name.endswith("_for_ever") else ""
        )
        for name, deed in DEEDS.items()
    ]
    file.write_text(BEGINNING + "".join(tests))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    options = ["-p", "tests.conftest", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0", "-v", str(file)]
    environment = clean_environment(PYTHONPATH=ROOT, MONGOD_BINARY="/nowhere", EMBEDDED_PATIENCE_SECONDS=5)
    environment.pop("TEST_DATABASE_URL", None)
    ran = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    results = dict(re.findall(r"::test_(\w+) (PASSED|FAILED|ERROR)", ran.stdout))
    assert results == {
        "begins": "PASSED",
        **{name: "FAILED" if name in FAILING else "PASSED" for name in DEEDS},
        **{f"after_{name}": "PASSED" for name in DEEDS},
    }, ran.stdout
