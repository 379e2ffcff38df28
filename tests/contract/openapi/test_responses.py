"""Every response is declared in the OpenAPI document, and every declared response occurs."""

from tests.contract.openapi import requests
from tests.contract.openapi.document import operations
from tests.contract.openapi.response_checker import ResponseChecker, RootClient
from tests.support.http import API, Client, Json

TESTED_ELSEWHERE = {
    # test_webhooks.py: changes are not recorded.
    ("create_webhook", "404"),
    # test_registration.py: registration is closed. test_imports.py: the file is too large.
    ("register", "403"),
    ("import_file", "413"),
    # test_retries.py: a request with the same key is in progress. test_switch.py: the task is full.
    ("create_task", "409"),
    ("restore_task", "409"),
    ("change_tasks", "409"),
    ("rename_tag", "409"),
    ("stop_timer", "409"),
    ("switch_timer", "409"),
    # test_shares.py: the maximum number of shares.
    ("create_share", "409"),
    # test_changes.py, test_events.py: changes are not recorded, or have expired.
    ("list_changes", "404"),
    ("list_changes", "410"),
    ("stream_events", "404"),
    # test_background_imports.py: the import is running.
    ("take_back_import", "409"),
    # test_replayed_secrets.py: a request with the same key is in progress.
    ("rotate_webhook_secret", "409"),
}


class TestResponses:
    async def test_declared_responses_are_those_that_occur(self, document: Json, alice: Client, address: str) -> None:
        checker = ResponseChecker(document)
        hooks = {"response": [checker.check]}
        async with RootClient(base_url=address, headers=alice.headers, event_hooks=hooks, timeout=30) as client:
            for path in ("/health", "/health/live", "/health/ready", f"{API}/config"):
                await client.get(path)
            await requests.send_account_requests(client)
            checker.tokens = await requests.send_session_requests(client)
            await requests.send_task_requests(client)
            await requests.send_timer_requests(client)
            await requests.send_entry_requests(client)
            await requests.send_project_requests(client)
            await requests.send_tag_requests(client)
            await requests.send_report_requests(client)
            await requests.send_share_requests(client)
            await requests.send_export_requests(client)
            await requests.send_import_requests(client)
            await requests.send_webhook_requests(client)
            for path in ("changes", "events"):
                await client.get(f"{API}/{path}", params={"after": "0"})
            await checker.provoke_common_errors(client)
        declared = {
            (operation["operationId"], status)
            for _, _, operation in operations(document)
            for status in operation["responses"]
            if status not in {"429", "503"}  # tests/accounts and tests/operation
        }
        assert declared - TESTED_ELSEWHERE == checker.seen
