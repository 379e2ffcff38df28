"""Validation and normalisation of texts."""

import unicodedata
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.common.values.fields import Description, FullName, Note, Password, SearchText, Tag, Tags, Title
from services.common.values.texts import (
    MAX_MARKS,
    Text,
    cell_to_line,
    cell_to_lines,
    normalize_line,
    normalize_lines,
    normalize_tag,
    truncate,
    upgrade_line,
    upgrade_lines,
)

UNSEEN = [
    "\u200b",
    "\u200b\u200c\u200d\u2060\ufeff",
    "\u00ad",
    "\u200e\u200f",
    "\u034f",
    "\ufe0f",
    "\u0301",
    "\u115f",
    "\u3164",
    "\u2800",
    "\U000e0041",
    "\u00a0\u2003\u3000",
    "\u2066\u2069",
]
SEEN = [
    "x",
    "-",
    "é",
    "世界",
    "👩\u200d💻",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "❤\ufe0f",
    "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u200f\u05e2\u05d1\u05e8\u05d9\u05ea",
    "a \u2067\u05e2\u05d1\u05e8\u05d9\u05ea\u2069 b",
    "\u202a\u05e2\u05d1\u05e8\u05d9\u05ea\u202c",
    "\ue000",
    "\U0001fae9",
]
"""The last two are a private-use character and one of a Unicode version that Python may not know yet."""

any_text = st.text(max_size=40) | st.text(
    st.sampled_from("aé\u0301\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\t\r\n\x1b\x85\u2028 "),
    max_size=8,
)


def taken(text: str) -> str | None:
    try:
        return normalize_line(text)
    except ValueError:
        return None


class TestNormalizeLine:
    @pytest.mark.parametrize("character", [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)])
    def test_control_characters_and_line_breaks_are_refused(self, character: str) -> None:
        with pytest.raises(ValueError, match=rf"U\+{ord(character):04X}"):
            normalize_line(f"a{character}b")

    @pytest.mark.parametrize("character", ["\x1b", "\x1c", "\x1f", "\0", "\x7f", "\x9b"])
    def test_control_characters_are_not_trimmed(self, character: str) -> None:
        for text in (f"{character}a", f"a{character}"):
            with pytest.raises(ValueError, match="control character"):
                normalize_line(text)

    @pytest.mark.parametrize("text", ["", " ", *UNSEEN])
    def test_invisible_text_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="no visible character"):
            normalize_line(text)

    @pytest.mark.parametrize("text", SEEN)
    def test_visible_text_is_accepted(self, text: str) -> None:
        assert normalize_line(f" {text}\n") == text

    @pytest.mark.parametrize(
        "text",
        [
            "\u202egnp.exe",
            "a\u202db\u202c",
            "\u202aa",
            "a\u2067b",
            "a\u202c",
            "a\u2069",
            "\u202aa\u2069",
            "\u2066\u202aa\u2069\u202c",
        ],
    )
    def test_unclosed_directional_characters_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="directional"):
            normalize_line(text)

    @pytest.mark.parametrize("text", ["\u202egnp.exe", "a\u202db\u202c", "\u2066\u202ea\u202c\u2069"])
    def test_error_names_a_directional_override(self, text: str) -> None:
        with pytest.raises(ValueError, match="directional override"):
            normalize_line(text)

    @given(any_text)
    def test_result_is_trimmed_nfc_and_stable(self, text: str) -> None:
        line = taken(text)
        if line is not None:
            assert line == normalize_line(line) == unicodedata.normalize("NFC", line) == line.strip()
            assert not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in line)
            assert len(line.splitlines()) == 1
            assert normalize_tag(line) == normalize_tag(normalize_tag(line))
            assert taken(unicodedata.normalize("NFD", text)) == line
            assert truncate(line, 200) == line


class TestNormalizeLines:
    @pytest.mark.parametrize("text", ["", " a ", "a\nb", "a\r\nb", "\ta", "a\u2028b", "\u200b"])
    def test_line_breaks_and_tabs_are_kept(self, text: str) -> None:
        assert normalize_lines(text) == text

    def test_result_is_nfc(self) -> None:
        assert normalize_lines("Gru\u0308\u00dfe\n") == "Grüße\n"

    @pytest.mark.parametrize("text", ["a\rb", "a\x1bb", "a\x0bb", "a\x0cb", "a\0b", "a\x7fb", "a\x85b", "a\r"])
    def test_other_control_characters_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="control character"):
            normalize_lines(text)

    @pytest.mark.parametrize("text", ["a\n\u202eb", "\u202aa\nb\u202c"])
    def test_unclosed_directional_characters_in_a_line_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="directional"):
            normalize_lines(text)


