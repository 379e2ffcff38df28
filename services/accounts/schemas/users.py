"""The request and response models of users and sessions."""

from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from app.security.password_normalization import normalize_password
from documents.accounts.users import Locale, OverlapPolicy, Theme
from services.common.values.fields import (
    MAX_PASSWORD_LENGTH,
    Email,
    FullName,
    Id,
    Password,
    RequestModel,
    Timestamp,
    WeekStart,
    Zone,
)


def _limit_length(password: str) -> str:
    if len(normalize_password(password)) > MAX_PASSWORD_LENGTH:
        raise ValueError(f"has more than {MAX_PASSWORD_LENGTH} characters")
    return password


GivenPassword = Annotated[str, Field(max_length=8 * MAX_PASSWORD_LENGTH), AfterValidator(_limit_length)]
"""A password to check, as it was entered: an older hash may be of that form. Rules for new passwords do not apply."""

TimerCapHours = Annotated[int, Field(ge=1, le=744, description="A timer that ran longer is marked as needs_review.")]

SnapMinutes = Annotated[int, Field(ge=5, le=60, description="The grid of the calendar, in minutes.")]
IdleMinutes = Annotated[
    int,
    Field(ge=0, le=240, description="After this absence the page asks what to do with the running timer. 0: never."),
]

DEFAULT_PAGE_SETTINGS: JsonDict = {
    "locale": None,
    "theme": "system",
    "shortcuts": True,
    "snap_minutes": 15,
    "idle_minutes": 10,
}
"""The preferences of the page that a user has not chosen."""

_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f60718292f",
    "email": "ada@example.com",
    "full_name": "Ada Lovelace",
    "timezone": "Europe/Berlin",
    "week_start": 0,
    "preferences": {"overlap_policy": "allow", "timer_cap_hours": 12, **DEFAULT_PAGE_SETTINGS},
    "created_at": "2026-11-18T08:58:03.120Z",
    "updated_at": "2026-11-18T08:58:03.120Z",
}
_REFRESH_EXAMPLE = "task_timer_refresh_6920a3f1c2d4e5f607182930_5d1e3f49..."
_TOKEN_EXAMPLE: JsonDict = {
    "access_token": "eyJhbGciOiJIUzI1NiIs...",
    "token_type": "bearer",
    "expires_in": 1800,
    "refresh_token": _REFRESH_EXAMPLE,
}


class UserCreate(RequestModel):
    """An account to create."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "ada@example.com", "password": "correct horse battery"}]}
    )

    email: Email
    password: Password
    full_name: FullName | None = None
    timezone: Zone = "UTC"


class PreferencesUpdate(RequestModel):
    """A patch of the preferences. A key that is not sent keeps its value."""

    overlap_policy: OverlapPolicy = Field(default_factory=lambda: "allow")
    timer_cap_hours: TimerCapHours = Field(default_factory=int)
    locale: Locale | None = Field(default_factory=lambda: None, description="null: that of the browser.")
    theme: Theme = Field(default_factory=lambda: "system")
    shortcuts: bool = Field(default_factory=bool)
    snap_minutes: SnapMinutes = Field(default_factory=int)
    idle_minutes: IdleMinutes = Field(default_factory=int)


class UserUpdate(RequestModel):
    """A JSON merge patch (RFC 7396) of the account."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"timezone": "Europe/Berlin", "preferences": {"timer_cap_hours": 10}}]}
    )

    email: Email = Field(default_factory=str, description="Requires current_password.")
    current_password: GivenPassword = Field(default_factory=str)
    full_name: FullName | None = Field(default_factory=lambda: None)
    timezone: Zone = Field(default_factory=str)
    week_start: WeekStart = Field(default_factory=int)
    preferences: PreferencesUpdate = Field(default_factory=PreferencesUpdate)


class SignIn(RequestModel):
    """The password form of OAuth2 (RFC 6749 section 4.3.2); `username` is the e-mail address."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "ada@example.com", "password": "correct horse battery"}]}
    )

    username: Annotated[str, Field(max_length=254)]
    password: GivenPassword
    grant_type: Literal["password"] = "password"
    scope: str = ""
    client_id: str = ""
    client_secret: str = ""


class SignInQuery(BaseModel):
    """The query parameters of a sign-in."""

    model_config = ConfigDict(extra="forbid")

    session: Literal["cookie"] | None = Field(
        None, description="Return the refresh token in a cookie, for pages of this service."
    )


class AccountDelete(RequestModel):
    """Confirms the deletion of the account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "correct horse battery"}]})

    password: GivenPassword


class SessionRefresh(RequestModel):
    """The latest refresh token."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": _REFRESH_EXAMPLE}]})

    refresh_token: Annotated[str, Field(max_length=500)]


class PasswordChange(RequestModel):
    """A change of password."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current_password": "correct horse battery", "new_password": "staple gun"}]}
    )

    current_password: GivenPassword
    new_password: Password


@with_config(ConfigDict(extra="forbid"))
class PreferencesRead(TypedDict):
    """The preferences of a user. Those after `timer_cap_hours` are for the page."""

    overlap_policy: OverlapPolicy
    timer_cap_hours: TimerCapHours
    locale: Annotated[Locale | None, Field(description="Language of the page. null: that of the browser.")]
    theme: Theme
    shortcuts: Annotated[bool, Field(description="Whether the page has keyboard shortcuts.")]
    snap_minutes: SnapMinutes
    idle_minutes: IdleMinutes


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class UserRead(TypedDict):
    """The account of the user."""

    id: Id
    email: str
    full_name: str | None
    timezone: str
    week_start: WeekStart
    preferences: PreferencesRead
    created_at: Timestamp
    updated_at: Timestamp


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_TOKEN_EXAMPLE]}))
class TokenRead(TypedDict):
    """An access token and a refresh token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(description="Lifetime of the access token, in seconds.")]
    refresh_token: NotRequired[
        Annotated[
            str,
            Field(description="Can be used once: each refresh returns the next one. Absent if it is in the cookie."),
        ]
    ]


def read_preferences(stored: dict[str, Any]) -> PreferencesRead:
    """Return the response model of stored preferences. Those that the user has not chosen have their defaults."""
    return cast("PreferencesRead", DEFAULT_PAGE_SETTINGS | stored)


def read_user(user: dict[str, Any]) -> UserRead:
    """Return the response model of a stored user."""
    return {
        "id": str(user["_id"]),
        "email": user["email"],
        "full_name": user["full_name"],
        "timezone": user["timezone"],
        "week_start": user["week_start"],
        "preferences": read_preferences(user["preferences"]),
        "created_at": rfc3339(user["created_at"]),
        "updated_at": rfc3339(user["updated_at"]),
    }
