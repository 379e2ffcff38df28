"""`task-timer import`."""

import asyncio
from pathlib import Path
from typing import Any

from app.commands.import_ import error_lines, summary_lines
from app.errors import FieldError, ServiceError, ValidationError
from tests.conftest import Database
from tests.support.http import Client
from tests.support.processes import run_command

LINES = "Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail\n2026-11-02 09:00,nonsense,Mail\n"


class TestImport:
    async def test_file_is_imported_and_summarised(
        self, alice: Client, database: Database, database_url: str, tmp_path: Path
    ) -> None:
        (tmp_path / "time.csv").write_text(LINES)
        options = ("--format", "csv", "--user", "ALICE@example.com", "--timezone", "Europe/Berlin")
        variables: dict[str, Any] = {"DATABASE_URL": database_url, "DATABASE_NAME": database.name}

        async def run(*arguments: str) -> tuple[int, str, str]:
            result = await asyncio.to_thread(
                run_command, "import", "time.csv", *options, *arguments, folder=tmp_path, **variables
            )
            return result.returncode, result.stdout, result.stderr

        code, output, stderr = await run("--strict")
        assert (code, output) == (1, "")
        assert stderr.startswith("Row 2, column End: ")
        assert (await alice.get("/imports")).json()["items"] == []
        code, output, stderr = await run()
        (created,) = (await alice.get("/imports")).json()["items"]
        lines = output.splitlines()
        assert (code, stderr) == (0, "")
        assert lines[0] == "1 entry, 1 task and 0 projects created."
        assert lines[1].startswith("row 2, column End: ")
        assert lines[2] == f"Import {created['id']}: DELETE /imports/{created['id']} undoes it."


class TestMessages:
    def test_error_names_the_option(self) -> None:
        refused = ValidationError(errors=(FieldError("is needed", pointer="#/date_order"),))
        assert error_lines(refused) == "--date-order is needed."
        user_error = ValidationError(errors=(FieldError("is nobody", pointer="#/user"),))
        assert error_lines(user_error) == "--rows-of is nobody."
        assert error_lines(ServiceError("No.")) == "No."

    def test_summary_of_a_dry_run(self) -> None:
        output = summary_lines(
            {
                "id": None,
                "format": "csv",
                "dry_run": True,
                "created": {"projects": 1, "tasks": 2, "entries": 1_000},
                "duplicates": 1,
                "skipped": 2,
                "errors": [{"row": 0, "column": None, "message": "3 more rows are not listed"}],
                "left_out": [{"row": 7, "reason": "was read in before"}],
                "status": "done",
                "rows": 1_004,
                "rows_done": 1_004,
                "created_at": "2026-11-18T08:59:02Z",
                "notices": [{"row": 1_000, "column": "End", "message": "is a break"}],
                "ignored_columns": ["Group", "Invoice ID"],
                "columns": {"task": {"header": "What", "values": ["Mail", "Call"]}},
            }
        )
        assert output == [
            "1,000 entries, 2 tasks and 1 project would be created.",
            "1 row was not imported:",
            "row 7: was read in before",
            "2 rows are not working time.",
            "the file: 3 more rows are not listed",
            "row 1,000, column End: is a break",
            "Ignored columns: Group, Invoice ID.",
            "task is read from What, for example: Mail | Call",
        ]
