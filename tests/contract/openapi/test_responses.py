"""Every response is declared in the OpenAPI document, and every declared response occurs."""

from tests.contract.openapi import tour_requests
from tests.contract.openapi.document import operations
from tests.contract.openapi.tour import ClientOfTheRoot, Tour
from tests.support.http import API, Client, Json

ANOTHER = {
    # What a tour through one service cannot meet: test_error_contract.py, test_signing_in.py and
    # test_imports.py meet it.
    ("register", "403"),
    ("import_file", "413"),
    # test_retries.py meets a request that is still under way, test_switching.py a task that is full.
    ("create_task", "409"),
    ("restore_task", "409"),
    ("change_tasks", "409"),
    ("rename_tag", "409"),
    ("stop_timer", "409"),
    ("switch_timer", "409"),
    # test_background_imports.py meets an import that is still running.
    ("take_back_import", "409"),
}


class TestEveryAnswer:
    async def test_is_what_the_document_says(self, document: Json, alice: Client, address: str) -> None:
        tour = Tour(document)
        hooks = {"response": [tour.check]}
        async with ClientOfTheRoot(base_url=address, headers=alice.headers, event_hooks=hooks, timeout=30) as client:
            for path in ("/health", "/health/live", "/health/ready", f"{API}/config"):
                await client.get(path)
            await tour_requests.send_account_requests(client)
            tour.tokens = await tour_requests.send_session_requests(client)
            await tour_requests.send_task_requests(client)
            await tour_requests.send_timer_requests(client)
            await tour_requests.send_entry_requests(client)
            await tour_requests.send_project_requests(client)
            await tour_requests.send_tag_requests(client)
            await tour_requests.send_report_requests(client)
            await tour_requests.send_export_requests(client)
            await tour_requests.send_import_requests(client)
            await tour.provoke_common_errors(client)
        declared = {
            (operation["operationId"], status)
            for _, _, operation in operations(document)
            for status in operation["responses"]
            if status not in {"429", "503"}  # tests/accounts/test_rate_limits.py and test_error_contract.py have those
        }
        assert declared - ANOTHER == tour.seen