class TestFileCell:
    @given(any_text, st.integers(1, 20))
    def test_cell_is_valid_in_a_request(self, text: str, max_length: int) -> None:
        try:
            line, whole = cell_to_line(text), cell_to_lines(text)
        except ValueError as wrong:
            message = str(wrong)
            assert "control character" in message
            return
        assert normalize_lines(whole) == whole
        if line:
            assert normalize_line(line) == line
            shorter = truncate(line, max_length)
            assert len(shorter) <= max_length
            assert taken(shorter) in {shorter, None}


class TestUpgrade:
    @given(any_text | st.just("a" + "\u0301" * 50), st.integers(5, 300))
    def test_upgraded_text_is_valid_today(self, text: str, max_length: int) -> None:
        line, whole = upgrade_line(text, max_length), upgrade_lines(text, max_length)
        assert line == "" or taken(line) == line
        assert normalize_lines(whole) == whole
        assert len(line) <= max_length
        if taken(text) is not None and len(text) <= max_length:
            assert line == taken(text)

    def test_only_invalid_characters_are_removed(self) -> None:
        assert upgrade_line("\x1b[31mRed\nblue\u202e", 200) == "[31mRed blue"
        assert upgrade_lines("a\x1bb\rc\td\x85e", 200) == "ab\nc\td\ne"
        assert upgrade_line("\u200b\x07", 200) == ""

    def test_truncated_text_is_valid_today(self) -> None:
        assert upgrade_lines("four\r\nfive", 5) == "four"
        assert upgrade_lines("a\x1b\n\r\nb", 3) == "a"
        assert upgrade_lines("\u202afive\u202c", 5) == "five"
        assert upgrade_lines("e\u202a\u0301 five\u202c", 5) == "\u00e9 f"
        assert upgrade_line("e\u202a\u0301 five\u202c", 5) == "\u00e9 f"
        assert truncate("one \u202a\u202c", 5) == truncate(" \u202aone\u202c", 5) == "one"
        assert upgrade_line("\u200b" * 5 + "five", 5) == ""


class TestLengthLimits:
    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_limits_apply_to_the_stored_form(self, form: Literal["NFC", "NFD"]) -> None:
        title, tag = TypeAdapter(Title).validate_python, TypeAdapter(Tag).validate_python
        assert title(unicodedata.normalize(form, "é" * 200)) == "é" * 200
        assert tag(unicodedata.normalize(form, "É" * 50)) == "é" * 50
        for read, text in ((title, "é" * 201), (tag, "é" * 51)):
            with pytest.raises(ValidationError, match="has more than"):
                read(unicodedata.normalize(form, text))

    def test_limits_are_in_the_json_schema(self) -> None:
        assert TypeAdapter(Title).json_schema() == {"type": "string", "minLength": 1, "maxLength": 200}
        assert TypeAdapter(Note).json_schema() == {"type": "string", "maxLength": 5000}


class TestExpensiveTexts:
    """Sorting a million combining marks, or backtracking over white space, would take minutes."""

    MARKS = "a" + "\u0301\u0316" * 500_000

    @pytest.mark.parametrize("kind", [Title, Note, Description, Tag, Tags, FullName, Password, SearchText])
    @pytest.mark.parametrize("text", [MARKS, MARKS[:19_000], MARKS[:700]])
    def test_oversized_text_is_refused_before_normalization(self, kind: Any, text: str) -> None:
        with pytest.raises(ValidationError, match=r"combining marks in a row|has more than"):
            TypeAdapter(kind).validate_python([text] if kind is Tags else text)

    @pytest.mark.parametrize("cell", [" " * 100_000 + "a", "\t" * 100_000, "a " * 50_000 + "\n", "\u2067" * 100_000])
    def test_cell_is_processed_in_linear_time(self, cell: str) -> None:
        assert len(cell_to_line(cell)) <= len(cell)
        with pytest.raises(ValueError, match="combining marks in a row"):
            cell_to_line(self.MARKS)

    def test_text_with_few_marks_is_accepted(self) -> None:
        thai = "\u0e17\u0e35\u0e48" * 60
        assert normalize_line(thai) == thai
        assert normalize_line("a" + "\u0316" * MAX_MARKS) == "a" + "\u0316" * MAX_MARKS

    def test_white_space_does_not_hide_an_oversized_text(self) -> None:
        assert TypeAdapter(Title).validate_python(" " * 5_000 + "x") == "x"

    def test_longest_text_of_decomposed_characters_may_be_surrounded_by_white_space(self) -> None:
        decomposed = "\u03b1\u0313\u0300\u0345"  # four characters, which NFC composes to one
        kind = TypeAdapter(Annotated[str, Text(normalize_line, 2)])
        assert kind.validate_python(f" {decomposed * 2} ") == "\u1f82" * 2
        with pytest.raises(ValidationError, match="has more than 2 characters"):
            kind.validate_python(f" {decomposed * 3} ")


class TestTags:
    def test_equal_looking_tags_are_equal(self) -> None:
        read = TypeAdapter(Tags).validate_python
        assert read(["Büro", "bu\u0308ro", " BU\u0308RO ", "\u212bngstrom", "ångstrom"]) == ["büro", "ångstrom"]
