"""The command `task-timer doctor`: its output, its exit code, and the databases that it accepts."""

import asyncio
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.processes import free_port, run_command, running


class TestDoctorCommand:
    async def test_inconsistencies_are_printed_and_repaired(
        self, alice: Client, database: Database, database_url: str, tmp_path: Path
    ) -> None:
        task = await alice.make_task()
        await alice.post(
            f"/tasks/{task['id']}/time-entries", json={"started_at": "2026-11-18T09:00:00Z", "duration_seconds": 1800}
        )
        variables: dict[str, Any] = {"DATABASE_URL": database_url, "DATABASE_NAME": database.name}

        async def doctor(*arguments: str) -> tuple[int, str, str]:
            result = await asyncio.to_thread(run_command, "doctor", *arguments, folder=tmp_path, **variables)
            return result.returncode, result.stdout, result.stderr

        assert await doctor() == (0, "1 task and 1 entry checked, no inconsistency found.\n", "")
        await database.tasks.update_one({}, {"$set": {"tracked_seconds": 7, "entry_count": 2}})
        about, seen = f"tasks {task['id']}: ", "1 task and 1 entry checked"
        lines = [f"{about}tracked_seconds is 7, its entries say 1800", f"{about}entry_count is 2, its entries say 1"]
        assert await doctor() == (1, "\n".join([*lines, f"{seen}, 2 inconsistencies found.\n"]), "")
        repaired = [
            *(f"{line} (repaired)" for line in lines),
            f"{seen}, 2 inconsistencies found, 2 of them repaired.\n",
        ]
        assert await doctor("--repair") == (0, "\n".join(repaired), "")
        assert await doctor("--repair") == (0, "1 task and 1 entry checked, no inconsistency found.\n", "")

    def test_missing_database_is_not_created(self, tmp_path: Path, database_url: str) -> None:
        result = run_command(
            "doctor", folder=tmp_path, DATABASE_URL=database_url, DATABASE_NAME="task_timer_test_never"
        )
        assert (result.returncode, result.stdout) == (0, "0 tasks and 0 entries checked, no inconsistency found.\n")
        with MongoClient[Json](database_url) as client:
            assert "task_timer_test_never" not in client.list_database_names()

    async def test_database_of_a_later_version_is_refused(
        self, alice: Client, database: Database, database_url: str, tmp_path: Path
    ) -> None:
        assert alice.user
        await database.schema_versions.update_one({}, {"$inc": {"version": 1}})
        result = await asyncio.to_thread(
            run_command, "doctor", folder=tmp_path, DATABASE_URL=database_url, DATABASE_NAME=database.name
        )
        await database.schema_versions.update_one({}, {"$inc": {"version": -1}})
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("A later version of Task Timer has used this database")

    def test_doctor_works_while_the_service_is_running_or_stopped(self, tmp_path: Path) -> None:
        with running("serve", folder=tmp_path, PORT=free_port()) as service:
            service.wait_until_ready()
            while_running = run_command("doctor", folder=tmp_path)
        assert (while_running.returncode, while_running.stdout) == (
            0,
            "0 tasks and 0 entries checked, no inconsistency found.\n",
        )
        while_stopped = run_command("doctor", folder=tmp_path)
        assert (while_stopped.returncode, while_stopped.stdout) == (
            0,
            "0 tasks and 0 entries checked, no inconsistency found.\n",
        )

    def test_unreachable_database_is_reported(self, tmp_path: Path) -> None:
        unreachable = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true&timeoutMS=500"
        result = run_command("doctor", folder=tmp_path, DATABASE_URL=unreachable)
        assert (result.returncode, result.stderr) == (1, "The database does not answer.\n")
