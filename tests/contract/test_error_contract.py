import asyncio
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from string import hexdigits

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from app.config import Settings
from app.main import create_app
from tests.conftest import Database, MakeUser
from tests.support.http import API, PASSWORD, Client, Json, parameters, pointers, problem
from tests.support.processes import free_port
from tests.support.services import environment, process_serving, serving_beside

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE_MIB = 1024 * 1024
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
many = examples(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def root(empty_service: str) -> AsyncIterator[Client]:
    """Somebody without a token, outside of the prefix."""
    async with Client(base_url=empty_service, timeout=30) as client:
        yield client


async def in_parts(body: bytes, *, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]


def headers_wrong(response: httpx.Response) -> set[str]:
    return {wrong.get("header") for wrong in problem(response, 422, "invalid_request")["errors"]}


class TestAnAddress:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/nothing",
            "/api",
            f"{API}/",
            f"{API}/tasks/",
            f"{API}/nothing",
            f"{API}/users/you",
            "/api/v2/tasks",
            "/health/",
            "/docs/",
            "/docs/assets/",
            "/docs/assets/nothing.js",
            "/docs/assets/%00",
            "/docs/assets/..%2f__init__.py",
            "/docs/assets/%2e%2e/__init__.py",
            "/docs/assets/" + "x" * 5000,
            "/%ff%fe",
            "/redoc",
        ],
    )
    async def test_that_is_unknown_is_404(self, root: Client, path: str) -> None:
        response = await root.get(path)
        assert response.status_code == 404
        body = response.json()
        assert (body["code"], body["request_id"]) == ("not_found", response.headers["x-request-id"])
        assert response.headers["content-type"] == "application/problem+json"

    async def test_names_every_method_it_takes(self, root: Client, app: FastAPI) -> None:
        paths = {path: {method.upper() for method in operations} for path, operations in app.openapi()["paths"].items()}
        assert len(paths) >= 12
        for path in paths:
            address = re.sub(r"\{\w+\}", "0" * 24, path)
            # An address may be that of two paths: what stands for an id there is a name here.
            here = [re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", other), address) and paths[other] for other in paths]
            methods = set().union(*(found for found in here if found))
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} - methods:
                response = await root.request(method, address)
                problem(response, 405, "method_not_allowed")
                assert set(response.headers["allow"].split(", ")) == methods, path

    async def test_of_a_page_names_its_methods_too(self, root: Client) -> None:
        for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
            response = await root.post(path)
            problem(response, 405, "method_not_allowed")
            assert "GET" in response.headers["allow"].split(", "), path


class TestABodyThatIsTooLarge:
    async def test_is_refused_by_its_announced_length(self, alice: Client) -> None:
        body = json.dumps({"title": "x", "description": "y" * ONE_MIB}).encode()
        problem(await alice.post("/tasks", content=body, headers=JSON), 413, "body_too_large")

    async def test_is_refused_when_no_length_was_announced(self, alice: Client) -> None:
        body = json.dumps({"title": "x", "description": "y" * ONE_MIB}).encode()
        problem(await alice.post("/tasks", content=in_parts(body), headers=JSON), 413, "body_too_large")

    async def test_is_refused_as_a_form(self, anonymous: Client) -> None:
        body = b"username=a&password=" + b"b" * ONE_MIB
        problem(await anonymous.post("/auth/token", content=body, headers=FORM), 413, "body_too_large")

    async def test_begins_right_after_the_limit(self, alice: Client) -> None:
        start, end = b'{"title": "x"', b"}"
        at_the_limit = start + b" " * (ONE_MIB - len(start) - len(end)) + end
        for body in (at_the_limit, in_parts(at_the_limit)):
            assert (await alice.post("/tasks", content=body, headers=JSON)).status_code == 201
        problem(await alice.post("/tasks", content=at_the_limit + b" ", headers=JSON), 413, "body_too_large")
        response = await alice.post("/tasks", content=in_parts(at_the_limit + b" "), headers=JSON)
        assert f"{ONE_MIB:,}" in problem(response, 413, "body_too_large")["detail"]

    async def test_makes_nothing(self, alice: Client) -> None:
        body = json.dumps({"title": "x" * ONE_MIB}).encode()
        await asyncio.gather(*(alice.post("/tasks", content=in_parts(body), headers=JSON) for _ in range(4)))
        assert (await alice.list())["items"] == []


