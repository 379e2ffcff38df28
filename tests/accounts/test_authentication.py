import asyncio
import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import Any

import httpx
import pytest
from jose import jwt

from app.config import Settings
from app.main import create_app
from app.security.passwords import passwords
from services.accounts.users import user_service
from tests.conftest import Database, MakeUser
from tests.support.http import API, PASSWORD, Client, Json, pointers, problem
from tests.support.services import serving_beside

ADA = "Ada@Example.com"


async def register(client: Client, **fields: Any) -> httpx.Response:
    return await client.post("/users", json={"email": ADA, "password": PASSWORD, **fields})


async def sign_in(client: Client, **fields: str) -> httpx.Response:
    return await client.post("/auth/token", data={"username": ADA, "password": PASSWORD, **fields})


@contextmanager
def hashing_work() -> Iterator[list[str]]:
    """The names of the pieces of work that were handed to the threads that hash, found by watching the calls."""
    seen: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is ThreadPoolExecutor.submit.__code__:
            work = frame.f_locals["fn"]
            if frame.f_locals["self"] is passwords._threads and isinstance(work, partial):
                seen.append(work.func.__name__)

    sys.setprofile(watch)
    try:
        yield seen
    finally:
        sys.setprofile(None)


class TestMakingAnAccount:
    async def test_answers_the_user_and_never_the_hash(self, anonymous: Client) -> None:
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
            "preferences": {"overlap_policy": "allow", "timer_cap_hours": 12},
            "created_at": user["created_at"],
            "updated_at": user["created_at"],
        }
        assert len(user["id"]) == 24
        assert user["created_at"].endswith("Z")
        assert "argon2" not in response.text

    async def test_needs_no_more_than_an_address_and_a_password(self, anonymous: Client) -> None:
        user = (await register(anonymous)).json()
        assert (user["full_name"], user["timezone"]) == (None, "UTC")

    async def test_stores_no_password(self, anonymous: Client, database: Database) -> None:
        await register(anonymous)
        user = await database.users.find_one({"email": ADA})
        assert user is not None
        assert PASSWORD not in str(user)
        assert user["password_hash"].startswith("$argon2id$")

    @pytest.mark.parametrize("password", ["87263541", "p" * 128, " 1234567 ", "пароль-пароль", "🔑" * 128])
    async def test_takes_every_password_of_8_to_128_characters(self, anonymous: Client, password: str) -> None:
        assert (await register(anonymous, password=password)).status_code == 201
        assert (await sign_in(anonymous, password=password)).status_code == 200

    @pytest.mark.parametrize("email", ["ada@localhost", "ada+timer@example.com", "ada@bücher.example", "a@b.test"])
    async def test_takes_every_kind_of_address(self, anonymous: Client, email: str) -> None:
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
    async def test_bad_input_says_where(
        self, anonymous: Client, database: Database, fields: Json, pointer: str
    ) -> None:
        assert pointers(await register(anonymous, **fields)) == {pointer}
        assert await database.users.find_one({}) is None

    async def test_says_all_that_is_wrong_at_once_and_repeats_nothing_of_it(self, anonymous: Client) -> None:
        response = await anonymous.post("/users", json={"email": "sesame", "password": "open!", "extra": 1})
        assert pointers(response) == {"#/email", "#/password", "#/extra"}
        assert "sesame" not in response.text
        assert "open!" not in response.text

    @pytest.mark.parametrize("body", ["[]", "null", '"text"', "7", ""])
    async def test_a_body_that_is_no_object_is_refused(self, anonymous: Client, body: str) -> None:
        response = await anonymous.post("/users", content=body, headers={"Content-Type": "application/json"})
        assert pointers(response) == {"#"}

    @pytest.mark.parametrize("email", [ADA, "ada@example.com", "ADA@EXAMPLE.COM", "  ada@eXample.com "])
    async def test_an_address_is_taken_in_whatever_case(self, anonymous: Client, email: str) -> None:
        assert (await register(anonymous)).status_code == 201
        problem(await register(anonymous, email=email), 409, "email_taken")

    @pytest.mark.parametrize("people", [2, 20])
    async def test_of_parallel_registrations_in_different_case_one_succeeds(
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

    async def test_is_refused_where_registration_is_closed(
        self, anonymous: Client, settings: Settings, database: Database
    ) -> None:
        closed = create_app(settings.model_copy(update={"registration_open": False}))
        async with serving_beside(closed, database) as address, Client(base_url=address + API) as stranger:
            problem(await register(stranger), 403, "registration_closed")
        assert await database.users.find_one({}) is None
        assert (await register(anonymous)).status_code == 201


class TestGettingAToken:
    async def test_opens_the_account(self, anonymous: Client) -> None:
        user = (await register(anonymous)).json()
        response = await sign_in(anonymous)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        token = response.json()
        assert {key: token[key] for key in ("token_type", "expires_in")} == {"token_type": "bearer", "expires_in": 1800}
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await anonymous.get("/users/me", headers=bearer)).json() == user

    async def test_says_who_when_and_which_sign_in(self, anonymous: Client, settings: Settings) -> None:
        user = (await register(anonymous)).json()
        claims = [jwt.get_unverified_claims((await sign_in(anonymous)).json()["access_token"]) for _ in range(2)]
        for claim in claims:
            assert claim.keys() == {"iss", "sub", "iat", "exp", "jti", "sid", "ver"}
            assert (claim["iss"], claim["sub"], claim["ver"]) == (settings.app_name, user["id"], 0)
            assert claim["exp"] - claim["iat"] == 1800
        assert claims[0]["jti"] != claims[1]["jti"]
        assert claims[0]["sid"] != claims[1]["sid"]

    async def test_takes_the_whole_form_of_oauth2(self, anonymous: Client) -> None:
        await register(anonymous)
        form = {"grant_type": "password", "scope": "", "client_id": "", "client_secret": ""}
        assert (await sign_in(anonymous, **form)).status_code == 200

    @pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", " Ada@example.com "])
    async def test_takes_the_address_in_whatever_case(self, anonymous: Client, email: str) -> None:
        await register(anonymous)
        assert (await sign_in(anonymous, username=email)).status_code == 200

    async def test_a_wrong_password_an_unknown_address_and_a_disabled_user_answer_alike(
        self, anonymous: Client, database: Database
    ) -> None:
        await register(anonymous)
        answers = [await sign_in(anonymous, password="correct horse batterY")]
        answers.append(await sign_in(anonymous, username="nobody@example.com"))
        await database.users.update_one({}, {"$set": {"is_active": False}})
        answers.append(await sign_in(anonymous))
        said = [problem(answer, 401, "invalid_credentials") for answer in answers]
        for body in said:
            del body["request_id"]
        assert said[0] == said[1] == said[2]
        assert len({answer.headers["www-authenticate"] for answer in answers}) == 1

    async def test_hashes_as_much_for_an_unknown_address_as_for_a_wrong_password(self, anonymous: Client) -> None:
        # That one such check is one hash of one cost, with a user or without, is shown in unit/test_security.py.
        await register(anonymous)
        for form in ({"password": "wrong"}, {"username": "nobody@example.com"}, {}):
            with hashing_work() as work:
                await sign_in(anonymous, **form)
            assert work == ["_verify"]

    @pytest.mark.parametrize("password", ["", "x", "correct\0horse", "é" * 128, " " + PASSWORD, PASSWORD + " "])
    async def test_whatever_password_is_tried_it_is_just_wrong(self, anonymous: Client, password: str) -> None:
        await register(anonymous)
        problem(await sign_in(anonymous, password=password), 401, "invalid_credentials")

    @pytest.mark.parametrize("email", ["", "ada", "a\0da@example.com", '{"$ne": null}', "é" * 100])
    async def test_whatever_address_is_tried_it_is_just_unknown(self, anonymous: Client, email: str) -> None:
        await register(anonymous)
        problem(await sign_in(anonymous, username=email), 401, "invalid_credentials")

    async def test_a_body_in_json_is_415(self, anonymous: Client) -> None:
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
    async def test_a_bad_form_says_where(self, anonymous: Client, form: str | bytes, pointer: str) -> None:
        sent_type = {"Content-Type": "application/x-www-form-urlencoded"}
        assert pointers(await anonymous.post("/auth/token", content=form, headers=sent_type)) == {pointer}

    async def test_an_empty_form_says_what_is_missing(self, anonymous: Client) -> None:
        sent_type = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        response = await anonymous.post("/auth/token", content="", headers=sent_type)
        assert pointers(response) == {"#/username", "#/password"}


