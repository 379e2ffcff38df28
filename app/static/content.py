"""Responses that do not change while the service runs. They are compressed once and have an ETag."""

import gzip
import hashlib
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

_MAX_COMPRESSED_RATIO = 0.9
"""Content that does not become smaller than this part of its size is not compressed."""

_ETAG_DIGITS = 16


@dataclass(frozen=True, slots=True)
class StaticContent:
    """A body, plain and compressed. Each encoding has its own strong ETag (RFC 9110 section 8.8.3.3)."""

    plain: bytes
    gzipped: bytes | None
    media_type: str
    digest: str

    @classmethod
    def create(cls, plain: bytes, media_type: str) -> Self:
        """Compress the body. This takes some milliseconds of CPU per megabyte."""
        gzipped = gzip.compress(plain, 9, mtime=0)  # no time stamp: all workers send the same bytes
        is_smaller = len(gzipped) < len(plain) * _MAX_COMPRESSED_RATIO
        return cls(plain, gzipped if is_smaller else None, media_type, hashlib.sha256(plain).hexdigest()[:_ETAG_DIGITS])

    def response(self, request: Request, *, cache_control: str | None = None) -> Response:
        """Return the response to this request: plain, compressed, or 304 if the client has the current version."""
        compressed = self.gzipped is not None and _accepts_gzip(request.headers.getlist("accept-encoding"))
        headers = {"ETag": f'"{self.digest}{"-gzip" if compressed else ""}"'}
        if self.gzipped is not None:
            headers["Vary"] = "Accept-Encoding"
        if cache_control is not None:
            headers["Cache-Control"] = cache_control
        if _matches(request.headers.getlist("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if compressed:
            headers["Content-Encoding"] = "gzip"
        content = self.gzipped if compressed else self.plain
        return Response(content, headers=headers, media_type=self.media_type)


def _accepts_gzip(headers: list[str]) -> bool:
    """Return whether Accept-Encoding allows gzip, by name or by * (RFC 9110 section 12.5.3)."""
    accepted: dict[str, bool] = {}
    for coding in ",".join(headers).lower().split(","):
        name, _, weight = coding.partition(";")
        accepted[name.strip()] = not _is_zero(weight)
    return accepted.get("gzip", accepted.get("x-gzip", accepted.get("*", False)))


def _is_zero(weight: str) -> bool:
    name, _, value = weight.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in {"", "0."} and value.strip() != ""


def _matches(headers: list[str], etag: str) -> bool:
    """Return whether If-None-Match names the ETag, by weak comparison (RFC 9110 section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in ",".join(headers).split(",")]
    return etag in tags or "*" in tags