class TestABodyOfAnotherType:
    @pytest.mark.parametrize(
        "sent_type",
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp", "json", "", "/"],
    )
    async def test_is_415(self, alice: Client, sent_type: str) -> None:
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers={"Content-Type": sent_type})
        assert "application/json" in problem(response, 415, "unsupported_media_type")["detail"]

    async def test_or_of_none_is_415(self, alice: Client) -> None:
        problem(await alice.post("/tasks", content=b'{"title": "x"}'), 415, "unsupported_media_type")

    @pytest.mark.parametrize("sent_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
    async def test_is_not_what_differs_in_case_or_parameters(self, alice: Client, sent_type: str) -> None:
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers={"Content-Type": sent_type})
        assert response.status_code == 201


class TestABodyWhereNoneIsNeeded:
    @pytest.mark.parametrize("path", ["/timer/resume", "/tasks/{id}/restore", "/time-entries/{id}/restore"])
    async def test_may_be_empty_and_say_nothing(self, alice: Client, path: str) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        address = path.format(id=(task if "tasks" in path else entry)["id"])
        refused = await alice.post(address, json={"note": "of which nothing would be kept"})
        assert pointers(refused) == {"#/note"}
        assert (await alice.get("/timer")).status_code == 204
        assert (await alice.post(address)).status_code in {200, 201}
        assert (await alice.post(address, json={})).status_code == 200


class TestABodyThatCannotBeRead:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"nonsense",
            b"{'title': 'x'}",
            b'{"title": "x"} {}',
            b'{"title": "x",}',
            b'{"title": "\xff\xfe"}',
            b'{"title": "\xc3\x28"}',
            b'{"title": "\xed\xa0\x80"}',
            rb'{"title": "\ud800"}',
            rb'{"title": "\udc00 \ud800"}',
            b'{"title": "a\nb"}',
            b"[" * 100_000,
            b'{"title":' * 100_000,
            b'{"title": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
            b'\xef\xbb\xbf{"title": "x"}',
            '{"title": "x"}'.encode("utf-16"),
        ],
    )
    async def test_is_422_at_its_root(self, alice: Client, body: bytes) -> None:
        assert pointers(await alice.post("/tasks", content=body, headers=JSON)) == {"#"}

    @pytest.mark.parametrize(
        ("value", "pointer"),
        [
            (b"1" * 400, "#/priority"),
            (b"-" + b"9" * 4_000, "#/priority"),
            (b"1e999", "#/priority"),
            (b"-1e999", "#/priority"),
            (b"NaN", "#/priority"),
            (b"Infinity", "#/priority"),
            (b"1.0", "#/priority"),
            (b"9223372036854775808", "#/priority"),
            (b"true", "#/priority"),
            (b'"1"', "#/priority"),
        ],
    )
    async def test_names_a_number_that_cannot_be_kept(self, alice: Client, value: bytes, pointer: str) -> None:
        body = b'{"title": "x", "priority": ' + value + b"}"
        assert pointers(await alice.post("/tasks", content=body, headers=JSON)) == {pointer}

    async def test_with_a_number_of_too_many_digits_is_422(self, alice: Client) -> None:
        body = b'{"title": "x", "estimate_seconds": ' + b"9" * 100_000 + b"}"
        problem(await alice.post("/tasks", content=body, headers=JSON), 422, "invalid_request")

    async def test_points_into_lists_and_escapes_names(self, alice: Client) -> None:
        body = {"title": "x", "tags": ["ok", 7, ""], "a/b": 1, "m~n": 2}
        assert pointers(await alice.post("/tasks", json=body)) == {"#/tags/1", "#/tags/2", "#/a~1b", "#/m~0n"}


