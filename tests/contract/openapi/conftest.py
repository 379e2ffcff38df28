"""The OpenAPI document of the service."""

import json

import pytest
from fastapi import FastAPI

from tests.support.http import Json


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    """The document as a client gets it."""
    parsed: Json = json.loads(json.dumps(app.openapi()))
    return parsed
