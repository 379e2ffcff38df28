"""Unicode normalisation of e-mail addresses and passwords, and the migration of earlier versions."""

import asyncio
import unicodedata
from typing import Any

import pytest
from fastapi import FastAPI
from passlib.hash import argon2

from app.main import create_app
from app.security.passwords import passwords
from documents.accounts.users import User
from services.accounts.users import user_service
from services.common.values.emails import email_key
from tests.conftest import Database
from tests.support.http import PASSWORD, Client, Json, pointers, problem
from tests.support.services import serving_another

WIDE, PLAIN = "\uff50eter@example.com", "peter@example.com"


async def register(client: Client, email: str, password: str = PASSWORD) -> Any:
    return await client.post("/users", json={"email": email, "password": password})


async def sign_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    return await client.post("/auth/token", data={"username": email, "password": password})


async def insert_older_account(email: str, *, password: str = PASSWORD) -> Json:
    """Insert an account as stored by versions that did not case-fold keys or normalise passwords."""
    hashed = argon2.using(type="ID", memory_cost=19_456, rounds=2).hash(password)  # the costs of the tests
    user = User.new(email=email, email_key=email.lower(), password_hash=hashed, full_name=None, timezone="UTC")
    return await user.add()


async def key_of(database: Database, user: Json) -> str:
    stored = await database.users.find_one({"_id": user["_id"]})
    assert stored is not None
    return str(stored["email_key"])


class TestLookAlikeAddress:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (PLAIN, WIDE),
            (WIDE, PLAIN),
            ("fish@example.com", "\ufb01sh@example.com"),
            ("strasse@example.com", "straße@example.com"),
            ("b\u00fcro@example.com", "BU\u0308RO@example.com"),
            ("\u03c3\u03b1\u03c2@example.com", "\u03a3\u0391\u03a3@example.com"),
            (PLAIN, "pe\u3164ter@example.com"),
            (PLAIN, "peter@\uff45xample.com"),
        ],
    )
    async def test_look_alike_address_is_the_same_account(self, anonymous: Client, one: str, other: str) -> None:
        assert (await register(anonymous, one)).status_code == 201
        problem(await register(anonymous, other), 409, "email_taken")
        assert (await sign_in(anonymous, other)).status_code == 200

    async def test_address_cannot_be_changed_to_a_look_alike(self, anonymous: Client, alice: Client) -> None:
        await register(anonymous, PLAIN)
        change = {"email": WIDE, "current_password": PASSWORD}
        problem(await alice.patch("/users/me", json=change), 409, "email_taken")

    async def test_address_is_stored_as_entered(self, anonymous: Client) -> None:
        assert (await register(anonymous, WIDE)).json()["email"] == WIDE

    async def test_look_alike_address_is_refused_as_password(self, anonymous: Client) -> None:
        assert pointers(await register(anonymous, PLAIN, WIDE.upper())) == {"#/password"}


