"""Modules that a serving process does not load, although its libraries import them where they are installed.

Together they take about 10 MiB. Each of these libraries works without the module.
"""

import sys
from importlib.util import find_spec

UNUSED_MODULES = (
    "greenlet",  # structlog: the context of a greenlet
    "rich",  # structlog: tracebacks in colour
    "pydantic.v1",  # FastAPI: to refuse models of pydantic 1
    "jose.backends.cryptography_backend",  # python-jose: access tokens are signed with HMAC, which the standard
    "jose.backends.rsa_backend",  # library computes; nothing is signed with RSA
)


def block_unused_modules() -> None:
    """Let these modules seem not to be installed. Call it before the libraries are imported."""
    blocked = [*UNUSED_MODULES]
    if find_spec("service_identity") is None:
        # PyMongo checks certificates with PyOpenSSL if it is installed with this module. It loads others to find out.
        blocked.append("pymongo.pyopenssl_context")
    for name in blocked:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # an import of None fails
