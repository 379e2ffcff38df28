"""Unknown, repeated and invalid query parameters."""

import pytest

from tests.support.http import API, Client, parameters, problem


class TestQueryParameters:
    @pytest.mark.parametrize("path", ["/tasks", "/timer", "/users/me", f"/tasks/{'0' * 24}"])
    async def test_unknown_parameters_are_422(self, alice: Client, path: str) -> None:
        assert parameters(await alice.get(path, params={"x": "1", "y": ""})) == {"x", "y"}

    async def test_unknown_parameters_of_public_routes_are_422(self, root: Client) -> None:
        assert parameters(await root.get("/health", params={"verbose": "1"})) == {"verbose"}
        assert parameters(await root.post(f"{API}/users", params={"x": "1"}, json={})) == {"x"}

    @pytest.mark.parametrize("name", ["limit", "sort", "cursor", "q", "deleted"])
    async def test_repeated_parameter_is_422(self, alice: Client, name: str) -> None:
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
    async def test_invalid_value_is_422(self, alice: Client, name: str, value: str) -> None:
        assert parameters(await alice.get("/tasks", params={name: value})) == {name}

    @pytest.mark.parametrize("text", ["yesterday", "2026-11-18T09:00:00", "2026-11-18 09:00:00Z"])
    async def test_error_of_a_bound_names_both_accepted_forms(self, alice: Client, text: str) -> None:
        response = await alice.get("/time-entries", params={"from": text})
        (error,) = problem(response, 422, "invalid_request")["errors"]
        assert "(example: 2026-11-18)" in error["detail"]
        assert "(example: 2026-11-18T09:00:00Z" in error["detail"]

    @pytest.mark.parametrize(
        ("path", "name", "value"),
        [
            ("/tasks", "tag", "a"),
            ("/time-entries", "tag", "a"),
            ("/reports/summary", "tag", "a"),
            ("/reports/summary", "status", "pending"),
        ],
    )
    async def test_at_most_20_values_of_a_filter_are_accepted(
        self, alice: Client, path: str, name: str, value: str
    ) -> None:
        required = [("from", "2026-11-01"), ("to", "2026-12-01")] if path.startswith("/reports") else []
        response = await alice.get(path, params=[*required, *[(name, value)] * 20])
        assert response.status_code == 200, response.text
        assert parameters(await alice.get(path, params=[*required, *[(name, value)] * 21])) == {name}