class TestAQueryParameter:
    @pytest.mark.parametrize("path", ["/tasks", "/timer", "/users/me", f"/tasks/{'0' * 24}"])
    async def test_that_is_unknown_is_named(self, alice: Client, path: str) -> None:
        assert parameters(await alice.get(path, params={"x": "1", "y": ""})) == {"x", "y"}

    async def test_that_is_unknown_is_named_without_a_token_where_none_is_needed(self, root: Client) -> None:
        assert parameters(await root.get("/health", params={"verbose": "1"})) == {"verbose"}
        assert parameters(await root.post(f"{API}/users", params={"x": "1"}, json={})) == {"x"}

    @pytest.mark.parametrize("name", ["limit", "sort", "cursor", "q", "deleted"])
    async def test_given_twice_is_named(self, alice: Client, name: str) -> None:
        assert parameters(await alice.get("/tasks", params=[(name, "1"), (name, "1")])) == {name}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "-1"),
            ("limit", "1.5"),
            ("limit", ""),
            ("limit", "9" * 5_000),
            ("limit", "ten"),
            ("sort", "price"),
            ("sort", ""),
            ("deleted", "maybe"),
            ("running", ""),
            ("q", ""),
            ("q", "a\0b"),
            ("tag", " "),
            ("status", "done"),
            ("updated_since", "2026-01-01T00:00:00"),
            ("updated_since", "yesterday"),
        ],
    )
    async def test_that_is_wrong_is_named(self, alice: Client, name: str, value: str) -> None:
        assert parameters(await alice.get("/tasks", params={name: value})) == {name}


class TestACursor:
    @many
    @given(cursor=st.text(max_size=1_500) | st.binary(max_size=300).map(bytes.hex))
    async def test_that_was_made_up_is_refused(self, alice: Client, cursor: str) -> None:
        assert parameters(await alice.get("/tasks", params={"cursor": cursor})) == {"cursor"}

    @many
    @given(data=st.data())
    async def test_that_was_changed_is_refused(self, alice: Client, data: st.DataObject) -> None:
        for title in ("a", "b"):
            await alice.make_task(title=title)
        cursor: str = (await alice.list(limit=1, sort="title"))["next_cursor"]
        place = data.draw(st.integers(0, len(cursor) - 1))
        character = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
        changed = data.draw(
            st.sampled_from(
                (cursor[:place] + character + cursor[place + 1 :], cursor[:place], cursor + character, cursor + "=")
            )
        )
        assume(changed != cursor)
        response = await alice.get("/tasks", params={"cursor": changed, "limit": 1, "sort": "title"})
        assert parameters(response) == {"cursor"}


in_a_header = st.lists(st.sampled_from([*range(0x20, 0x7F), *range(0x80, 0x100)]), max_size=60).map(
    lambda codes: bytes(codes).strip()
)
a_tag = st.builds(
    lambda weak, tag: weak + b'"' + tag + b'"',
    st.sampled_from([b"", b"W/", b"w/", b" "]),
    st.sampled_from([b"1", b"", b"01", b"1.0", b"+1", b"999999999999999999999999", b"a b", b"\xe9", b"*"]),
)
nearly_tags = st.lists(a_tag | in_a_header, max_size=5).map(lambda tags: b" , ".join(tags).strip())


class TestAPrecondition:
    @pytest.mark.parametrize("value", ["", "1", '"1', "W/1", '"1" "2"', 'w/"1"', '"a b"', "**"])
    async def test_that_cannot_be_read_is_422_and_names_the_header(self, alice: Client, value: str) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "y"}, headers={"If-Match": value})
        assert headers_wrong(response) == {"If-Match"}
        response = await alice.get(f"/tasks/{task['id']}", headers={"If-None-Match": value})
        assert headers_wrong(response) == {"If-None-Match"}
        assert (await alice.read(task))["version"] == 1

    async def test_is_read_on_every_change(self, alice: Client) -> None:
        task = await alice.make_task()
        at = f"/tasks/{task['id']}"
        wrong = {"If-Match": "nonsense"}
        for response in (
            await alice.patch(at, json={"title": "y"}, headers=wrong),
            await alice.delete(at, headers=wrong),
            await alice.post(f"{at}/restore", headers=wrong),
            await alice.post("/timer/start", json={"task_id": task["id"]}, headers=wrong),
            await alice.post("/timer/stop", headers=wrong),
        ):
            assert headers_wrong(response) == {"If-Match"}
        assert headers_wrong(await alice.get("/timer", headers={"If-None-Match": "nonsense"})) == {"If-None-Match"}

    @many
    @given(value=in_a_header | nearly_tags)
    async def test_of_any_text_never_crashes(self, alice: Client, value: bytes) -> None:
        task = await alice.make_task()
        at = f"/tasks/{task['id']}"
        changed = await alice.request("PATCH", at, json={"title": "y"}, headers=[(b"If-Match", value)])
        read = await alice.request("GET", at, headers=[(b"If-None-Match", value)])
        assert changed.status_code in {200, 412, 422}
        assert read.status_code in {200, 304, 422}
        assert (changed.status_code == 422) == (read.status_code == 422)
        if changed.status_code == 412:
            problem(changed, 412, "stale_version")
        if changed.status_code == 422:
            assert headers_wrong(changed) == {"If-Match"}


