"""Generated requests, valid and invalid by the OpenAPI document: every response conforms to it, and none is a 5xx.

Operations that delete the account or end its sessions are excluded, and the event stream, which has no end.
"""

import asyncio
from contextlib import suppress
from typing import Any

import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.http import LONG, Client

EXAMPLES = 150 if LONG else 3
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXCLUDED = {"delete_me", "sign_out", "change_password", "stream_events"}


def send_generated_requests(document: dict[str, Any], base_url: str, headers: dict[str, str]) -> int:
    """Send requests to every operation, and return their number. Raises the failure of schemathesis."""
    schema = schemathesis.openapi.from_dict(document)
    count = 0
    with requests.Session() as session:
        session.trust_env = False
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            if operation.definition.raw["operationId"] in EXCLUDED:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @given(case=operation.as_strategy(generation_mode=mode))
                @examples(
                    max_examples=EXAMPLES,
                    database=None,
                    phases=[Phase.generate],
                    derandomize=not LONG,
                    suppress_health_check=list(HealthCheck),
                )
                def response_conforms(case: schemathesis.Case[Any]) -> None:
                    nonlocal count
                    count += 1
                    response = case.call(base_url=base_url, session=session, headers=headers, timeout=30)
                    case.validate_response(response, checks=CHECKS)

                with suppress(Unsatisfiable):  # every request is valid
                    response_conforms()
    return count


class TestGeneratedRequests:
    async def test_responses_conform_to_the_document(self, app: FastAPI, address: str, alice: Client) -> None:
        await alice.start(await alice.make_task())
        headers = {"Authorization": alice.headers["authorization"]}
        count = await asyncio.to_thread(send_generated_requests, app.openapi(), address, headers)
        assert count > EXAMPLES
