"""Parse yes and no as other programs write them."""

from services.transfer.import_formats.values.texts import excerpt

_YES = frozenset({"yes", "y", "true", "t", "1", "billable", "on", "x", "✓", "✔", "ja", "wahr", "abrechenbar"}) | {
    *("oui", "vrai", "facturable", "sí", "si", "verdadero"),
}
_NO = frozenset({"no", "n", "false", "f", "0", "non-billable", "not billable", "nonbillable", "off", "nein"}) | {
    *("falsch", "nicht abrechenbar", "non", "faux", "non facturable", "falso", "no facturable"),
}


def parse_boolean(text: str) -> bool:
    """Parse yes or no in English, German, French or Spanish. Raises ValueError for any other text."""
    word = text.casefold()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError(f"is neither yes nor no: {excerpt(text)}")
