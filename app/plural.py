"""Format counts for users."""


def pluralize(count: int, singular: str, plural: str | None = None) -> str:
    """Return the count with the right form of the noun. The default plural is the singular with an s."""
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"
