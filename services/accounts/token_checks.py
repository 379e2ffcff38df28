"""Repeated checks of bearer tokens, for requests that last longer than their token may."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from app.clock import utc_now
from documents.accounts.api_tokens import ApiToken
from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User


@dataclass(frozen=True, slots=True)
class AcceptedToken:
    """A bearer token that was accepted: what must still be true of it later.

    It has either the session of an access token or the hash of an API token.
    """

    user_id: ObjectId
    token_version: int
    session_id: ObjectId | None
    token_hash: str | None
    expires_at: datetime | None


async def find_ended_tokens(tokens: Collection[AcceptedToken]) -> set[AcceptedToken]:
    """Return those of the tokens that are not accepted any more. It takes at most three queries.

    A token has ended when it has expired or was revoked, its session has ended, or its user was deleted, was disabled
    or has ended all sessions.
    """
    now = utc_now()
    unexpired = [token for token in tokens if token.expires_at is None or token.expires_at > now]
    versions, sessions, api_tokens = await asyncio.gather(
        _token_versions({token.user_id for token in unexpired}),
        _active_sessions([token for token in unexpired if token.token_hash is None]),
        _valid_api_tokens([token for token in unexpired if token.token_hash is not None]),
    )
    accepted = {
        token
        for token in unexpired
        if (token in api_tokens and token.user_id in versions)
        or (token in sessions and versions.get(token.user_id) == token.token_version)
    }
    return {*tokens} - accepted


async def _token_versions(user_ids: Collection[ObjectId]) -> dict[ObjectId, int]:
    return await User.find_token_versions(user_ids) if user_ids else {}


async def _active_sessions(tokens: Collection[AcceptedToken]) -> set[AcceptedToken]:
    session_ids = {token.session_id for token in tokens if token.session_id is not None}
    if not session_ids:
        return set()
    rows = await RefreshToken.find_active(session_ids, {token.user_id for token in tokens})
    owners = {row["_id"]: row["user_id"] for row in rows}
    return {token for token in tokens if owners.get(token.session_id) == token.user_id}


async def _valid_api_tokens(tokens: Collection[AcceptedToken]) -> set[AcceptedToken]:
    hashes = {token.token_hash for token in tokens if token.token_hash is not None}
    if not hashes:
        return set()
    owners = {row["token_hash"]: row["user_id"] for row in await ApiToken.find_by_hashes(hashes)}
    return {token for token in tokens if owners.get(token.token_hash) == token.user_id}
