"""Access tokens: JSON Web Tokens (RFC 7519) that represent a session."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cachetools import TTLCache
from jose import ExpiredSignatureError, JWTError, jwt

from app.clock import utc_now
from app.config import Settings
from app.errors import AuthenticationError
from app.security.secret_key import secret_key

MAX_CACHED_TOKENS = 10_000
CACHE_SECONDS = 300
"""How long the signature of a token is not verified again. Its expiry is checked each time, and so is its session."""

_REQUIRED_CLAIMS = {f"require_{claim}": True for claim in ("exp", "iat", "iss", "sub", "jti")}


class InvalidTokenError(AuthenticationError):
    """The bearer token was not issued by this service, or is no longer valid."""

    code = "invalid_token"
    detail = "The bearer token is not valid. Sign in again."


class TokenExpiredError(AuthenticationError):
    """The bearer token has expired."""

    code = "token_expired"
    detail = "The bearer token has expired. Sign in again."


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified access token."""

    user_id: str
    session_id: str
    token_version: int
    expires_at: datetime


class AccessTokens:
    """Issues and verifies access tokens with one fixed algorithm."""

    def __init__(self, *, key: str, algorithm: str, issuer: str, lifetime: timedelta) -> None:
        self._key = key
        self._algorithm = algorithm
        self._issuer = issuer
        self.lifetime = lifetime
        self._verified: TTLCache[str, Claims] = TTLCache(MAX_CACHED_TOKENS, CACHE_SECONDS)

    @classmethod
    def from_settings(cls, settings: Settings) -> "AccessTokens":
        """Return the access tokens of a service with these settings."""
        return cls(
            key=secret_key(settings),
            algorithm=settings.algorithm,
            issuer=settings.app_name,
            lifetime=timedelta(minutes=settings.access_token_expire_minutes),
        )

    def issue(self, *, user_id: str, session_id: str, token_version: int) -> str:
        """Return a token for this session (claim sid) of this user (claim sub)."""
        now = utc_now()
        claims = {
            "iss": self._issuer,
            "sub": user_id,
            "iat": now,
            "exp": now + self.lifetime,
            "jti": uuid4().hex,
            "sid": session_id,
            "ver": token_version,
        }
        return jwt.encode(claims, self._key, algorithm=self._algorithm)

    def verify(self, token: str) -> Claims:
        """Return the claims of a token. Raises TokenExpiredError, or InvalidTokenError for any other failure."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            self._verified[token] = claims
        if claims.expires_at <= utc_now():
            raise TokenExpiredError
        return claims

    def _decode(self, token: str) -> Claims:
        try:
            decoded = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                issuer=self._issuer,
                options=_REQUIRED_CLAIMS,
            )
            return Claims(
                user_id=decoded["sub"],
                session_id=decoded["sid"],
                token_version=decoded["ver"],
                expires_at=datetime.fromtimestamp(decoded["exp"], UTC),
            )
        except ExpiredSignatureError as error:
            raise TokenExpiredError from error
        except (JWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidTokenError from error
