"""A database that cannot be used is reported in one sentence: what is missing, and the message of the server."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from pymongo import MongoClient

from app.config import Settings
from app.database.requirements import UnsuitableDatabaseError, require_database
from app.embedded.liveness import responds_to_ping
from tests.support.http import Json
from tests.support.processes import clean_environment, eventually, free_port, run_command
from tests.support.stub_server import HELLO, Answer, refusal, stub_server

PASSWORD = "a-word-that-nobody-reads"
HANDSHAKE_MS = 2000
"""How long the driver tries a TLS handshake."""

NO_RIGHTS = "does not grant its user enough privileges: the user needs the roles readWrite"


def message_for(url: str) -> str:
    """Return the message about the database at this address."""
    with pytest.raises(UnsuitableDatabaseError) as raised:
        require_database(Settings(_env_file=None, database_url=SecretStr(url)))
    message = str(raised.value)
    assert PASSWORD not in message
    assert message.startswith("The database that DATABASE_URL names ")
    assert message.endswith(".")
    assert "\n" not in message
    return message


def refuses(command: str, code: int, words: str, when: Callable[[Json], bool] = bool) -> Answer:
    return lambda name, sent: refusal(code, words) if name == command and when(sent) else None


def of_version(version: str) -> Answer:
    return lambda name, _: {"version": version, "ok": 1} if name == "buildInfo" else None


def greeting(**changes: Any) -> Answer:
    hello = {name: value for name, value in (HELLO | changes).items() if value is not None}
    return lambda name, _: hello if name.lower() in {"hello", "ismaster"} else None


class TestUnsuitableDatabase:
    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            (of_version("5.0.31"), "is MongoDB 5.0.31: Task Timer needs MongoDB 7 or 8."),
            (of_version("6.0.19"), "is MongoDB 6.0.19: Task Timer needs MongoDB 7 or 8."),
            (greeting(maxWireVersion=6), "cannot be used by Task Timer (Server at 127.0.0.1:"),
            (greeting(setName=None), "is a standalone server, without transactions: start it as a replica set"),
            (
                greeting(isWritablePrimary=False, secondary=True),
                "is not a primary: name all members of the replica set",
            ),
            (
                refuses("find", 2, "unknown operator: $jsonSchema.", lambda sent: "$jsonSchema" in sent["filter"]),
                "does not support $jsonSchema, which Task Timer needs to validate documents (unknown operator: $json",
            ),
            (
                refuses("find", 20, "Transaction numbers are only allowed here", lambda sent: "txnNumber" in sent),
                "does not support transactions (Transaction numbers are only allowed here).",
            ),
            (refuses("commitTransaction", 59, "no such command"), "does not support transactions (no such command)."),
            (
                refuses("collMod", 13, "not authorized on task_timer_db"),
                f"{NO_RIGHTS} and dbAdmin on task_timer_db (not authorized on task_timer_db).",
            ),
            (
                refuses("update", 8000, "user is not allowed"),
                "does not grant its user enough privileges: the user needs the roles readWrite",
            ),
            (refuses("ping", 211, "something else"), "cannot be used by Task Timer (something else)."),
        ],
    )
    def test_missing_feature_is_reported(self, answer: Answer, sentence: str) -> None:
        with stub_server(answer) as url:
            assert message_for(url).startswith(f"The database that DATABASE_URL names {sentence}")

    def test_server_that_sends_nothing_is_reported(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            message = message_for(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/?timeoutMS=1500")
        assert message == "The database that DATABASE_URL names does not answer (No servers found yet)."

    def test_suitable_database_is_accepted(self) -> None:
        with stub_server(refuses("collMod", 26, "ns does not exist")) as url:
            require_database(Settings(_env_file=None, database_url=SecretStr(url)))


@contextmanager
def bare_store(folder: Path, *options: str) -> Iterator[int]:
    """Run SecantusDB with these options and yield its port."""
    port, config = free_port(), folder / "empty.toml"
    config.touch()
    program = Path(sys.executable).with_name("secantusd-py")
    command = [sys.executable, str(program), "--config", str(config), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--storage-path", str(folder / "store"), "--sync-on-commit", "--log-level", "ERROR", *options],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: responds_to_ping(port, within=1) or ("--tls-cert-file" in options and _listens(port)))
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a store with access control."""
    folder = tmp_path_factory.mktemp("locked")
    with bare_store(folder) as port, MongoClient[Json](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
        for name, role in (("reader", "read"), ("writer", "readWrite")):
            client.admin.command("createUser", name, pwd=PASSWORD, roles=[{"role": role, "db": "task_timer_db"}])
    with bare_store(folder, "--auth") as port:
        yield port


class TestAccessControl:
    def test_wrong_password_is_reported(self, locked: int) -> None:
        message = message_for(f"mongodb://writer:{PASSWORD}x@127.0.0.1:{locked}/?directConnection=true")
        assert "names rejects the user name or password (authentication failed)." in message

    @pytest.mark.parametrize("user", ["", f"reader:{PASSWORD}@"])
    def test_user_who_may_not_write_is_reported(self, locked: int, user: str) -> None:
        message = message_for(f"mongodb://{user}127.0.0.1:{locked}/?directConnection=true")
        assert f"names {NO_RIGHTS} and dbAdmin on task_timer_db (" in message

    def test_user_who_may_write_is_accepted(self, locked: int) -> None:
        url = f"mongodb://writer:{PASSWORD}@127.0.0.1:{locked}/?directConnection=true"
        require_database(Settings(_env_file=None, database_url=SecretStr(url)))

    def test_command_prints_one_sentence(self, locked: int, tmp_path: Path) -> None:
        url = f"mongodb://writer:{PASSWORD}x@127.0.0.1:{locked}/?directConnection=true"
        result = run_command("serve", folder=tmp_path, PORT=free_port(), DATABASE_URL=url)
        assert result.returncode == 1
        assert result.stderr.splitlines() == [
            "The database that DATABASE_URL names rejects the user name or password (authentication failed)."
        ]


class TestStandaloneServer:
    def test_standalone_server_is_reported(self, tmp_path: Path) -> None:
        with bare_store(tmp_path, "--standalone") as port:
            assert "names is a standalone server, without transactions" in message_for(f"mongodb://127.0.0.1:{port}/")


def _certificate(folder: Path) -> tuple[str, str]:
    """Create a certificate for this machine, and return the files of the certificate and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return str(chain), str(secret)


class TestTLS:
    def test_server_that_expects_tls_is_reported(self, tmp_path: Path) -> None:
        chain, key = _certificate(tmp_path)
        with bare_store(tmp_path, "--tls-cert-file", chain, "--tls-key-file", key) as port:
            url = f"mongodb://127.0.0.1:{port}/?directConnection=true&timeoutMS={HANDSHAKE_MS}"
            message = message_for(url)
            assert "names does not answer: it expects TLS, so add tls=true to DATABASE_URL" in message
            message = message_for(f"{url}&tls=true")
            assert "names does not answer: the TLS handshake failed (127.0.0.1:" in message

    def test_server_without_tls_is_reported(self) -> None:
        with stub_server(lambda *_: None) as url:
            message = message_for(f"{url}&tls=true&timeoutMS={HANDSHAKE_MS}")
        assert "names does not answer: the TLS handshake failed (SSL handshake failed: 127.0.0.1:" in message