class TestOnesOwnAccount:
    async def test_shows_the_profile(self, anonymous: Client) -> None:
        user = (await register(anonymous, full_name="Ada")).json()
        bearer = {"Authorization": f"Bearer {(await sign_in(anonymous)).json()['access_token']}"}
        assert (await anonymous.get("/users/me", headers=bearer)).json() == user

    async def test_changes_what_is_sent_and_leaves_the_rest(self, alice: Client) -> None:
        before = (await alice.get("/users/me")).json()
        change = {"full_name": "Alice", "timezone": "Asia/Tokyo", "week_start": 6}
        response = await alice.patch("/users/me", json=change)
        after = response.json()
        assert (response.status_code, after) == (200, {**before, **change, "updated_at": after["updated_at"]})
        assert datetime.fromisoformat(after["updated_at"]) >= datetime.fromisoformat(before["updated_at"])
        assert (await alice.get("/users/me")).json() == after

    async def test_merges_the_preferences_key_by_key(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"preferences": {"timer_cap_hours": 9}})
        changed = await alice.patch("/users/me", json={"preferences": {"overlap_policy": "warn"}})
        assert changed.json()["preferences"] == {"overlap_policy": "warn", "timer_cap_hours": 9}

    async def test_parallel_changes_of_different_fields_lose_nothing(self, alice: Client) -> None:
        changes: list[Json] = [
            {"full_name": "Alice"},
            {"timezone": "Asia/Tokyo"},
            {"week_start": 3},
            {"preferences": {"timer_cap_hours": 5}},
            {"preferences": {"overlap_policy": "forbid"}},
        ]
        await asyncio.gather(*(alice.patch("/users/me", json=change) for change in changes))
        user = (await alice.get("/users/me")).json()
        assert (user["full_name"], user["timezone"], user["week_start"]) == ("Alice", "Asia/Tokyo", 3)
        assert user["preferences"] == {"overlap_policy": "forbid", "timer_cap_hours": 5}

    async def test_null_clears_the_name(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"full_name": "Alice"})
        assert (await alice.patch("/users/me", json={"full_name": None})).json()["full_name"] is None

    @pytest.mark.parametrize("change", [{}, {"preferences": {}}])
    async def test_nothing_sent_changes_nothing(self, alice: Client, change: Json) -> None:
        before = (await alice.get("/users/me")).json()
        response = await alice.patch("/users/me", json=change)
        assert (response.status_code, response.json()) == (200, before)

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"timezone": None}, "#/timezone"),
            ({"timezone": "Berlin"}, "#/timezone"),
            ({"full_name": ""}, "#/full_name"),
            ({"full_name": 7}, "#/full_name"),
            ({"week_start": 7}, "#/week_start"),
            ({"week_start": -1}, "#/week_start"),
            ({"week_start": "0"}, "#/week_start"),
            ({"week_start": 1.5}, "#/week_start"),
            ({"week_start": True}, "#/week_start"),
            ({"week_start": None}, "#/week_start"),
            ({"preferences": None}, "#/preferences"),
            ({"preferences": []}, "#/preferences"),
            ({"preferences": {"timer_cap_hours": 0}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"timer_cap_hours": 745}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"timer_cap_hours": "12"}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"timer_cap_hours": None}}, "#/preferences/timer_cap_hours"),
            ({"preferences": {"overlap_policy": "deny"}}, "#/preferences/overlap_policy"),
            ({"preferences": {"overlap_policy": None}}, "#/preferences/overlap_policy"),
            ({"preferences": {"$set": 1}}, "#/preferences/$set"),
            ({"email": "new@example.com"}, "#/current_password"),
            ({"email": "nonsense", "current_password": PASSWORD}, "#/email"),
            ({"password": PASSWORD}, "#/password"),
            ({"is_active": True}, "#/is_active"),
            ({"preferences.timer_cap_hours": 3}, "#/preferences.timer_cap_hours"),
        ],
    )
    async def test_bad_input_says_where_and_changes_nothing(self, alice: Client, change: Json, pointer: str) -> None:
        before = (await alice.get("/users/me")).json()
        response = await alice.patch("/users/me", json={**change, "full_name": change.get("full_name", "Alice")})
        assert pointers(response) == {pointer}
        assert (await alice.get("/users/me")).json() == before

    async def test_a_change_takes_effect_in_the_very_next_request(self, alice: Client) -> None:
        task = await alice.make_task()
        for zone in ("Asia/Tokyo", "America/Lima"):
            await alice.patch("/users/me", json={"timezone": zone})
            assert (await alice.start(task))["entry"]["timezone"] == zone
            await alice.stop()

    async def test_a_change_takes_effect_whatever_was_asked_meanwhile(self, alice: Client) -> None:
        task = await alice.make_task()
        for zone in ("Asia/Tokyo", "America/Lima") * 15:
            change = alice.patch("/users/me", json={"timezone": zone})
            await asyncio.gather(change, *(alice.get("/timer") for _ in range(6)))
            assert (await alice.start(task))["entry"]["timezone"] == zone
            await alice.stop()

    async def test_is_only_ones_own(self, alice: Client, bob: Client) -> None:
        await alice.patch("/users/me", json={"full_name": "Alice"})
        user = (await bob.get("/users/me")).json()
        assert (user["email"], user["full_name"]) == ("bob@example.com", None)


