import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import FrameType

import pytest
from jose import jwt

from app.config import Settings
from app.security.passwords import passwords
from tests.accounts.account_requests import ADA, register, sign_in
from tests.conftest import Database
from tests.support.http import PASSWORD, Client, pointers, problem


@contextmanager
def hashing_work() -> Iterator[list[str]]:
    """Collect the names of the functions that are submitted to the hashing threads, with a profiler."""
    submitted: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is ThreadPoolExecutor.submit.__code__:
            work = frame.f_locals["fn"]
            if frame.f_locals["self"] is passwords._threads and isinstance(work, partial):
                submitted.append(work.func.__name__)

    sys.setprofile(watch)
    try:
        yield submitted
    finally:
        sys.setprofile(None)


class TestSignIn:
    async def test_access_token_authenticates_the_user(self, anonymous: Client) -> None:
        user = (await register(anonymous)).json()
        response = await sign_in(anonymous)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        token = response.json()
        assert {key: token[key] for key in ("token_type", "expires_in")} == {"token_type": "bearer", "expires_in": 1800}
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await anonymous.get("/users/me", headers=bearer)).json() == user

    async def test_access_token_has_the_claims_of_user_and_session(self, anonymous: Client, settings: Settings) -> None:
        user = (await register(anonymous)).json()
        claims = [jwt.get_unverified_claims((await sign_in(anonymous)).json()["access_token"]) for _ in range(2)]
        for claim in claims:
            assert claim.keys() == {"iss", "sub", "iat", "exp", "jti", "sid", "ver"}
            assert (claim["iss"], claim["sub"], claim["ver"]) == (settings.app_name, user["id"], 0)
            assert claim["exp"] - claim["iat"] == 1800
        assert claims[0]["jti"] != claims[1]["jti"]
        assert claims[0]["sid"] != claims[1]["sid"]

    async def test_all_fields_of_the_oauth2_form_are_accepted(self, anonymous: Client) -> None:
        await register(anonymous)
        form = {"grant_type": "password", "scope": "", "client_id": "", "client_secret": ""}
        assert (await sign_in(anonymous, **form)).status_code == 200

    @pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", " Ada@example.com "])
    async def test_email_address_is_accepted_in_any_case(self, anonymous: Client, email: str) -> None:
        await register(anonymous)
        assert (await sign_in(anonymous, username=email)).status_code == 200

    async def test_wrong_password_unknown_address_and_disabled_user_get_equal_responses(
        self, anonymous: Client, database: Database
    ) -> None:
        await register(anonymous)
        responses = [await sign_in(anonymous, password="correct horse batterY")]
        responses.append(await sign_in(anonymous, username="nobody@example.com"))
        await database.users.update_one({}, {"$set": {"is_active": False}})
        responses.append(await sign_in(anonymous))
        problems = [problem(response, 401, "invalid_credentials") for response in responses]
        for body in problems:
            del body["request_id"]
        assert problems[0] == problems[1] == problems[2]
        assert len({response.headers["www-authenticate"] for response in responses}) == 1

    async def test_unknown_address_costs_as_many_hashes_as_a_wrong_password(self, anonymous: Client) -> None:
        # tests/unit/test_security.py checks that each verification is one hash of the same cost.
        await register(anonymous)
        for form in ({"password": "wrong"}, {"username": "nobody@example.com"}, {}):
            with hashing_work() as submitted:
                await sign_in(anonymous, **form)
            assert submitted == ["_verify"]

    @pytest.mark.parametrize("password", ["", "x", "correct\0horse", "é" * 128, " " + PASSWORD, PASSWORD + " "])
    async def test_any_wrong_password_is_invalid_credentials(self, anonymous: Client, password: str) -> None:
        await register(anonymous)
        problem(await sign_in(anonymous, password=password), 401, "invalid_credentials")

    @pytest.mark.parametrize("email", ["", "ada", "a\0da@example.com", '{"$ne": null}', "é" * 100])
    async def test_any_unknown_address_is_invalid_credentials(self, anonymous: Client, email: str) -> None:
        await register(anonymous)
        problem(await sign_in(anonymous, username=email), 401, "invalid_credentials")

    async def test_json_body_is_415(self, anonymous: Client) -> None:
        response = await anonymous.post("/auth/token", json={"username": ADA, "password": PASSWORD})
        assert "application/x-www-form-urlencoded" in problem(response, 415, "unsupported_media_type")["detail"]

    @pytest.mark.parametrize(
        ("form", "pointer"),
        [
            ("username=a&password=b&password=c", "#"),
            ("username=a&username=a&password=b", "#"),
            ("username=a", "#/password"),
            ("password=b", "#/username"),
            ("username=a&password=b&remember=yes", "#/remember"),
            ("username=a&password=b&grant_type=client_credentials", "#/grant_type"),
            ("username=a&password=" + "b" * 129, "#/password"),
            ("username=" + "a" * 255 + "&password=b", "#/username"),
            ("username=%ff&password=b", "#"),
            (b"username=\xff&password=b", "#"),
            ("username=a&password=b" + "&x=1" * 30, "#"),
        ],
    )
    async def test_invalid_form_is_422_with_its_pointer(
        self, anonymous: Client, form: str | bytes, pointer: str
    ) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert pointers(await anonymous.post("/auth/token", content=form, headers=headers)) == {pointer}

    async def test_empty_form_is_422_with_the_missing_fields(self, anonymous: Client) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        response = await anonymous.post("/auth/token", content="", headers=headers)
        assert pointers(response) == {"#/username", "#/password"}
