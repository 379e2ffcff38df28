"""The modules of a serving process: it loads no library that only other requests need."""

from pathlib import Path

from app.config import Settings
from tests.conftest import MakeUser
from tests.support.http import API, PASSWORD, Client
from tests.support.processes import free_port
from tests.support.services import environment, process_serving

SERVE = """
import sys
from pathlib import Path
from app.commands.cli import main

try:
    main()
finally:
    Path("modules").write_text("\\n".join(name for name, module in sys.modules.items() if module is not None))
"""

UNUSED = {
    *("typer", "rich", "pygments"),  # other commands
    *("cryptography.hazmat", "httpcore", "services.webhooks.exchange"),  # webhooks
    *("jose.backends.cryptography_backend", "rsa"),  # signatures other than those of access tokens
    *("pydantic.v1", "greenlet", "iso4217"),  # models of pydantic 1, greenlets, rates
    *("icalendar", "dateutil", "xlsxwriter"),  # exports and calendars
    *("services.transfer.import_formats.programs", "services.transfer.import_formats.rows"),
    *("services.transfer.account_file", "services.transfer.schemas.account_file"),
    *("services.maintenance.doctor", "documents.maintenance.dump", "documents.maintenance.inspection"),  # commands
    *("pytest", "httpx", "numpy"),  # development
}


class TestServingProcess:
    async def test_process_that_serves_tasks_has_not_loaded_other_libraries(
        self, settings: Settings, make_user: MakeUser, tmp_path: Path
    ) -> None:
        await make_user("carol@example.com")
        async with (
            process_serving(
                ["-c", SERVE, "serve"], port=free_port(), log=tmp_path / "log", **environment(settings)
            ) as address,
            Client(base_url=address + API, timeout=30) as client,
        ):
            form = {"username": "carol@example.com", "password": PASSWORD}
            token = (await client.post("/auth/token", data=form)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            task = (await client.post("/tasks", json={"title": "A"})).json()
            await client.post("/timer/start", json={"task_id": task["id"]})
            await client.post("/timer/stop")
            for path in (f"/tasks/{task['id']}", "/tasks", "/reports/summary", "/time-entries"):
                await client.get(path)
        modules = set((tmp_path / "modules").read_text().splitlines())
        assert "services.tracking.timer" in modules
        assert modules & UNUSED == set()