class TestAccountOfEarlierVersion:
    async def test_account_with_an_older_key_can_sign_in_and_owns_its_address(
        self, anonymous: Client, alice: Client
    ) -> None:
        await insert_older_account(WIDE)
        assert (await sign_in(anonymous, WIDE)).status_code == 200
        problem(await register(anonymous, WIDE), 409, "email_taken")
        change = {"email": WIDE.upper(), "current_password": PASSWORD}
        problem(await alice.patch("/users/me", json=change), 409, "email_taken")

    async def test_service_start_migrates_the_email_keys(
        self, app: FastAPI, anonymous: Client, database: Database
    ) -> None:
        users = [await insert_older_account(email) for email in (WIDE, "Jörg@example.com", "ada@example.com")]
        async with serving_another(create_app(app.state.settings), database), asyncio.timeout(60):
            while (await key_of(database, users[0])) != PLAIN:  # noqa: ASYNC110 -- another client writes it
                await asyncio.sleep(0.02)
        assert [await key_of(database, user) for user in users] == [email_key(user["email"]) for user in users]
        for email in (WIDE, PLAIN):
            assert (await sign_in(anonymous, email)).status_code == 200
        problem(await register(anonymous, PLAIN), 409, "email_taken")

    async def test_older_key_stays_when_another_account_has_the_current_one(
        self, anonymous: Client, database: Database
    ) -> None:
        wide = await insert_older_account(WIDE, password="the one of the wide address")
        plain = await insert_older_account(PLAIN, password="the one of the plain address")
        for _ in range(2):
            await user_service.fold_email_keys()
        assert (await key_of(database, wide), await key_of(database, plain)) == (WIDE, PLAIN)
        assert (await sign_in(anonymous, WIDE, "the one of the wide address")).status_code == 200
        assert (await sign_in(anonymous, PLAIN, "the one of the plain address")).status_code == 200
        problem(await sign_in(anonymous, WIDE, "the one of the plain address"), 401, "invalid_credentials")
        problem(await register(anonymous, WIDE), 409, "email_taken")

    @pytest.mark.parametrize("to", [PLAIN, WIDE.upper()])
    async def test_address_can_be_changed_to_another_form_of_itself(self, anonymous: Client, to: str) -> None:
        await insert_older_account(WIDE)
        token = (await sign_in(anonymous, WIDE)).json()["access_token"]
        changed = await anonymous.patch(
            "/users/me",
            json={"email": to, "current_password": PASSWORD},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert (changed.status_code, changed.json()["email"]) == (200, to)

    async def test_account_being_deleted_is_not_migrated(self, empty_service: str, database: Database) -> None:
        assert empty_service
        user = await insert_older_account(WIDE)
        assert await User.begin_deletion(user)
        await user_service.fold_email_keys()
        assert await key_of(database, user) == f"deleted {user['_id']}"


NFC, NFD = "K\u00e4se und Br\u00f6tchen", "Ka\u0308se und Bro\u0308tchen"
ODD_SPACE = "K\u00e4se\u00a0und\u2003Br\u00f6tchen"


class TestPasswordNormalization:
    @pytest.mark.parametrize("registered", [NFC, NFD, ODD_SPACE])
    @pytest.mark.parametrize("entered", [NFC, NFD, ODD_SPACE])
    async def test_password_matches_in_every_unicode_form(
        self, anonymous: Client, registered: str, entered: str
    ) -> None:
        assert (await register(anonymous, PLAIN, registered)).status_code == 201
        assert (await sign_in(anonymous, PLAIN, entered)).status_code == 200
        problem(await sign_in(anonymous, PLAIN, entered.replace("u", "o")), 401, "invalid_credentials")

    async def test_every_password_field_is_normalized(self, anonymous: Client) -> None:
        await register(anonymous, PLAIN, NFC)
        token = (await sign_in(anonymous, PLAIN, NFD)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        change = {"email": "p@example.com", "current_password": NFD}
        assert (await anonymous.patch("/users/me", json=change, headers=headers)).status_code == 200
        body = {"current_password": NFD, "new_password": unicodedata.normalize("NFD", "noch ein längeres")}
        assert (await anonymous.post("/auth/password", json=body, headers=headers)).status_code == 204
        token = (await sign_in(anonymous, "p@example.com", "noch ein längeres")).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        gone = await anonymous.request("DELETE", "/users/me", json={"password": "noch ein längeres"}, headers=headers)
        assert gone.status_code == 204

    @pytest.mark.parametrize("hashed", [NFD, ODD_SPACE, NFC])
    async def test_older_hash_of_another_form_matches_and_is_replaced(
        self, anonymous: Client, database: Database, hashed: str
    ) -> None:
        user = await insert_older_account(PLAIN, password=hashed)
        entered = [hashed] if hashed == ODD_SPACE else [NFC, NFD]
        assert (await sign_in(anonymous, PLAIN, entered[0])).status_code == 200
        stored = await database.users.find_one({"_id": user["_id"]})
        assert stored is not None
        assert (stored["password_hash"] == user["password_hash"]) == (hashed == NFC)
        assert argon2.verify(NFC, stored["password_hash"])
        for again in (NFC, NFD, ODD_SPACE):
            assert (await passwords.check(again, stored["password_hash"])).is_match
        assert not (await passwords.check(NFD, stored["password_hash"])).is_outdated

    async def test_length_limit_applies_to_the_normalized_form(self, anonymous: Client) -> None:
        longest = "\u00e4" * 128
        assert (await register(anonymous, PLAIN, unicodedata.normalize("NFD", longest))).status_code == 201
        assert (await sign_in(anonymous, PLAIN, unicodedata.normalize("NFD", longest))).status_code == 200
        assert pointers(await sign_in(anonymous, PLAIN, longest + "x")) == {"#/password"}
        assert pointers(await register(anonymous, "q@example.com", "a\u0308" * 7)) == {"#/password"}
