"""Helpers that the tests of time entries share."""

from tests.support.http import Json


def entries_path(task: Json) -> str:
    return f"/tasks/{task['id']}/time-entries"
