"""Requests that the OpenAPI document admits, and such that it does not: no answer is a crash, each is in the document.

What deletes the account, ends its sessions or is limited by intent is tried by its own tests.
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
ENDING = {"delete_me", "sign_out", "change_password"}


def try_everything(document: dict[str, Any], base_url: str, headers: dict[str, str]) -> int:
    """How many requests were tried. Raises what is wrong with an answer, in words of schemathesis."""
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    with requests.Session() as session:
        session.trust_env = False
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if operation.definition.raw["operationId"] in ENDING:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @given(case=operation.as_strategy(generation_mode=mode))
                @examples(
                    max_examples=EXAMPLES,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    derandomize=not LONG,
                    suppress_health_check=list(HealthCheck),
                )
                def answers_as_it_says(case: schemathesis.Case[Any]) -> None:
                    nonlocal tried
                    tried += 1
                    response = case.call(base_url=base_url, session=session, headers=headers, timeout=30)
                    case.validate_response(response, checks=CHECKS)

                with suppress(Unsatisfiable):  # there is nothing to send that is not admitted
                    answers_as_it_says()
    return tried


class TestAnyRequest:
    async def test_is_answered_as_the_document_says(self, app: FastAPI, address: str, alice: Client) -> None:
        await alice.start(await alice.make_task())
        headers = {"Authorization": alice.headers["authorization"]}
        tried = await asyncio.to_thread(try_everything, app.openapi(), address, headers)
        assert tried > EXAMPLES