Forge = Callable[[Json, str], str]


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: object, claims: object, key: str, digest: str = "sha256") -> str:
    """A token made by hand: jose would refuse to make some of these."""
    said = f"{part(header)}.{part(claims)}"
    return f"{said}.{part(hmac.digest(key.encode(), said.encode(), digest))}"


@pytest.fixture
def key(settings: Settings) -> str:
    assert settings.secret_key is not None
    return settings.secret_key.get_secret_value()


@pytest.fixture
def claims(alice: Client, settings: Settings) -> Json:
    """What a good token of alice says."""
    now = int(datetime.now(UTC).timestamp())
    sub = str(alice.user["_id"])
    sid = jwt.get_unverified_claims(alice.headers["authorization"].removeprefix("Bearer "))["sid"]
    said: Json = {"iss": settings.app_name, "sub": sub, "iat": now, "exp": now + 600, "jti": "j", "sid": sid, "ver": 0}
    return said


HS256 = {"alg": "HS256", "typ": "JWT"}


async def refused(client: Client, token: str, code: str = "invalid_token") -> None:
    response = await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    problem(response, 401, code)
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


class TestABearerToken:
    async def test_made_by_hand_is_as_good_as_any(self, anonymous: Client, claims: Json, key: str) -> None:
        bearer = {"Authorization": f"Bearer {signed(HS256, claims, key)}"}
        response = await anonymous.get("/users/me", headers=bearer)
        assert (response.status_code, response.json()["email"]) == (200, "alice@example.com")

    async def test_with_the_session_of_somebody_else_is_refused(
        self, anonymous: Client, bob: Client, database: Database, claims: Json, key: str
    ) -> None:
        session = await database.refresh_tokens.find_one({"user_id": bob.user["_id"]})
        assert session is not None
        await refused(anonymous, signed(HS256, {**claims, "sid": str(session["_id"])}, key))

    async def test_is_asked_for_when_there_is_none(self, anonymous: Client) -> None:
        response = await anonymous.get("/users/me")
        problem(response, 401, "not_authenticated")
        assert response.headers["www-authenticate"] == 'Bearer realm="Task Timer"'

    @pytest.mark.parametrize("sent", ["", "Bearer", "Basic YWRhOnNlY3JldA==", "Token abc", "abc"])
    async def test_is_asked_for_when_something_else_is_sent(self, anonymous: Client, sent: str) -> None:
        problem(await anonymous.get("/users/me", headers={"Authorization": sent}), 401, "not_authenticated")

    @pytest.mark.parametrize(
        "token",
        ["garbage", "a.b.c", "...", "e30.e30.e30", "é", "a b", "null", "e30.e30.", "x" * 20_000, "a." * 10_000],
    )
    async def test_that_is_garbage_is_refused(self, anonymous: Client, token: str) -> None:
        await refused_bytes(anonymous, f"Bearer {token}".encode())

    @pytest.mark.parametrize(
        "header",
        [
            b"[" * 10_000,
            b'{"alg":' * 5_000,
            b"1" * 6_000,
            b"null",
            b"[]",
            b'"HS256"',
            b"\xff\xfe",
            b"{",
            b'{"alg": ["HS256"]}',
            b'{"alg": {}}',
            b'{"alg": null}',
        ],
    )
    async def test_with_a_strange_header_is_refused(self, anonymous: Client, header: bytes, key: str) -> None:
        await refused(anonymous, signed(header, {"sub": "x"}, key))

    @pytest.mark.parametrize("said", [b"[" * 10_000, b"null", b"[]", b'"x"', b"7", b"{", b"\xff"])
    async def test_with_strange_claims_is_refused(self, anonymous: Client, said: bytes, key: str) -> None:
        await refused(anonymous, signed(HS256, said, key))

    async def test_that_has_expired_says_so(self, anonymous: Client, claims: Json, key: str) -> None:
        now = datetime.now(UTC)
        claims |= {"iat": int((now - timedelta(hours=1)).timestamp()), "exp": int(now.timestamp()) - 1}
        await refused(anonymous, signed(HS256, claims, key), "token_expired")

    async def test_signed_with_another_key_is_refused(self, anonymous: Client, claims: Json, key: str) -> None:
        await refused(anonymous, signed(HS256, claims, key[::-1]))
        await refused(anonymous, signed(HS256, claims, ""))

    async def test_that_was_changed_is_refused(self, anonymous: Client, claims: Json, key: str, bob: Client) -> None:
        header, said, signature = signed(HS256, claims, key).split(".")
        others = part({**claims, "sub": str(bob.user["_id"])})
        await refused(anonymous, f"{header}.{others}.{signature}")
        await refused(anonymous, f"{header}.{said}.{signature[:-4]}AAAA")
        await refused(anonymous, f"{header}.{said}.")
        await refused(anonymous, f"{header}.{said}")

    @pytest.mark.parametrize("none", ["none", "None", "NONE", "nOnE", ""])
    async def test_without_a_signature_is_refused(self, anonymous: Client, claims: Json, key: str, none: str) -> None:
        await refused(anonymous, f"{part({'alg': none})}.{part(claims)}.")
        await refused(anonymous, signed({"alg": none}, claims, key))

    async def test_of_another_algorithm_is_refused(self, anonymous: Client, claims: Json, key: str) -> None:
        await refused(anonymous, jwt.encode(claims, key, algorithm="HS512"))
        await refused(anonymous, jwt.encode(claims, key, algorithm="HS384"))
        await refused(anonymous, signed({"alg": "HS512"}, claims, key))
        for foreign in ("RS256", "ES256", "PS256", "EdDSA", "dir", "A256KW"):
            await refused(anonymous, signed({"alg": foreign, "typ": "JWT"}, claims, key))

    async def test_that_brings_its_own_key_is_refused(self, anonymous: Client, claims: Json) -> None:
        brought = {"kty": "oct", "k": part(b"mine")}
        for header in ({**HS256, "jwk": brought}, {**HS256, "jku": "http://127.0.0.1:9/", "kid": "../../dev/null"}):
            await refused(anonymous, signed(header, claims, "mine"))

    @pytest.mark.parametrize("claim", ["exp", "iat", "sub", "jti", "iss", "sid", "ver"])
    async def test_without_a_claim_is_refused(self, anonymous: Client, claims: Json, key: str, claim: str) -> None:
        del claims[claim]
        await refused(anonymous, signed(HS256, claims, key))

    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            ("iss", "Somebody Else"),
            ("iss", None),
            ("sub", "alice"),
            ("sub", ""),
            ("sub", 7),
            ("sub", None),
            ("sub", "0" * 24),
            ("sub", "é" * 12),
            ("ver", -1),
            ("ver", 1),
            ("ver", "0"),
            ("ver", None),
            ("exp", "soon"),
            ("exp", None),
            ("exp", 10**30),
            ("exp", {}),
            ("iat", "then"),
            ("nbf", 10**11),
        ],
    )
    async def test_with_a_wrong_claim_is_refused(
        self, anonymous: Client, claims: Json, key: str, claim: str, value: object
    ) -> None:
        claims[claim] = value
        await refused(anonymous, signed(HS256, claims, key))

    async def test_of_sessions_that_were_ended_is_refused(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com")
        assert (await carol.get("/users/me")).status_code == 200
        await user_service.reset_password(email="Carol@example.com", password="another password")
        problem(await carol.get("/users/me"), 401, "invalid_token")

    async def test_of_a_user_who_is_disabled_is_refused_and_stays_void(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com")
        assert (await carol.get("/users/me")).status_code == 200
        for active in (False, True):
            await user_service.set_active(email="carol@example.com", active=active)
            problem(await carol.get("/users/me"), 401, "invalid_token")
        token = (await sign_in(carol, username="carol@example.com")).json()["access_token"]
        assert (await carol.get("/users/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200

    async def test_of_a_user_who_is_disabled_is_refused_whatever_was_asked_meanwhile(self, make_user: MakeUser) -> None:
        for number in range(15):
            email = f"carol{number}@example.com"
            carol = await make_user(email)
            disabled = user_service.set_active(email=email, active=False)
            await asyncio.gather(disabled, *(carol.get("/timer") for _ in range(6)))
            problem(await carol.get("/timer"), 401, "invalid_token")

    async def test_of_a_user_who_was_never_seen_and_is_disabled_is_refused(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com", is_active=False)
        problem(await carol.get("/users/me"), 401, "invalid_token")

    async def test_of_the_algorithm_that_is_configured_is_taken(
        self, settings: Settings, database: Database, claims: Json, key: str
    ) -> None:
        strong = create_app(settings.model_copy(update={"algorithm": "HS512"}))
        async with serving_beside(strong, database) as address, Client(base_url=address + API) as client:
            await refused(client, signed(HS256, claims, key))
            token = signed({"alg": "HS512"}, claims, key, "sha512")
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await client.get("/users/me", headers=bearer)).status_code == 200


async def refused_bytes(client: Client, header: bytes) -> None:
    problem(await client.get("/users/me", headers={b"Authorization": header}), 401, "invalid_token")


class TestTheKeyOfAnAccount:
    async def test_is_hashed_with_a_salt_of_its_own(self, anonymous: Client, database: Database) -> None:
        await register(anonymous)
        await register(anonymous, email="bob@example.com")
        hashes = [user["password_hash"] async for user in database.users.find({})]
        assert len(set(hashes)) == 2
        assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in hashes
