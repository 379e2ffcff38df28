import asyncio
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from types import FrameType

import pytest
from argon2.low_level import hash_secret, verify_secret
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from jose import jwt
from pydantic import SecretStr

from app.config import Settings
from app.security.bearer_secrets import is_path_secret, mask_path_secrets, to_path_secret
from app.security.password_normalization import normalize_password, password_forms
from app.security.passwords import MAX_CONCURRENT_HASHES, PasswordCheck, Passwords
from app.security.replayed_secrets import derivation_key
from app.security.secret_key import secret_key
from app.security.tokens import AccessTokens, InvalidTokenError, TokenExpiredError

KEY = "6d0f8c1b2a394857be0c7a5d1e3f4968"
SESSION = "6920a3f1c2d4e5f607182930"


def tokens(
    *, key: str = KEY, algorithm: str = "HS256", issuer: str = "Task Timer", minutes: float = 30
) -> AccessTokens:
    return AccessTokens(key=key, algorithm=algorithm, issuer=issuer, lifetime=timedelta(minutes=minutes))


ISSUED = tokens().issue(session_id=SESSION, user_id="u", token_version=0)


@contextmanager
def calls_of_argon2() -> Iterator[list[str]]:
    """Record the calls of argon2 in threads that start in this context."""
    names = {hash_secret.__code__: "hash", verify_secret.__code__: "verify"}
    calls: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in names:
            calls.append(names[frame.f_code])

    threading.setprofile(watch)
    try:
        yield calls
    finally:
        threading.setprofile(None)


def cheap_passwords() -> Passwords:
    """Return passwords with the lowest cost that the settings allow."""
    passwords = Passwords()
    passwords.configure(memory_kib=19_456, rounds=2)
    return passwords


class TestPasswords:
    async def test_only_the_right_password_matches_a_hash(self) -> None:
        passwords = cheap_passwords()
        hashed = await passwords.hash("correct horse")
        assert await passwords.matches("correct horse", hashed)
        for wrong in ("correct horsE", "correct horse ", "", "correct horse\0", "c" * 4096):
            assert not await passwords.matches(wrong, hashed)

    async def test_hash_is_argon2id_with_a_salt(self) -> None:
        passwords = cheap_passwords()
        first, second = await passwords.hash("same"), await passwords.hash("same")
        assert first != second
        assert first.startswith("$argon2id$v=19$")

    async def test_hash_has_the_configured_cost_and_is_outdated_where_more_is_configured(self) -> None:
        passwords = Passwords()
        expensive = await passwords.hash("correct horse")
        assert "$m=65536,t=3," in expensive
        passwords.configure(memory_kib=19_456, rounds=2)
        cheap = await passwords.hash("correct horse")
        assert "$m=19456,t=2," in cheap
        assert await passwords.check("correct horse", expensive) == PasswordCheck(is_match=True)
        for memory_kib, rounds in ((20_000, 2), (19_456, 3)):
            passwords.configure(memory_kib=memory_kib, rounds=rounds)
            assert (await passwords.check("correct horse", cheap)) == PasswordCheck(is_match=True, is_outdated=True)

    async def test_no_password_matches_without_a_hash(self) -> None:
        passwords = cheap_passwords()
        assert not await passwords.matches("", None)
        assert not await passwords.matches("anything", None)

    async def test_check_without_a_hash_takes_the_same_work(self) -> None:
        passwords = cheap_passwords()
        with calls_of_argon2() as calls:
            await passwords.prepare()
            hashed = await passwords.hash("correct horse")
            # Both hashing threads have started after this.
            await asyncio.gather(*(passwords.matches("x", hashed) for _ in range(MAX_CONCURRENT_HASHES)))
            for password, stored in (("correct horse", hashed), ("wrong", hashed), ("correct horse", None)):
                calls.clear()
                await passwords.matches(password, stored)
                assert calls == ["verify"]
        assert passwords._dummy_hash is not None
        assert passwords._dummy_hash.split("$")[1:4] == hashed.split("$")[1:4]

    async def test_check_without_a_hash_takes_as_many_steps_for_every_unicode_form(self) -> None:
        passwords = cheap_passwords()
        with calls_of_argon2() as calls:
            await passwords.prepare()
            hashed = await passwords.hash("correct horse")
            await asyncio.gather(*(passwords.matches("x", hashed) for _ in range(MAX_CONCURRENT_HASHES)))
            for typed in ("K\u00e4se", "Ka\u0308se", "K\u00e4se\u00a0brot", "\U0001f511"):
                attempts = []
                for stored in (hashed, None):
                    calls.clear()
                    assert not await passwords.matches(typed, stored)
                    attempts.append([*calls])
                assert attempts[0] == attempts[1] == ["verify"] * len(password_forms(typed))

    @given(st.text(max_size=20))
    def test_all_forms_have_the_same_normalized_form(self, typed: str) -> None:
        forms = password_forms(typed)
        assert forms[0] == normalize_password(typed) == normalize_password(forms[0])
        assert len(set(forms)) == len(forms) <= 4
        assert typed in forms
        assert len(forms) == 1 or not typed.isascii()

    async def test_hashing_runs_in_a_few_threads_outside_the_event_loop(self) -> None:
        passwords = cheap_passwords()
        await asyncio.gather(*(passwords.hash(str(number)) for number in range(6)))
        threads = {thread.name for thread in passwords._threads._threads}
        assert 1 <= len(threads) <= MAX_CONCURRENT_HASHES
        assert threading.current_thread().name not in threads


