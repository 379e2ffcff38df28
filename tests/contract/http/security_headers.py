"""The security headers of every response."""

import httpx

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def assert_security_headers(response: httpx.Response) -> None:
    """Assert that the response has each security header once."""
    for name, value in SECURITY_HEADERS.items():
        assert response.headers.get_list(name) == [value], response.request.url
    for name in ("content-security-policy", "cache-control", "x-request-id"):
        assert len(response.headers.get_list(name)) == 1, response.request.url
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
