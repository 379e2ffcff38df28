"""Fixtures for the tests of reports."""

from tests.support.feed.relays import no_relay

__all__ = ["no_relay"]