class TestWithoutAToken:
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
    async def test_401_comes_before_what_is_wrong_with_the_body(
        self, anonymous: Client, content: bytes, headers: dict[str, str]
    ) -> None:
        for method, path in (("POST", "/tasks"), ("PATCH", "/tasks/nonsense"), ("POST", "/timer/start")):
            problem(await anonymous.request(method, path, content=content, headers=headers), 401, "not_authenticated")
        problem(await anonymous.patch("/users/me", content=content, headers=headers), 401, "not_authenticated")

    async def test_401_comes_before_what_is_wrong_with_the_query(self, anonymous: Client) -> None:
        for path in ("/tasks?x=1", "/tasks?limit=0", "/tasks?cursor=x", "/timer?x=1", "/users/me?x=1", "/tasks/x?y=1"):
            problem(await anonymous.get(path), 401, "not_authenticated")

    async def test_401_comes_before_a_body_without_end(self, anonymous: Client) -> None:
        response = await anonymous.post("/tasks", content=in_parts(b"x" * 3 * ONE_MIB), headers=JSON)
        problem(response, 401, "not_authenticated")


def crashing(settings: Settings) -> FastAPI:
    app = create_app(settings)

    @app.api_route("/crash", methods=["GET", "POST"])
    async def crash() -> None:
        raise RuntimeError("the secret of the cellar")

    @app.get("/crash/half-way")
    async def crash_half_way() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"the first half"
            raise RuntimeError("the secret of the cellar")

        return StreamingResponse(parts())

    return app


@pytest.fixture
async def crasher(settings: Settings, database: Database, alice: Client) -> AsyncIterator[Client]:
    app = crashing(settings.model_copy(update={"cors_origins": ("https://app.example",)}))
    async with serving_beside(app, database) as address, Client(base_url=address, headers=alice.headers) as client:
        yield client


CRASHING_SERVICE = """
import uvicorn
from app.config import get_settings
from app.main import create_app

app = create_app()

@app.get("/crash")
async def crash():
    try:
        int("the " + "secret of the attic")
    except ValueError as error:
        raise RuntimeError("the " + "secret of the cellar") from error

uvicorn.run(app, port=get_settings().port, log_config=None, access_log=False)
"""


class TestACrash:
    async def test_is_a_problem_that_tells_nothing_of_its_cause(self, crasher: Client) -> None:
        response = await crasher.get("/crash", headers={"X-Request-ID": "mine"})
        body = problem(response, 500, "internal_error")
        assert "cellar" not in response.text
        assert "RuntimeError" not in response.text
        assert body["request_id"] == "mine"
        assert_guarded(response)

    async def test_is_readable_for_a_page_of_an_allowed_origin(self, crasher: Client) -> None:
        response = await crasher.post("/crash", headers={"Origin": "https://app.example"}, json={})
        problem(response, 500, "internal_error")
        assert response.headers["access-control-allow-origin"] == "https://app.example"

    async def test_leaves_the_service_working(self, crasher: Client) -> None:
        await asyncio.gather(*(crasher.get("/crash") for _ in range(10)))
        assert (await crasher.get(f"{API}/users/me")).status_code == 200

    async def test_after_the_answer_has_begun_breaks_the_connection_off(self, crasher: Client) -> None:
        async with crasher.stream("GET", "/crash/half-way") as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()
        assert (await crasher.get("/health")).status_code == 200

    async def test_stands_in_the_log_with_its_cause_but_not_its_words(self, settings: Settings, tmp_path: Path) -> None:
        log = tmp_path / "log"
        async with (
            process_serving(["-c", CRASHING_SERVICE], port=free_port(), log=log, **environment(settings)) as address,
            Client(base_url=address) as client,
        ):
            problem(await client.get("/crash", headers={"X-Request-ID": "mine"}), 500, "internal_error")
        (crash,) = [line for line in logged(log) if line["event"] == "crash"]
        assert crash["request_id"] == "mine"
        assert (crash["level"], crash["error"]) == ("error", "RuntimeError")
        assert [
            line for line in crash["exception"].splitlines() if line and not line.startswith((" ", "Traceback"))
        ] == [
            "builtins.RuntimeError",
            "which came of",
            "builtins.ValueError",
        ]
        assert "in crash" in crash["exception"]
        assert "the secret of" not in log.read_text(encoding="utf-8")
        (request,) = [line for line in logged(log) if line["event"] == "request" and line["request_id"] == "mine"]
        assert request["status"] == 500


