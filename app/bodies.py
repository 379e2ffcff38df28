"""Request bodies, read after the token has been looked at, and checked straight from their bytes.

FastAPI reads a body before it asks who is calling; here 401 comes before anything that a body could cause.
"""

from typing import ClassVar, Generic, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from starlette.requests import Request

from app.errors import FieldError, UnsupportedMediaTypeError, ValidationError
from app.problems import pointer, sentence

Model = TypeVar("Model", bound=BaseModel)
MOST_FORM_FIELDS = 20


class Body(Generic[Model]):
    """A dependency that answers the body as this model.

    Raises UnsupportedMediaTypeError, or ValidationError with a pointer for each thing that is wrong.
    """

    media_type: ClassVar[str]

    def __init__(self, model: type[Model], *, optional: bool = False) -> None:
        self.model = model
        self.optional = optional

    async def __call__(self, request: Request) -> Model:
        """The body of this request."""
        sent_type = request.headers.get("content-type")
        if sent_type is not None and not self._is_mine(sent_type):
            raise UnsupportedMediaTypeError(f"The body must be sent as {self.media_type}.")
        body = await request.body()
        if not body and self.optional:
            return self.model()
        if body and sent_type is None:
            raise UnsupportedMediaTypeError(f"The body must be sent as {self.media_type}.")
        try:
            return self.parse(body)
        except PydanticError as error:
            raise ValidationError(errors=tuple(_field_errors(error))) from None

    def parse(self, body: bytes) -> Model:
        """The model that these bytes are."""
        raise NotImplementedError

    def _is_mine(self, sent_type: str) -> bool:
        return sent_type.partition(";")[0].strip().lower() == self.media_type


class JsonBody(Body[Model]):
    """A body in JSON."""

    media_type = "application/json"

    def parse(self, body: bytes) -> Model:
        """The model that this JSON is."""
        return self.model.model_validate_json(body)


class FormBody(Body[Model]):
    """A body as an HTML form sends it."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, body: bytes) -> Model:
        """The model that this form is. A field that is given twice is refused (RFC 6749 section 3.2)."""
        try:
            fields = parse_qsl(
                body.decode(),
                keep_blank_values=True,
                max_num_fields=MOST_FORM_FIELDS,
                errors="strict",
            )
        except ValueError:
            raise ValidationError(errors=(FieldError("is not a form in UTF-8", pointer="#"),)) from None
        sent = dict(fields)
        if len(sent) < len(fields):
            raise ValidationError(errors=(FieldError("gives a field twice", pointer="#"),))
        return self.model.model_validate(sent)


def _field_errors(error: PydanticError) -> list[FieldError]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldError(sentence(wrong), pointer=pointer(wrong["loc"])) for wrong in found]