class TestSecretKey:
    def test_configured_key_is_used_and_no_file_is_created(self, tmp_path: Path) -> None:
        settings = Settings(_env_file=None, secret_key=SecretStr(KEY), embedded_data_dir=tmp_path / "data")
        assert secret_key(settings) == KEY
        assert not (tmp_path / "data").exists()

    def test_concurrent_first_uses_generate_one_key(self, tmp_path: Path) -> None:
        settings = Settings(_env_file=None, secret_key=None, embedded_data_dir=tmp_path / "data")
        count = 16
        barrier = threading.Barrier(count)

        def read_key() -> str:
            barrier.wait()
            return secret_key(settings)

        with ThreadPoolExecutor(count) as pool:
            keys = {future.result() for future in [pool.submit(read_key) for _ in range(count)]}
        (key,) = keys
        assert len(bytes.fromhex(key)) == 32
        (file,) = (tmp_path / "data").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert secret_key(settings) == file.read_text() == key

    def test_each_data_directory_has_its_own_key(self, tmp_path: Path) -> None:
        keys = {
            secret_key(Settings(_env_file=None, secret_key=None, embedded_data_dir=tmp_path / name)) for name in "ab"
        }
        assert len(keys) == 2


class TestPathSecrets:
    def test_secret_has_all_bits_of_the_random_bytes(self) -> None:
        random_bytes = token_bytes(32)
        assert is_path_secret(to_path_secret(random_bytes))
        assert bytes.fromhex(to_path_secret(random_bytes)) == random_bytes

    @pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, f"{'0' * 64}\n", "\u0660" * 64])
    def test_other_texts_are_no_secrets(self, text: str) -> None:
        assert not is_path_secret(text)

    def test_secrets_and_parts_of_secrets_are_masked(self) -> None:
        secret = to_path_secret(token_bytes(32))
        for hidden in (secret, secret.upper(), secret[:-1], secret * 2, secret[:32]):
            assert mask_path_secrets(f"/api/v1/calendar/{hidden}.ics") == "/api/v1/calendar/***.ics"
            assert mask_path_secrets(f"/api/v1/shared/{hidden}/x") == "/api/v1/shared/***/x"

    def test_ids_are_not_masked(self) -> None:
        path = f"/api/v1/tasks/{SESSION}/time-entries/{SESSION}"
        assert mask_path_secrets(path) == path


class TestAccessTokens:
    @given(st.text(min_size=1, max_size=50), st.integers(0, 2**31))
    def test_verified_claims_are_those_of_the_issued_token(self, user_id: str, version: int) -> None:
        issuer = tokens()
        claims = issuer.verify(issuer.issue(session_id=SESSION, user_id=user_id, token_version=version))
        assert (claims.user_id, claims.token_version) == (user_id, version)
        assert timedelta(minutes=29) < claims.expires_at - datetime.now(UTC) <= timedelta(minutes=30)

    def test_claims_contain_the_session_id(self) -> None:
        issuer = tokens()
        claims = issuer.verify(issuer.issue(session_id=SESSION, user_id="u", token_version=0))
        assert claims.session_id == SESSION

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    def test_header_names_the_configured_algorithm(self, algorithm: str) -> None:
        issuer = tokens(algorithm=algorithm)
        token = issuer.issue(session_id=SESSION, user_id="u", token_version=0)
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        assert issuer.verify(token) == issuer.verify(token)

    @pytest.mark.parametrize(
        "other", [tokens(key=KEY[::-1]), tokens(algorithm="HS512"), tokens(issuer="Another"), tokens(issuer="")]
    )
    def test_token_of_another_service_is_refused(self, other: AccessTokens) -> None:
        with pytest.raises(InvalidTokenError):
            tokens().verify(other.issue(session_id=SESSION, user_id="u", token_version=0))

    def test_expired_token_is_refused(self) -> None:
        with pytest.raises(TokenExpiredError):
            tokens().verify(tokens(minutes=-1).issue(session_id=SESSION, user_id="u", token_version=0))

    def test_cached_token_is_refused_once_it_has_expired(self) -> None:
        issuer = tokens(minutes=2 / 60)
        token = issuer.issue(session_id=SESSION, user_id="u", token_version=0)
        claims = issuer.verify(token)
        issuer._verified[token] = type(claims)("u", "s", 0, datetime.now(UTC) - timedelta(seconds=1))
        with pytest.raises(TokenExpiredError):
            issuer.verify(token)

    @given(st.text(max_size=200))
    def test_arbitrary_text_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidTokenError):
            tokens().verify(text)

    @given(st.data())
    def test_changed_token_is_refused(self, data: st.DataObject) -> None:
        signed, _, signature = ISSUED.rpartition(".")
        position = data.draw(st.integers(0, len(signed) - 1))
        character = data.draw(st.sampled_from([other for other in "AZaz09-_." if other != signed[position]]))
        with pytest.raises(InvalidTokenError):
            tokens().verify(f"{signed[:position]}{character}{signed[position + 1 :]}.{signature}")


class TestDerivationKey:
    @given(st.text(min_size=1, max_size=100))
    def test_key_is_that_of_hkdf(self, text: str) -> None:
        settings = Settings(environment="development").model_copy(update={"secret_key": SecretStr(text)})
        expected = HKDF(SHA256(), 32, salt=None, info=b"task-timer: secrets of repeated requests, version 1")
        assert derivation_key(settings) == expected.derive(text.encode())
