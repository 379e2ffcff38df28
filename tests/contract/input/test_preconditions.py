"""The headers If-Match and If-None-Match: their syntax."""

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.support.http import Client, problem

many_examples = examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def invalid_headers(response: httpx.Response) -> set[str]:
    return {wrong.get("header") for wrong in problem(response, 422, "invalid_request")["errors"]}


header_values = st.lists(st.sampled_from([*range(0x20, 0x7F), *range(0x80, 0x100)]), max_size=60).map(
    lambda codes: bytes(codes).strip()
)

entity_tags = st.builds(
    lambda weak, tag: weak + b'"' + tag + b'"',
    st.sampled_from([b"", b"W/", b"w/", b" "]),
    st.sampled_from([b"1", b"", b"01", b"1.0", b"+1", b"999999999999999999999999", b"a b", b"\xe9", b"*"]),
)

tag_lists = st.lists(entity_tags | header_values, max_size=5).map(lambda tags: b" , ".join(tags).strip())


class TestPreconditions:
    @pytest.mark.parametrize("value", ["", "1", '"1', "W/1", '"1" "2"', 'w/"1"', '"a b"', "**"])
    async def test_invalid_header_is_422(self, alice: Client, value: str) -> None:
        task = await alice.make_task()
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "y"}, headers={"If-Match": value})
        assert invalid_headers(response) == {"If-Match"}
        response = await alice.get(f"/tasks/{task['id']}", headers={"If-None-Match": value})
        assert invalid_headers(response) == {"If-None-Match"}
        assert (await alice.read(task))["version"] == 1

    async def test_every_write_validates_if_match(self, alice: Client) -> None:
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
            assert invalid_headers(response) == {"If-Match"}
        assert invalid_headers(await alice.get("/timer", headers={"If-None-Match": "nonsense"})) == {"If-None-Match"}

    @many_examples
    @given(value=header_values | tag_lists)
    async def test_any_header_value_is_handled(self, alice: Client, value: bytes) -> None:
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
            assert invalid_headers(changed) == {"If-Match"}
