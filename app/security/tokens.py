"""Access tokens: JSON Web Tokens (RFC 7519) that stand for a session."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cachetools import TTLCache
from jose import ExpiredSignatureError, JWTError, jwt

from app.clock import utc_now
from app.config import Settings
from app.errors import AuthenticationError
from app.security.secret_key import secret_key

VERIFIED_TOKENS = 10_000
VERIFIED_SECONDS = 10

_REQUIRED_CLAIMS = {f"require_{claim}": True for claim in ("exp", "iat", "iss", "sub", "jti")}


class InvalidTokenError(AuthenticationError):
    """The bearer token is not one of ours, or no longer good."""

    code = "invalid_token"
    detail = "The bearer token is not valid. Sign in again."


class TokenExpiredError(AuthenticationError):
    """The bearer token was good, but its time is over."""

    code = "token_expired"
    detail = "The bearer token has expired. Sign in again."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says."""

    user_id: str
    session_id: str
    token_version: int
    expires_at: datetime


class AccessTokens:
    """Signs and verifies access tokens (JWT, RFC 7519) with one fixed algorithm."""

    def __init__(self, *, key: str, algorithm: str, issuer: str, lifetime: timedelta) -> None:
        self._key = key
        self._algorithm = algorithm
        self._issuer = issuer
        self.lifetime = lifetime
        self._verified: TTLCache[str, Claims] = TTLCache(VERIFIED_TOKENS, VERIFIED_SECONDS)

    @classmethod
    def of(cls, settings: Settings) -> "AccessTokens":
        """The tokens of a service with these settings."""
        return cls(
            key=secret_key(settings),
            algorithm=settings.algorithm,
            issuer=settings.app_name,
            lifetime=timedelta(minutes=settings.access_token_expire_minutes),
        )

    def issue(self, *, user_id: str, session_id: str, token_version: int) -> str:
        """A token of this session (claim sid) of this user."""
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
        """What the token says. Raises TokenExpiredError, or InvalidTokenError when it is not ours."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            self._verified[token] = claims
        if claims.expires_at <= utc_now():
            raise TokenExpiredError
        return claims

    def _decode(self, token: str) -> Claims:
        try:
            said = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                issuer=self._issuer,
                options=_REQUIRED_CLAIMS,
            )
            return Claims(
                user_id=said["sub"],
                session_id=said["sid"],
                token_version=said["ver"],
                expires_at=datetime.fromtimestamp(said["exp"], UTC),
            )
        except ExpiredSignatureError as expired:
            raise TokenExpiredError from expired
        except (JWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as wrong:
            raise InvalidTokenError from wrong
