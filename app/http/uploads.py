"""A multipart form with one file, as an argument of an endpoint (RFC 7578)."""

from dataclasses import dataclass
from typing import Any, BinaryIO, Generic

from pydantic import ValidationError as PydanticError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.errors import FieldError, UnsupportedMediaTypeError, ValidationError
from app.http.endpoint import MAX_FORM_FIELDS, Argument, Model, Operation, refuse_content_encoding, require_media_type
from app.http.json_schema import REF, form_schemas
from app.validation_errors import body_errors, json_pointer

FILE_FIELD = "file"
MAX_FIELD_LENGTH = 8 * 1024
"""The maximum length of the other fields: names, flags and a mapping of columns."""

_MEDIA_TYPE = "multipart/form-data"
_MAX_MEDIA_TYPE_LENGTH = 500
_CHARSETS = {b"utf-8", b"utf8", b"us-ascii"}


@dataclass(frozen=True, slots=True)
class Upload(Generic[Model]):
    """A file and the other fields of the form. The endpoint must close the file."""

    file: BinaryIO
    fields: Model


class FormWithFile(Argument[Upload[Model]]):
    """The body as one file and the fields of this model. A file over 1 MiB is stored on disk, not in memory.

    It must be the last argument of its endpoint, which closes the file. Raises
    UnsupportedMediaTypeError, or ValidationError with a pointer for each error.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> Upload[Model]:
        """Parse the form of this request."""
        refuse_content_encoding(request)
        _require_form(request.headers.get("content-type"))
        parser = _Parser(
            request.headers, request.stream(), max_files=2, max_fields=MAX_FORM_FIELDS, max_part_size=MAX_FIELD_LENGTH
        )
        try:
            form = await parser.parse()
            file = _file(form)
            upload = Upload(file, self.model.model_validate(_fields(form)))
        except MultiPartException as error:
            parser.close()
            reason = error.message[:1].lower() + error.message[1:].rstrip(".")
            raise ValidationError(errors=(FieldError(f"is not a form with a file: {reason}", pointer="#"),)) from None
        except PydanticError as error:
            parser.close()
            raise ValidationError(errors=body_errors(error)) from None
        except ValidationError:
            parser.close()
            raise
        parser.close(keep=file)
        return upload

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """Add the form as the request body, with the file as its first field."""
        schemas.update(form_schemas(self.model))
        name = self.model.__name__
        schema = schemas[name]
        examples = [{FILE_FIELD: "...", **example} for example in schema.get("examples", ())]
        schemas[name] = {
            **schema,
            "properties": {FILE_FIELD: {"type": "string", "format": "binary"}, **schema["properties"]},
            "required": [FILE_FIELD, *schema.get("required", ())],
            "examples": examples,
        }
        operation["requestBody"] = {
            "required": True,
            "content": {_MEDIA_TYPE: {"schema": {"$ref": REF.format(model=name)}}},
        }


def _require_form(content_type: str | None) -> None:
    """Raise UnsupportedMediaTypeError for another media type, or for a charset other than UTF-8.

    Python caches every charset that is looked up, and some of them raise unexpected errors.
    """
    require_media_type(content_type, _MEDIA_TYPE)
    charset = (
        parse_options_header(content_type)[1].get(b"charset", b"utf-8")
        if len(content_type or "") <= _MAX_MEDIA_TYPE_LENGTH
        else b""
    )
    if charset.lower() not in _CHARSETS:
        raise UnsupportedMediaTypeError(f"The body must be sent as {_MEDIA_TYPE}, in UTF-8.")


class _Parser(MultiPartParser):
    """Starlette's parser, which does not close the file of a part that is incomplete."""

    def close(self, *, keep: object = None) -> None:
        """Close, and thereby remove, the temporary files except `keep`."""
        for file in self._files_to_close_on_error:
            if file is not keep:
                file.close()


def _file(form: FormData) -> BinaryIO:
    files = form.getlist(FILE_FIELD)
    if not files:
        raise ValidationError(errors=(FieldError("is missing", pointer=json_pointer([FILE_FIELD])),))
    if len(files) > 1:
        raise ValidationError(errors=(FieldError("is given more than once", pointer=json_pointer([FILE_FIELD])),))
    if not isinstance(files[0], UploadFile):
        detail = "is not a file: it has no file name"
        raise ValidationError(errors=(FieldError(detail, pointer=json_pointer([FILE_FIELD])),))
    return files[0].file


def _fields(form: FormData) -> dict[str, Any]:
    """Return the fields other than the file. Raises ValidationError for a field that is repeated or is a file."""
    fields: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in form.multi_items():
        if name == FILE_FIELD:
            continue
        if name in fields:
            errors[name] = "is given more than once"
        elif isinstance(value, UploadFile):
            errors[name] = "is a file"
        fields[name] = value
    if errors:
        raise ValidationError(
            errors=tuple(FieldError(detail, pointer=json_pointer([name])) for name, detail in errors.items())
        )
    return fields
