"""The test suite continues when its database is killed or hangs: only the current test fails."""

import re
import subprocess
import sys
from pathlib import Path

from app.embedded.store_program import SECANTUS_SERVER
from tests.paths import ROOT
from tests.support.processes import clean_environment

MODULE_START = """
import asyncio
import time
import psutil
import pytest
from tests.support.processes import find_process
from tests.support.http import Client

def process(script):
    return find_process(psutil.Process().children(recursive=True), script)

def kill(script):
    killed = process(script)
    killed.kill()
    killed.wait()  # a signal takes effect later, and the next test must not begin before

async def test_begins(alice: Client) -> None:
    await alice.make_task()
"""
FAULT_AND_NEXT_TEST = """
{mark}
async def test_{name}(alice: Client) -> None:
    await alice.make_task()
    {fault}
    assert (await alice.get("/tasks")).status_code in (200, 503)  # 200 if the store was restarted in time

async def test_after_{name}(alice: Client) -> None:
    await alice.start(await alice.make_task())
"""
FAULTS = {
    "death_of_the_store": f'kill("{SECANTUS_SERVER}"); assert 0',
    "death_of_its_supervisor": 'kill("app.embedded.supervisor"); assert 0',
    "hanging_store": f'process("{SECANTUS_SERVER}").suspend()',
    "waiting_forever": "await asyncio.sleep(3600)",
    "blocking_forever": "time.sleep(3600)",
}
FAILING = FAULTS.keys() - {"hanging_store"}


def test_only_the_test_with_the_fault_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_inner.py"
    tests = [
        FAULT_AND_NEXT_TEST.format(
            name=name, fault=fault, mark="@pytest.mark.time_limit(4, 1)" if name.endswith("_forever") else ""
        )
        for name, fault in FAULTS.items()
    ]
    file.write_text(MODULE_START + "".join(tests))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    options = ["-p", "tests.conftest", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0", "-v", str(file)]
    environment = clean_environment(PYTHONPATH=ROOT, MONGOD_BINARY="/nowhere", EMBEDDED_PATIENCE_SECONDS=3)
    environment.pop("TEST_DATABASE_URL", None)
    process = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    results = dict(re.findall(r"::test_(\w+) (PASSED|FAILED|ERROR)", process.stdout))
    assert results == {
        "begins": "PASSED",
        **{name: "FAILED" if name in FAILING else "PASSED" for name in FAULTS},
        **{f"after_{name}": "PASSED" for name in FAULTS},
    }, process.stdout
