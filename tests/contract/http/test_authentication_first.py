"""401 comes before every other error."""

import pytest

from tests.contract.input.test_body_limits import chunks
from tests.support.http import Client, problem

JSON = {"Content-Type": "application/json"}

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


ONE_MIB = 1024 * 1024


class TestWithoutToken:
    @pytest.mark.parametrize(
        ("content", "headers"),
        [
            (b"x" * (ONE_MIB + 1), JSON),
            (b"title=x", FORM),
            (b"nonsense", JSON),
            (b"{}", JSON),
            (b"", {}),
            (b"{}", {**JSON, "If-Match": "nonsense"}),
        ],
    )
    async def test_401_comes_before_body_errors(
        self, anonymous: Client, content: bytes, headers: dict[str, str]
    ) -> None:
        for method, path in (("POST", "/tasks"), ("PATCH", "/tasks/nonsense"), ("POST", "/timer/start")):
            problem(await anonymous.request(method, path, content=content, headers=headers), 401, "not_authenticated")
        problem(await anonymous.patch("/users/me", content=content, headers=headers), 401, "not_authenticated")

    async def test_401_comes_before_query_errors(self, anonymous: Client) -> None:
        for path in ("/tasks?x=1", "/tasks?limit=0", "/tasks?cursor=x", "/timer?x=1", "/users/me?x=1", "/tasks/x?y=1"):
            problem(await anonymous.get(path), 401, "not_authenticated")

    async def test_401_comes_before_the_end_of_a_long_body(self, anonymous: Client) -> None:
        response = await anonymous.post("/tasks", content=chunks(b"x" * 3 * ONE_MIB), headers=JSON)
        problem(response, 401, "not_authenticated")
