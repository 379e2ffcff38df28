"""Every parser returns a value or raises its documented error, for mutated samples and random bytes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.support.http import LONG

EXAMPLES = 1_000 if LONG else 50

Edit = tuple[int, int, bytes]

HOSTILE_BYTES = (
    *(b"", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\x1b[2J", b"\r\n", b" ", b"\t", b'"', b"'", b"\\", b"$", b"."),
    *("İ".encode(), "ẞ".encode(), "\u2028".encode(), "٣".encode(), "²".encode(), "🦉".encode(), "\u200b".encode()),
    *(b"0", b"-1", b"9" * 30, b"1e9", b"NaN", b"{", b"[", b"A" * 300),
)


def generated_bytes(target: Target) -> st.SearchStrategy[bytes]:
    """A strategy for mutated samples, combined words and random bytes."""
    pieces = st.sampled_from((*HOSTILE_BYTES, *target.words)) | st.binary(max_size=6)
    edits = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 9), pieces), max_size=4)
    changed = st.builds(apply_edits, st.sampled_from(target.samples + target.refused), edits)
    return changed | changed | st.lists(pieces, max_size=12).map(b"".join) | st.binary(max_size=200)


def apply_edits(sample: bytes, edits: list[Edit]) -> bytes:
    """Replace bytes of the sample. An edit is a position, the number of bytes to remove, and the bytes to insert."""
    for position, count, inserted in edits:
        at = position % (len(sample) + 1)
        sample = sample[:at] + inserted + sample[at + count :]
    return sample


class TestParsers:
    @pytest.mark.parametrize("name", TARGETS)
    def test_valid_samples_are_accepted(self, name: str) -> None:
        assert [sample for sample in TARGETS[name].samples if not TARGETS[name].check(sample)] == []

    @pytest.mark.parametrize("name", TARGETS)
    def test_invalid_samples_are_refused(self, name: str) -> None:
        assert [sample for sample in TARGETS[name].refused if TARGETS[name].check(sample)] == []

    @pytest.mark.parametrize("name", TARGETS)
    def test_generated_bytes_are_accepted_or_refused(self, name: str) -> None:
        target = TARGETS[name]

        @given(generated_bytes(target))
        @settings(
            max_examples=EXAMPLES,
            database=None,
            derandomize=not LONG,
            suppress_health_check=list(HealthCheck),
        )
        def is_accepted_or_refused(data: bytes) -> None:
            target.check(data)

        is_accepted_or_refused()
