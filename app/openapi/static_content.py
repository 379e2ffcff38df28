"""Contents that stay the same while the service runs: compressed once, and sent again only when a client lacks them."""

import gzip
import hashlib
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

_LEAST_GAIN = 0.9
"""Compressed to more than this part of its size a content is sent as it is."""


@dataclass(frozen=True, slots=True)
class StaticContent:
    """A content in its two encodings, each with a strong ETag of its own (RFC 9110 section 8.8.3.3)."""

    plain: bytes
    gzipped: bytes | None
    media_type: str
    digest: str

    @classmethod
    def of(cls, plain: bytes, media_type: str) -> Self:
        """The content, compressed. It takes some milliseconds of CPU a megabyte."""
        gzipped = gzip.compress(plain, 9, mtime=0)  # all workers have the same bytes for the same ETag
        worth_it = len(gzipped) < len(plain) * _LEAST_GAIN
        return cls(plain, gzipped if worth_it else None, media_type, hashlib.sha256(plain).hexdigest()[:32])

    def answer(self, request: Request, *, cache_control: str | None = None) -> Response:
        """The content as this request takes it: compressed or not, or 304 when the client has it already."""
        compressed = self.gzipped is not None and _takes_gzip(request.headers.getlist("accept-encoding"))
        headers = {"ETag": f'"{self.digest}{"-gzip" if compressed else ""}"'}
        if self.gzipped is not None:
            headers["Vary"] = "Accept-Encoding"
        if cache_control is not None:
            headers["Cache-Control"] = cache_control
        if _has_it(request.headers.getlist("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if compressed:
            headers["Content-Encoding"] = "gzip"
        content = self.gzipped if compressed else self.plain
        return Response(content, headers=headers, media_type=self.media_type)


def _takes_gzip(headers: list[str]) -> bool:
    """Whether the client has said so, by name or by * (RFC 9110 section 12.5.3)."""
    said: dict[str, bool] = {}
    for coding in ",".join(headers).lower().split(","):
        name, _, weight = coding.partition(";")
        said[name.strip()] = not _is_zero(weight)
    return said.get("gzip", said.get("x-gzip", said.get("*", False)))


def _is_zero(weight: str) -> bool:
    name, _, value = weight.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in {"", "0."} and value.strip() != ""


def _has_it(headers: list[str], etag: str) -> bool:
    """Whether If-None-Match names it; the comparison is the weak one (RFC 9110 section 13.1.2)."""
    named = [tag.strip().removeprefix("W/") for tag in ",".join(headers).split(",")]
    return etag in named or "*" in named