def logged(log: Path) -> list[Json]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


class TestTheLog:
    async def test_tells_of_each_request_and_holds_nothing_that_was_sent(
        self, settings: Settings, make_user: MakeUser, tmp_path: Path
    ) -> None:
        carol = await make_user("carol@example.com")
        log = tmp_path / "log"
        serve = ["-c", "from app.commands.cli import main; main()", "serve"]
        async with (
            process_serving(serve, port=free_port(), log=log, **environment(settings)) as address,
            Client(base_url=address + API, headers={"X-Request-ID": "the-tour"}, timeout=30) as client,
        ):
            wrong = {"username": "carol@example.com", "password": "wrong-password"}
            problem(await client.post("/auth/token", data=wrong), 401, "invalid_credentials")
            right = {"username": "carol@example.com", "password": PASSWORD}
            token = (await client.post("/auth/token", data=right)).json()["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            task = (
                await client.post(
                    "/tasks",
                    json={"title": "secret-title", "description": "secret-body", "tags": ["secret-tag"]},
                    headers=bearer,
                )
            ).json()
            await client.post("/timer/start", json={"task_id": task["id"], "note": "secret-note"}, headers=bearer)
            await client.post("/timer/stop", headers=bearer)
            await client.get(f"/tasks/{task['id']}", headers=bearer)
            await client.get("/tasks", params={"q": "secret-search"}, headers=bearer)
            await client.post("/tasks", json={"title": 7, "secret-field": "secret-value"}, headers=bearer)
            await client.post("/tasks", content=b'{"title": secret-broken', headers={**bearer, **JSON})
            await client.get("/users/me", headers={"Authorization": "Bearer secret-token"})
            await client.get("/secret-path")
        text = log.read_text(encoding="utf-8")
        for secret in ("secret-", PASSWORD, "wrong-password", token, token.split(".")[2], "carol@example.com"):
            assert secret not in text
        requests = [line for line in logged(log) if line["event"] == "request" and line["request_id"] == "the-tour"]
        for line in requests:
            assert line.keys() == {
                *("event", "level", "time", "request_id", "worker_pid"),
                *("method", "route", "status", "milliseconds", "user_id", "client_address", "error_code"),
            }
            assert line["milliseconds"] >= 0
        user_id = str(carol.user["_id"])
        assert [(line["method"], line["route"], line["status"], line["user_id"]) for line in requests] == [
            ("POST", f"{API}/auth/token", 401, None),
            ("POST", f"{API}/auth/token", 200, None),
            ("POST", f"{API}/tasks", 201, user_id),
            ("POST", f"{API}/timer/start", 201, user_id),
            ("POST", f"{API}/timer/stop", 200, user_id),
            ("GET", f"{API}/tasks/{{task_id}}", 200, user_id),
            ("GET", f"{API}/tasks", 200, user_id),
            ("POST", f"{API}/tasks", 422, user_id),
            ("POST", f"{API}/tasks", 422, user_id),
            ("GET", f"{API}/users/me", 401, None),
            ("GET", None, 404, None),
        ]


