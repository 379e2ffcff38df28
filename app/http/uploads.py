"""A form with a file in it, as an argument of an endpoint (RFC 7578)."""

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
"""What stands beside the file is short: names, switches and a mapping of columns."""

_MEDIA_TYPE = "multipart/form-data"
_MAX_MEDIA_TYPE_LENGTH = 500
_CHARSETS = {b"utf-8", b"utf8", b"us-ascii"}


@dataclass(frozen=True, slots=True)
class Upload(Generic[Model]):
    """A file, and the fields beside it. Whoever gets it closes the file."""

    file: BinaryIO
    fields: Model


class FormWithFile(Argument[Upload[Model]]):
    """The body as one file and the fields of this model. A file over 1 MiB waits on the disk, not in memory.

    It must be the last argument of its endpoint, which closes the file. Raises
    UnsupportedMediaTypeError, or ValidationError with a pointer for each thing that is wrong.
    """

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> Upload[Model]:
        """The form of this request."""
        refuse_content_encoding(request)
        _require_a_form(request.headers.get("content-type"))
        parser = _Parser(
            request.headers, request.stream(), max_files=2, max_fields=MAX_FORM_FIELDS, max_part_size=MAX_FIELD_LENGTH
        )
        try:
            form = await parser.parse()
            file = _the_file(form)
            upload = Upload(file, self.model.model_validate(_the_fields(form)))
        except MultiPartException as wrong:
            parser.close()
            said = wrong.message[:1].lower() + wrong.message[1:].rstrip(".")
            raise ValidationError(errors=(FieldError(f"is no form with a file: {said}", pointer="#"),)) from None
        except PydanticError as error:
            parser.close()
            raise ValidationError(errors=body_errors(error)) from None
        except ValidationError:
            parser.close()
            raise
        parser.close(but=file)
        return upload

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """The form, its model among the schemas, the file first of its fields."""
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


def _require_a_form(sent: str | None) -> None:
    """Raises UnsupportedMediaTypeError for what is no form, or one in a charset of its own.

    Python would keep in memory each charset that it was asked for, and crash at some of them.
    """
    require_media_type(sent, _MEDIA_TYPE)
    charset = (
        parse_options_header(sent)[1].get(b"charset", b"utf-8") if len(sent or "") <= _MAX_MEDIA_TYPE_LENGTH else b""
    )
    if charset.lower() not in _CHARSETS:
        raise UnsupportedMediaTypeError(f"The body must be sent as {_MEDIA_TYPE}, in UTF-8.")


class _Parser(MultiPartParser):
    """Starlette's, which forgets to close a file whose part has no end."""

    def close(self, *, but: object = None) -> None:
        """Closes the temporary files, and so removes them."""
        for file in self._files_to_close_on_error:
            if file is not but:
                file.close()


def _the_file(form: FormData) -> BinaryIO:
    sent = form.getlist(FILE_FIELD)
    if not sent:
        raise ValidationError(errors=(FieldError("is missing", pointer=json_pointer([FILE_FIELD])),))
    if len(sent) > 1:
        raise ValidationError(errors=(FieldError("is given more than once", pointer=json_pointer([FILE_FIELD])),))
    if not isinstance(sent[0], UploadFile):
        wrong = "is not a file: it has no file name"
        raise ValidationError(errors=(FieldError(wrong, pointer=json_pointer([FILE_FIELD])),))
    return sent[0].file


def _the_fields(form: FormData) -> dict[str, Any]:
    """All but the file. Raises ValidationError for a field that is given twice, or that is a file."""
    fields: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in form.multi_items():
        if name == FILE_FIELD:
            continue
        if name in fields:
            wrong[name] = "is given more than once"
        elif isinstance(value, UploadFile):
            wrong[name] = "is a file"
        fields[name] = value
    if wrong:
        raise ValidationError(
            errors=tuple(FieldError(says, pointer=json_pointer([name])) for name, says in wrong.items())
        )
    return fields
