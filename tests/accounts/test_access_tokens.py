import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from jose import jwt

from app.config import Settings
from app.main import create_app
from services.accounts.authentication import authentication_service
from services.accounts.users import user_service
from tests.accounts.account_requests import sign_in
from tests.conftest import Database, MakeUser
from tests.support.http import API, Client, Json, problem
from tests.support.services import serving_another

HS256 = {"alg": "HS256", "typ": "JWT"}


def base64url(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(header: object, claims: object, key: str, digest: str = "sha256") -> str:
    """Sign a token without a library, because jose refuses to encode invalid ones."""
    signing_input = f"{base64url(header)}.{base64url(claims)}"
    return f"{signing_input}.{base64url(hmac.digest(key.encode(), signing_input.encode(), digest))}"


@pytest.fixture
def key(settings: Settings) -> str:
    assert settings.secret_key is not None
    return settings.secret_key.get_secret_value()


@pytest.fixture
def claims(alice: Client, settings: Settings) -> Json:
    """The claims of a valid token of alice."""
    now = int(datetime.now(UTC).timestamp())
    sub = str(alice.user["_id"])
    sid = jwt.get_unverified_claims(alice.headers["authorization"].removeprefix("Bearer "))["sid"]
    claims: Json = {
        "iss": settings.app_name,
        "sub": sub,
        "iat": now,
        "exp": now + 600,
        "jti": "j",
        "sid": sid,
        "ver": 0,
    }
    return claims


async def assert_refused(client: Client, token: str, code: str = "invalid_token") -> None:
    response = await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    problem(response, 401, code)
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def assert_header_refused(client: Client, header: bytes) -> None:
    problem(await client.get("/users/me", headers={b"Authorization": header}), 401, "invalid_token")


class TestAccessToken:
    async def test_valid_token_is_accepted(self, anonymous: Client, claims: Json, key: str) -> None:
        bearer = {"Authorization": f"Bearer {sign(HS256, claims, key)}"}
        response = await anonymous.get("/users/me", headers=bearer)
        assert (response.status_code, response.json()["email"]) == (200, "alice@example.com")

    async def test_session_of_another_user_is_refused(
        self, anonymous: Client, bob: Client, database: Database, claims: Json, key: str
    ) -> None:
        session = await database.refresh_tokens.find_one({"user_id": bob.user["_id"]})
        assert session is not None
        await assert_refused(anonymous, sign(HS256, {**claims, "sid": str(session["_id"])}, key))
        assert (await bob.get("/users/me")).status_code == 200  # the session is in the cache now
        await assert_refused(anonymous, sign(HS256, {**claims, "sid": str(session["_id"])}, key))

    async def test_missing_token_is_401_with_a_challenge(self, anonymous: Client) -> None:
        response = await anonymous.get("/users/me")
        problem(response, 401, "not_authenticated")
        assert response.headers["www-authenticate"] == 'Bearer realm="Task Timer"'

    @pytest.mark.parametrize("sent", ["", "Bearer", "Basic YWRhOnNlY3JldA==", "Token abc", "abc"])
    async def test_other_authorization_header_is_401(self, anonymous: Client, sent: str) -> None:
        problem(await anonymous.get("/users/me", headers={"Authorization": sent}), 401, "not_authenticated")

    @pytest.mark.parametrize(
        "token",
        ["garbage", "a.b.c", "...", "e30.e30.e30", "é", "a b", "null", "e30.e30.", "x" * 20_000, "a." * 10_000],
    )
    async def test_malformed_token_is_refused(self, anonymous: Client, token: str) -> None:
        await assert_header_refused(anonymous, f"Bearer {token}".encode())

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
    async def test_malformed_header_is_refused(self, anonymous: Client, header: bytes, key: str) -> None:
        await assert_refused(anonymous, sign(header, {"sub": "x"}, key))

    @pytest.mark.parametrize("claims", [b"[" * 10_000, b"null", b"[]", b'"x"', b"7", b"{", b"\xff"])
    async def test_malformed_claims_are_refused(self, anonymous: Client, claims: bytes, key: str) -> None:
        await assert_refused(anonymous, sign(HS256, claims, key))

    async def test_expired_token_is_refused_as_token_expired(self, anonymous: Client, claims: Json, key: str) -> None:
        now = datetime.now(UTC)
        claims |= {"iat": int((now - timedelta(hours=1)).timestamp()), "exp": int(now.timestamp()) - 1}
        await assert_refused(anonymous, sign(HS256, claims, key), "token_expired")

    async def test_token_signed_with_another_key_is_refused(self, anonymous: Client, claims: Json, key: str) -> None:
        await assert_refused(anonymous, sign(HS256, claims, key[::-1]))
        await assert_refused(anonymous, sign(HS256, claims, ""))

    async def test_altered_token_is_refused(self, anonymous: Client, claims: Json, key: str, bob: Client) -> None:
        header, payload, signature = sign(HS256, claims, key).split(".")
        other_payload = base64url({**claims, "sub": str(bob.user["_id"])})
        await assert_refused(anonymous, f"{header}.{other_payload}.{signature}")
        await assert_refused(anonymous, f"{header}.{payload}.{signature[:-4]}AAAA")
        await assert_refused(anonymous, f"{header}.{payload}.")
        await assert_refused(anonymous, f"{header}.{payload}")

    @pytest.mark.parametrize("none", ["none", "None", "NONE", "nOnE", ""])
    async def test_unsigned_token_is_refused(self, anonymous: Client, claims: Json, key: str, none: str) -> None:
        await assert_refused(anonymous, f"{base64url({'alg': none})}.{base64url(claims)}.")
        await assert_refused(anonymous, sign({"alg": none}, claims, key))

    async def test_token_with_another_algorithm_is_refused(self, anonymous: Client, claims: Json, key: str) -> None:
        await assert_refused(anonymous, jwt.encode(claims, key, algorithm="HS512"))
        await assert_refused(anonymous, jwt.encode(claims, key, algorithm="HS384"))
        await assert_refused(anonymous, sign({"alg": "HS512"}, claims, key))
        for foreign in ("RS256", "ES256", "PS256", "EdDSA", "dir", "A256KW"):
            await assert_refused(anonymous, sign({"alg": foreign, "typ": "JWT"}, claims, key))

    async def test_key_in_the_token_header_is_ignored(self, anonymous: Client, claims: Json) -> None:
        own_key = {"kty": "oct", "k": base64url(b"mine")}
        for header in ({**HS256, "jwk": own_key}, {**HS256, "jku": "http://127.0.0.1:9/", "kid": "../../dev/null"}):
            await assert_refused(anonymous, sign(header, claims, "mine"))

    @pytest.mark.parametrize("claim", ["exp", "iat", "sub", "jti", "iss", "sid", "ver"])
    async def test_missing_claim_is_refused(self, anonymous: Client, claims: Json, key: str, claim: str) -> None:
        del claims[claim]
        await assert_refused(anonymous, sign(HS256, claims, key))

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
    async def test_invalid_claim_is_refused(
        self, anonymous: Client, claims: Json, key: str, claim: str, value: object
    ) -> None:
        claims[claim] = value
        await assert_refused(anonymous, sign(HS256, claims, key))

    async def test_token_is_refused_after_a_password_reset(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com")
        assert (await carol.get("/users/me")).status_code == 200
        await user_service.reset_password(email="Carol@example.com", password="another password")
        problem(await carol.get("/users/me"), 401, "invalid_token")

    async def test_token_of_a_disabled_user_is_refused_even_after_enabling(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com")
        assert (await carol.get("/users/me")).status_code == 200
        for active in (False, True):
            await user_service.set_active(email="carol@example.com", active=active)
            problem(await carol.get("/users/me"), 401, "invalid_token")
        token = (await sign_in(carol, username="carol@example.com")).json()["access_token"]
        assert (await carol.get("/users/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200

    async def test_token_of_a_disabled_user_is_refused_despite_concurrent_requests(self, make_user: MakeUser) -> None:
        for number in range(15):
            email = f"carol{number}@example.com"
            carol = await make_user(email)
            disabled = user_service.set_active(email=email, active=False)
            await asyncio.gather(disabled, *(carol.get("/timer") for _ in range(6)))
            problem(await carol.get("/timer"), 401, "invalid_token")

    async def test_token_of_a_disabled_user_who_is_not_cached_is_refused(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com", is_active=False)
        problem(await carol.get("/users/me"), 401, "invalid_token")

    async def test_only_the_configured_algorithm_is_accepted(
        self, settings: Settings, database: Database, claims: Json, key: str
    ) -> None:
        strong = create_app(settings.model_copy(update={"algorithm": "HS512"}))
        async with serving_another(strong, database) as address, Client(base_url=address + API) as client:
            await assert_refused(client, sign(HS256, claims, key))
            token = sign({"alg": "HS512"}, claims, key, "sha512")
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await client.get("/users/me", headers=bearer)).status_code == 200


class TestCachedUser:
    async def test_second_request_reads_neither_the_user_nor_the_session(
        self, alice: Client, database: Database
    ) -> None:
        """A change by another process is seen when the cached user expires, after ten seconds."""
        assert (await alice.get("/tasks")).status_code == 200
        await database.refresh_tokens.delete_one({"user_id": alice.user["_id"]})
        assert (await alice.get("/tasks")).status_code == 200
        authentication_service.invalidate(alice.user["_id"])
        problem(await alice.get("/tasks"), 401, "invalid_token")