class TestRequestsThatAreTooMuch:
    async def test_thousands_of_query_parameters_are_refused_at_once(self, root: Client) -> None:
        response = await root.get("/health?" + "&".join(f"a{number}" for number in range(10_000)))
        assert "errors" not in problem(response, 422, "invalid_request")

    async def test_thousands_of_mistakes_are_counted_not_listed(self, anonymous: Client) -> None:
        response = await anonymous.post("/users", json={f"field {number}": 1 for number in range(20_000)})
        assert pointers(response) == {"#"}
        assert len(response.content) < 1000

    async def test_a_long_name_is_cut_in_the_answer(self, anonymous: Client) -> None:
        response = await anonymous.post("/users", json={"n" * 100_000: 1})
        problem(response, 422, "invalid_request")
        assert len(response.content) < 1000

    async def test_a_name_that_stands_twice_is_refused(self, alice: Client) -> None:
        for body in ('{"title": "a", "title": "b"}', '{"title": "a", "tags": [], "tags": []}'):
            response = await alice.post("/tasks", content=body, headers={"Content-Type": "application/json"})
            assert pointers(response) == {"#"}
        assert (await alice.list())["items"] == []


class TestHead:
    @pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/nothing", f"{API}/tasks"])
    async def test_is_get_without_the_body(self, root: Client, path: str) -> None:
        head, get = await root.head(path), await root.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


class TestTheRequestId:
    @pytest.mark.parametrize("sent", ["a", "6f2c-11.b_c:d", "x" * 128, "0"])
    async def test_is_the_clients_own_when_it_is_sane(self, root: Client, sent: str) -> None:
        for path in ("/health", "/nothing"):
            assert (await root.get(path, headers={"X-Request-ID": sent})).headers["x-request-id"] == sent

    @pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", '"', "é", "a,b", "a\tb", "../..", "{}"])
    async def test_is_a_new_one_when_it_is_not(self, root: Client, sent: str) -> None:
        response = await root.get("/nothing", headers={b"X-Request-ID": sent.encode()})
        request_id = problem(response, 404, "not_found")["request_id"]
        assert len(request_id) == 32
        assert set(request_id) <= set(hexdigits)

    async def test_is_another_for_each_request(self, root: Client) -> None:
        ids = [(await root.get("/health")).headers["x-request-id"] for _ in range(5)]
        assert len(set(ids)) == 5

    async def test_stands_once_in_an_answer(self, root: Client) -> None:
        response = await root.get("/health", headers={"X-Request-ID": "mine"})
        assert response.headers.get_list("x-request-id") == ["mine"]


def assert_guarded(response: httpx.Response) -> None:
    """The headers that keep a browser from misusing an answer are there, each once."""
    for name, value in SECURITY_HEADERS.items():
        assert response.headers.get_list(name) == [value], response.request.url
    for name in ("content-security-policy", "cache-control", "x-request-id"):
        assert len(response.headers.get_list(name)) == 1, response.request.url
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


class TestTheSecurityHeaders:
    async def test_are_on_every_kind_of_answer(self, alice: Client, root: Client) -> None:
        task = await alice.make_task()
        at = f"/tasks/{task['id']}"
        answers = {
            200: await alice.get(at),
            201: await alice.post("/tasks", json={"title": "x"}),
            204: await alice.get("/timer"),
            304: await alice.get(at, headers={"If-None-Match": '"1"'}),
            401: await root.get(f"{API}/tasks"),
            404: await root.get("/nothing"),
            405: await root.put("/health"),
            412: await alice.patch(at, json={}, headers={"If-Match": '"7"'}),
            413: await alice.post("/tasks", content=b"x" * (ONE_MIB + 1), headers=JSON),
            415: await alice.post("/tasks", content=b"x", headers={"Content-Type": "text/plain"}),
            422: await alice.post("/tasks", json={}),
        }
        await alice.start(task)
        answers[409] = await alice.post("/timer/start", json={"task_id": (await alice.make_task())["id"]})
        for status, response in answers.items():
            assert response.status_code == status
            assert_guarded(response)

    async def test_are_on_the_pages(self, root: Client) -> None:
        for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui-bundle.js", "/health"):
            response = await root.get(path)
            assert response.status_code == 200
            assert_guarded(response)

    async def test_keep_what_is_private_out_of_shared_caches(self, alice: Client) -> None:
        assert "private" in (await alice.get("/tasks")).headers["cache-control"]


