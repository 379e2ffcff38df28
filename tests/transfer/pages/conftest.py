"""Thresholds at which a few entries need several pages."""

import pytest

from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task has about four hot entries, and a page at most five."""
    monkeypatch.setattr(Task, "hot_entries", 4)
    monkeypatch.setattr(Task, "paged_at_once", 2)
    monkeypatch.setattr(TaskPage, "capacity", 5)
