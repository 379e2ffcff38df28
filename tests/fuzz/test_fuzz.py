"""What is read by hand answers a value or its own error, whatever the bytes: samples with changes in them, and any."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.support.http import LONG

EXAMPLES = 1_000 if LONG else 50

Edit = tuple[int, int, bytes]

HOSTILE = (
    *(b"", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\x1b[2J", b"\r\n", b" ", b"\t", b'"', b"'", b"\\", b"$", b"."),
    *("İ".encode(), "ẞ".encode(), "\u2028".encode(), "٣".encode(), "²".encode(), "🦉".encode(), "\u200b".encode()),
    *(b"0", b"-1", b"9" * 30, b"1e9", b"NaN", b"{", b"[", b"A" * 300),
)


def near(target: Target) -> st.SearchStrategy[bytes]:
    """A sample with some changes, anything made of its words, or anything."""
    pieces = st.sampled_from((*HOSTILE, *target.words)) | st.binary(max_size=6)
    edits = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 9), pieces), max_size=4)
    changed = st.builds(edited, st.sampled_from(target.samples + target.refused), edits)
    return changed | changed | st.lists(pieces, max_size=12).map(b"".join) | st.binary(max_size=200)


def edited(sample: bytes, edits: list[Edit]) -> bytes:
    """The sample, and at each of these places so many bytes replaced by others."""
    for place, count, put in edits:
        at = place % (len(sample) + 1)
        sample = sample[:at] + put + sample[at + count :]
    return sample


class TestWhatIsReadByHand:
    @pytest.mark.parametrize("name", TARGETS)
    def test_takes_its_samples(self, name: str) -> None:
        assert [sample for sample in TARGETS[name].samples if not TARGETS[name].look(sample)] == []

    @pytest.mark.parametrize("name", TARGETS)
    def test_refuses_what_is_none(self, name: str) -> None:
        assert [wrong for wrong in TARGETS[name].refused if TARGETS[name].look(wrong)] == []

    @pytest.mark.parametrize("name", TARGETS)
    def test_is_read_or_refused_whatever_it_is(self, name: str) -> None:
        target = TARGETS[name]

        @given(near(target))
        @examples(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=not LONG,
            suppress_health_check=list(HealthCheck),
        )
        def is_read_or_refused(data: bytes) -> None:
            target.look(data)

        is_read_or_refused()