PREFLIGHT = {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type,if-match,x-request-id",
}


class TestPagesOfOtherOrigins:
    async def test_may_not_call_by_default(self, alice: Client, root: Client) -> None:
        response = await alice.get("/tasks", headers={"Origin": "https://app.example"})
        assert not [name for name in response.headers if name.startswith("access-control-")]
        problem(await root.options(f"{API}/tasks", headers=PREFLIGHT), 405, "method_not_allowed")

    async def test_may_call_when_they_are_named(self, crasher: Client) -> None:
        response = await crasher.options(f"{API}/tasks/{'0' * 24}", headers=PREFLIGHT)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://app.example"
        allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
        assert {"authorization", "content-type", "if-match", "if-none-match", "x-request-id"} <= allowed
        methods = set(response.headers["access-control-allow-methods"].split(", "))
        assert methods >= {"GET", "POST", "PATCH", "DELETE"}
        assert "access-control-allow-credentials" not in response.headers

    async def test_see_the_headers_that_they_need(self, crasher: Client) -> None:
        origin = {"Origin": "https://app.example"}
        response = await crasher.post(f"{API}/tasks", json={"title": "x"}, headers=origin)
        assert response.status_code == 201
        exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed >= {"ETag", "Location", "Retry-After", "X-Request-ID"}
        assert "origin" in response.headers["vary"].lower()

    async def test_see_errors_too(self, crasher: Client) -> None:
        origin = {"Origin": "https://app.example"}
        for response in (
            await crasher.get("/nothing", headers=origin),
            await crasher.post(f"{API}/tasks", json={}, headers=origin),
            await crasher.get(f"{API}/tasks", headers={**origin, "Authorization": ""}),
        ):
            assert response.status_code in {401, 404, 422}
            assert response.headers["access-control-allow-origin"] == "https://app.example"

    async def test_may_not_call_when_others_are_named(self, crasher: Client) -> None:
        other = {"Origin": "https://evil.example"}
        assert "access-control-allow-origin" not in (await crasher.get("/health", headers=other)).headers
        response = await crasher.options(f"{API}/tasks", headers={**PREFLIGHT, **other})
        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers


class Links(HTMLParser):
    """The addresses that a page takes something from, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"base", "iframe", "object", "embed", "form"}
        self.found += [value for name, value in attrs if name in {"href", "src", "srcset", "action"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


class TestTheDocsPage:
    async def test_takes_everything_from_the_service_itself(self, root: Client) -> None:
        response = await root.get("/docs")
        assert response.headers["content-type"].startswith("text/html")
        links = Links()
        links.feed(response.text)
        assert len(links.found) >= 3
        assert not re.search(r"(https?:)?//\w", response.text)
        for address in links.found:
            assert address.startswith("/docs/assets/")
            asset = await root.get(address)
            assert asset.status_code == 200
            assert asset.content
        kinds = {(await root.get(address)).headers["content-type"].partition(";")[0] for address in links.found}
        assert kinds == {"text/javascript", "text/css", "image/png"}
        assert "'/openapi.json'" in links.text

    async def test_may_load_nothing_from_elsewhere(self, root: Client) -> None:
        policy = (await root.get("/docs")).headers["content-security-policy"]
        sources = {source for rule in policy.split(";") for source in rule.split()[1:]}
        assert sources == {"'none'", "'self'", "'unsafe-inline'", "data:"}

    async def test_has_styles_that_load_nothing_from_elsewhere(self, root: Client) -> None:
        style = (await root.get("/docs/assets/swagger-ui.css")).text
        assert "@import" not in style
        addresses = re.findall(r"url\(\s*['\"]?([^'\")]{1,20})", style)
        assert all(address.startswith("data:") for address in addresses)

    async def test_reads_a_document_that_is_there(self, root: Client, app: FastAPI) -> None:
        response = await root.get("/openapi.json")
        assert response.headers["content-type"] == "application/json"
        assert response.json() == json.loads(json.dumps(app.openapi()))
