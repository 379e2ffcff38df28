"""API tokens: create, list and revoke them."""

from app.clock import utc_now
from app.errors import FieldError, NotFoundError, ValidationError
from app.security.bearer_secrets import API_TOKEN_PREFIX_LENGTH, new_api_token, sha256_of
from documents.accounts.api_tokens import ApiToken
from documents.common.base import object_id
from services.accounts.audit import audit_service
from services.accounts.authentication import authentication_service
from services.accounts.schemas.api_tokens import (
    ApiTokenCreate,
    ApiTokenCreated,
    ApiTokenPage,
    read_api_token,
)
from services.common.acting_user import ActingUser
from services.common.pagination import newest_first_page
from services.common.values.fields import PageQuery


class TokenNotFoundError(NotFoundError):
    """The token does not exist, or belongs to another user."""

    code = "token_not_found"
    detail = "The token does not exist."


class ApiTokenService:
    """The API tokens of the acting user."""

    async def create(self, user: ActingUser, *, new: ApiTokenCreate) -> ApiTokenCreated:
        """Create a token. Return it with its secret, which cannot be read again. Raises ValidationError."""
        if new.expires_at is not None and new.expires_at <= utc_now():
            raise ValidationError(errors=(FieldError("is not in the future", pointer="#/expires_at"),))
        secret = new_api_token()
        token = ApiToken.new(
            user.id,
            name=new.name,
            prefix=secret[:API_TOKEN_PREFIX_LENGTH],
            token_hash=sha256_of(secret),
            scopes=new.scopes,
            expires_at=new.expires_at,
        )
        row = await token.add()
        await audit_service.record(user.id, "api_token_created", id=str(row["_id"]), name=new.name, scopes=new.scopes)
        return {**read_api_token(row), "token": secret}

    async def list_tokens(self, user: ActingUser, *, query: PageQuery) -> ApiTokenPage:
        """Return a page of the user's tokens, newest first. Raises InvalidCursorError."""
        tokens, next_cursor = await newest_first_page(ApiToken, user.id, query, list_name="API tokens")
        return {"items": [read_api_token(token) for token in tokens], "next_cursor": next_cursor}

    async def revoke(self, user: ActingUser, *, token_id: str) -> None:
        """Revoke the token: in this process at once, in other processes within 10 s. Raises TokenNotFoundError."""
        parsed_id = object_id(token_id)
        if parsed_id is None or not await ApiToken.delete_by_id(user.id, parsed_id):
            raise TokenNotFoundError
        authentication_service.invalidate(user.id)
        await audit_service.record(user.id, "api_token_revoked", id=token_id)


api_token_service = ApiTokenService()
