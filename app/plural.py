"""Numbers of things, for a person to read."""


def pluralize(count: int, one: str, several: str | None = None) -> str:
    """So many of what one is called so, and several so: the same with an s where nothing is said."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
