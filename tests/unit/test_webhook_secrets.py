"""The encryption of webhook secrets."""

import base64
from datetime import UTC, datetime
from secrets import token_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app.security.webhook_secrets import UnreadableSecretError, WebhookSecrets, to_webhook_secret

SECRETS = WebhookSecrets("6d0f8c1b2a394857be0c7a5d1e3f4968")
OWNER, OTHER = b"\x01" * 12, b"\x02" * 12


class TestNewSecret:
    def test_has_the_form_of_standard_webhooks(self) -> None:
        secret = to_webhook_secret(token_bytes(32))
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
        assert Webhook(secret).sign("id", datetime.now(UTC), "{}").startswith("v1,")


class TestEncryption:
    @given(st.text(max_size=100))
    def test_decrypting_returns_the_secret(self, secret: str) -> None:
        assert SECRETS.decrypt(SECRETS.encrypt(secret, owner=OWNER), owner=OWNER) == secret

    def test_stored_form_does_not_contain_the_secret(self) -> None:
        secret = to_webhook_secret(token_bytes(32))
        stored = SECRETS.encrypt(secret, owner=OWNER)
        assert secret.encode() not in stored
        assert base64.b64decode(secret.removeprefix("whsec_")) not in stored

    def test_same_secret_is_stored_differently_each_time(self) -> None:
        assert len({SECRETS.encrypt("whsec_x", owner=OWNER) for _ in range(100)}) == 100

    def test_another_key_cannot_decrypt(self) -> None:
        stored = SECRETS.encrypt("whsec_x", owner=OWNER)
        with pytest.raises(UnreadableSecretError):
            WebhookSecrets("0c4f1f9b6a7e4d20b8f3a1c5d7e9042b").decrypt(stored, owner=OWNER)

    def test_secret_of_another_webhook_cannot_be_decrypted(self) -> None:
        with pytest.raises(UnreadableSecretError):
            SECRETS.decrypt(SECRETS.encrypt("whsec_x", owner=OTHER), owner=OWNER)

    @pytest.mark.parametrize("length", [0, 5, 12, 20])
    def test_truncated_secret_cannot_be_decrypted(self, length: int) -> None:
        with pytest.raises(UnreadableSecretError):
            SECRETS.decrypt(SECRETS.encrypt("whsec_x", owner=OWNER)[:length], owner=OWNER)

    def test_every_changed_bit_is_detected(self) -> None:
        stored = SECRETS.encrypt("whsec_x", owner=OWNER)
        for index in range(len(stored)):
            damaged = bytearray(stored)
            damaged[index] ^= 1
            with pytest.raises(UnreadableSecretError):
                SECRETS.decrypt(bytes(damaged), owner=OWNER)
