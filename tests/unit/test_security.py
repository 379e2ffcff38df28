import asyncio
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import pytest
from argon2.low_level import hash_secret, verify_secret
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from jose import jwt
from pydantic import SecretStr

from app.config import Settings
from app.security.password_normalization import normalize_password, password_forms
from app.security.passwords import MAX_CONCURRENT_HASHES, Passwords
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
    """The calls of argon2 in threads that begin in this context, found by watching them."""
    watched = {hash_secret.__code__: "hash", verify_secret.__code__: "verify"}
    seen: list[str] = []

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in watched:
            seen.append(watched[frame.f_code])

    threading.setprofile(watch)
    try:
        yield seen
    finally:
        threading.setprofile(None)


class TestPasswords:
    async def test_match_their_own_hash_alone(self) -> None:
        passwords = Passwords()
        kept = await passwords.hash("correct horse")
        assert await passwords.matches("correct horse", kept)
        for wrong in ("correct horsE", "correct horse ", "", "correct horse\0", "c" * 4096):
            assert not await passwords.matches(wrong, kept)

    async def test_are_hashed_with_argon2id_and_a_salt(self) -> None:
        passwords = Passwords()
        one, other = await passwords.hash("same"), await passwords.hash("same")
        assert one != other
        assert one.startswith("$argon2id$v=19$")

    async def test_nobody_has_one(self) -> None:
        passwords = Passwords()
        assert not await passwords.matches("", None)
        assert not await passwords.matches("anything", None)

    async def test_of_nobody_cost_one_check_of_the_same_work(self) -> None:
        passwords = Passwords()
        with calls_of_argon2() as calls:
            await passwords.prepare()
            kept = await passwords.hash("correct horse")
            # The second of the threads that hash begins here at the latest.
            await asyncio.gather(*(passwords.matches("x", kept) for _ in range(MAX_CONCURRENT_HASHES)))
            for password, hashed in (("correct horse", kept), ("wrong", kept), ("correct horse", None)):
                calls.clear()
                await passwords.matches(password, hashed)
                assert calls == ["verify"]
        assert passwords._dummy_hash is not None
        assert passwords._dummy_hash.split("$")[1:4] == kept.split("$")[1:4]

    async def test_of_nobody_cost_as_many_checks_as_wrong_ones_in_whatever_form_they_are_typed(self) -> None:
        passwords = Passwords()
        with calls_of_argon2() as calls:
            await passwords.prepare()
            kept = await passwords.hash("correct horse")
            await asyncio.gather(*(passwords.matches("x", kept) for _ in range(MAX_CONCURRENT_HASHES)))
            for typed in ("K\u00e4se", "Ka\u0308se", "K\u00e4se\u00a0brot", "\U0001f511"):
                made = []
                for hashed in (kept, None):
                    calls.clear()
                    assert not await passwords.matches(typed, hashed)
                    made.append([*calls])
                assert made[0] == made[1] == ["verify"] * len(password_forms(typed))

    @given(st.text(max_size=20))
    @examples(deadline=None)
    def test_have_one_prepared_form(self, typed: str) -> None:
        forms = password_forms(typed)
        assert forms[0] == normalize_password(typed) == normalize_password(forms[0])
        assert len(set(forms)) == len(forms) <= 4
        assert typed in forms
        assert len(forms) == 1 or not typed.isascii()

    async def test_are_hashed_off_the_loop_and_a_few_at_once(self) -> None:
        passwords = Passwords()
        await asyncio.gather(*(passwords.hash(str(number)) for number in range(6)))
        threads = {thread.name for thread in passwords._threads._threads}
        assert 1 <= len(threads) <= MAX_CONCURRENT_HASHES
        assert threading.current_thread().name not in threads


class TestTheSecretKey:
    def test_is_the_one_that_is_set(self, tmp_path: Path) -> None:
        settings = Settings(_env_file=None, secret_key=SecretStr(KEY), embedded_data_dir=tmp_path / "data")
        assert secret_key(settings) == KEY
        assert not (tmp_path / "data").exists()

    def test_is_made_once_by_many_makers(self, tmp_path: Path) -> None:
        settings = Settings(_env_file=None, secret_key=None, embedded_data_dir=tmp_path / "data")
        makers = 16
        together = threading.Barrier(makers)

        def make() -> str:
            together.wait()
            return secret_key(settings)

        with ThreadPoolExecutor(makers) as pool:
            made = {maker.result() for maker in [pool.submit(make) for _ in range(makers)]}
        (key,) = made
        assert len(bytes.fromhex(key)) == 32
        (kept,) = (tmp_path / "data").iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
        assert secret_key(settings) == kept.read_text() == key

    def test_is_another_for_another_folder(self, tmp_path: Path) -> None:
        keys = {
            secret_key(Settings(_env_file=None, secret_key=None, embedded_data_dir=tmp_path / name)) for name in "ab"
        }
        assert len(keys) == 2


class TestAccessTokens:
    @given(st.text(min_size=1, max_size=50), st.integers(0, 2**31))
    @examples(deadline=None)
    def test_say_what_they_were_made_for(self, user_id: str, version: int) -> None:
        issuer = tokens()
        claims = issuer.verify(issuer.issue(session_id=SESSION, user_id=user_id, token_version=version))
        assert (claims.user_id, claims.token_version) == (user_id, version)
        assert timedelta(minutes=29) < claims.expires_at - datetime.now(UTC) <= timedelta(minutes=30)

    def test_say_their_session(self) -> None:
        issuer = tokens()
        claims = issuer.verify(issuer.issue(session_id=SESSION, user_id="u", token_version=0))
        assert claims.session_id == SESSION

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    def test_name_the_algorithm_that_is_set(self, algorithm: str) -> None:
        issuer = tokens(algorithm=algorithm)
        token = issuer.issue(session_id=SESSION, user_id="u", token_version=0)
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        assert issuer.verify(token) == issuer.verify(token)

    @pytest.mark.parametrize(
        "other", [tokens(key=KEY[::-1]), tokens(algorithm="HS512"), tokens(issuer="Another"), tokens(issuer="")]
    )
    def test_of_another_service_are_refused(self, other: AccessTokens) -> None:
        with pytest.raises(InvalidTokenError):
            tokens().verify(other.issue(session_id=SESSION, user_id="u", token_version=0))

    def test_expire(self) -> None:
        with pytest.raises(TokenExpiredError):
            tokens().verify(tokens(minutes=-1).issue(session_id=SESSION, user_id="u", token_version=0))

    def test_expire_also_when_they_were_verified_before(self) -> None:
        issuer = tokens(minutes=2 / 60)
        token = issuer.issue(session_id=SESSION, user_id="u", token_version=0)
        claims = issuer.verify(token)
        issuer._verified[token] = type(claims)("u", "s", 0, datetime.now(UTC) - timedelta(seconds=1))
        with pytest.raises(TokenExpiredError):
            issuer.verify(token)

    @given(st.text(max_size=200))
    @examples(deadline=None)
    def test_are_not_just_any_text(self, text: str) -> None:
        with pytest.raises(InvalidTokenError):
            tokens().verify(text)

    @given(st.data())
    @examples(deadline=None)
    def test_cannot_be_changed(self, data: st.DataObject) -> None:
        signed, _, signature = ISSUED.rpartition(".")
        place = data.draw(st.integers(0, len(signed) - 1))
        put = data.draw(st.sampled_from([one for one in "AZaz09-_." if one != signed[place]]))
        with pytest.raises(InvalidTokenError):
            tokens().verify(f"{signed[:place]}{put}{signed[place + 1 :]}.{signature}")
