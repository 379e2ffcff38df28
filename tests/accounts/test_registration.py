import asyncio
import hashlib
from datetime import timedelta

import pytest

from app.clock import utc_now
from app.config import Settings
from app.main import create_app
from services.accounts.users import AccountLine, user_service
from tests.accounts.account_requests import ADA, DEFAULT_PREFERENCES, register, sign_in
from tests.conftest import Database, MakeUser
from tests.support.http import API, PASSWORD, Client, Json, pointers, problem
from tests.support.services import serving_another


class TestRegister:
    async def test_response_is_the_user_without_the_password_hash(self, anonymous: Client) -> None:
        response = await register(anonymous, full_name="  Ada Lovelace ", timezone="Europe/London")
        assert response.status_code == 201
        assert response.headers["location"] == f"{API}/users/me"
        user = response.json()
        assert user == {
            "id": user["id"],
            "email": ADA,
            "full_name": "Ada Lovelace",
            "timezone": "Europe/London",
            "week_start": 0,
            "preferences": DEFAULT_PREFERENCES,
            "created_at": user["created_at"],
            "updated_at": user["created_at"],
        }
        assert len(user["id"]) == 24
        assert user["created_at"].endswith("Z")
        assert "argon2" not in response.text

    async def test_only_email_and_password_are_required(self, anonymous: Client) -> None:
        user = (await register(anonymous)).json()
        assert (user["full_name"], user["timezone"]) == (None, "UTC")

    async def test_only_a_hash_of_the_password_is_stored(self, anonymous: Client, database: Database) -> None:
        await register(anonymous)
        user = await database.users.find_one({"email": ADA})
        assert user is not None
        assert PASSWORD not in str(user)
        assert user["password_hash"].startswith("$argon2id$")

    @pytest.mark.parametrize("password", ["87263541", "p" * 128, " 1234567 ", "пароль-пароль", "🔑" * 128])
    async def test_password_of_8_to_128_characters_is_accepted(self, anonymous: Client, password: str) -> None:
        assert (await register(anonymous, password=password)).status_code == 201
        assert (await sign_in(anonymous, password=password)).status_code == 200

    @pytest.mark.parametrize("email", ["ada@localhost", "ada+timer@example.com", "ada@bücher.example", "a@b.test"])
    async def test_every_kind_of_email_address_is_accepted(self, anonymous: Client, email: str) -> None:
        response = await register(anonymous, email=f" {email} ")
        assert (response.status_code, response.json()["email"]) == (201, email)
        assert (await sign_in(anonymous, username=email)).status_code == 200

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"email": ""}, "#/email"),
            ({"email": "ada"}, "#/email"),
            ({"email": "ada@"}, "#/email"),
            ({"email": "@example.com"}, "#/email"),
            ({"email": "ada@@example.com"}, "#/email"),
            ({"email": "ada lovelace@example.com"}, "#/email"),
            ({"email": "ada@exam ple.com"}, "#/email"),
            ({"email": "ada@example\n.com"}, "#/email"),
            ({"email": "a\0da@example.com"}, "#/email"),
            ({"email": "Ada <ada@example.com>"}, "#/email"),
            ({"email": "ada@" + "x" * 250 + ".com"}, "#/email"),
            ({"email": 7}, "#/email"),
            ({"email": None}, "#/email"),
            ({"email": [ADA]}, "#/email"),
            ({"password": "1234567"}, "#/password"),
            ({"password": "Password1"}, "#/password"),
            ({"password": "12345678"}, "#/password"),
            ({"password": ADA.upper()}, "#/password"),
            ({"password": "p" * 129}, "#/password"),
            ({"password": ""}, "#/password"),
            ({"password": 12345678}, "#/password"),
            ({"password": None}, "#/password"),
            ({"password": "correct\0horse"}, "#/password"),
            ({"full_name": "  "}, "#/full_name"),
            ({"full_name": "n" * 201}, "#/full_name"),
            ({"full_name": "A\0da"}, "#/full_name"),
            ({"full_name": 7}, "#/full_name"),
            ({"timezone": "Middle/Earth"}, "#/timezone"),
            ({"timezone": "europe/berlin"}, "#/timezone"),
            ({"timezone": "localtime"}, "#/timezone"),
            ({"timezone": "Factory"}, "#/timezone"),
            ({"timezone": "../etc/passwd"}, "#/timezone"),
            ({"timezone": ""}, "#/timezone"),
            ({"timezone": 2}, "#/timezone"),
            ({"timezone": None}, "#/timezone"),
            ({"is_active": False}, "#/is_active"),
            ({"token_version": 7}, "#/token_version"),
            ({"password_hash": "x"}, "#/password_hash"),
            ({"a/b~c": 1}, "#/a~1b~0c"),
        ],
    )
    async def test_invalid_field_is_422_with_its_pointer(
        self, anonymous: Client, database: Database, fields: Json, pointer: str
    ) -> None:
        assert pointers(await register(anonymous, **fields)) == {pointer}
        assert await database.users.find_one({}) is None

    async def test_all_errors_are_reported_without_the_input_values(self, anonymous: Client) -> None:
        response = await anonymous.post("/users", json={"email": "sesame", "password": "open!", "extra": 1})
        assert pointers(response) == {"#/email", "#/password", "#/extra"}
        assert "sesame" not in response.text
        assert "open!" not in response.text

    @pytest.mark.parametrize("body", ["[]", "null", '"text"', "7", ""])
    async def test_body_that_is_not_an_object_is_refused(self, anonymous: Client, body: str) -> None:
        response = await anonymous.post("/users", content=body, headers={"Content-Type": "application/json"})
        assert pointers(response) == {"#"}

    @pytest.mark.parametrize("email", [ADA, "ada@example.com", "ADA@EXAMPLE.COM", "  ada@eXample.com "])
    async def test_email_address_is_unique_regardless_of_case(self, anonymous: Client, email: str) -> None:
        assert (await register(anonymous)).status_code == 201
        problem(await register(anonymous, email=email), 409, "email_taken")

    @pytest.mark.parametrize("people", [2, 20])
    async def test_one_of_concurrent_registrations_in_different_case_succeeds(
        self, anonymous: Client, database: Database, people: int
    ) -> None:
        written = [f"{ADA[:place]}{ADA[place:].swapcase()}" for place in range(people)]
        written = [written[number % len(ADA)] for number in range(people)]
        responses = await asyncio.gather(*(register(anonymous, email=email) for email in written))
        assert sorted(response.status_code for response in responses) == [201] + [409] * (people - 1)
        for response in responses:
            if response.status_code == 409:
                problem(response, 409, "email_taken")
        assert await database.users.count_documents({}) == 1

    async def test_registration_is_refused_when_it_is_closed(
        self, anonymous: Client, settings: Settings, database: Database
    ) -> None:
        closed = create_app(settings.model_copy(update={"registration_open": False}))
        async with serving_another(closed, database) as address, Client(base_url=address + API) as stranger:
            problem(await register(stranger), 403, "registration_closed")
        assert await database.users.find_one({}) is None
        assert (await register(anonymous)).status_code == 201


class TestPasswordHash:
    async def test_each_password_hash_has_its_own_salt(self, anonymous: Client, database: Database) -> None:
        await register(anonymous)
        await register(anonymous, email="bob@example.com")
        hashes = [user["password_hash"] async for user in database.users.find({})]
        assert len(set(hashes)) == 2
        assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in hashes


class TestListOfAccounts:
    async def test_accounts_have_their_state_and_name_and_the_oldest_is_first(self, make_user: MakeUser) -> None:
        now = utc_now()
        await make_user("ada@example.com", created_at=now - timedelta(days=2), full_name="Ada")
        await make_user("bob@example.com", created_at=now - timedelta(days=1), is_active=False)
        await make_user("eve@example.com", created_at=now, deleted_at=now)
        assert [line async for line in user_service.iterate_accounts()] == [
            AccountLine("ada@example.com", "active", f"{now - timedelta(days=2):%Y-%m-%d}", "Ada"),
            AccountLine("bob@example.com", "disabled", f"{now - timedelta(days=1):%Y-%m-%d}", ""),
            AccountLine("eve@example.com", "being deleted", f"{now:%Y-%m-%d}", ""),
        ]
