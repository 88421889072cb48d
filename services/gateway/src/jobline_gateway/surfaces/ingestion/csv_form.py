"""Reads the form in which a CSV file comes (RFC 7578), whoever wrote it.

The form's size is bounded by the surface, the number and the length of its fields here, and the headers of its parts by
the parser itself. Nothing is written to disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from jobline_gateway.problems import Problem
from jobline_gateway.surfaces.ingestion.surface import MAX_FILE, file_too_large

__all__ = ["CsvForm", "read_form"]

MAX_FIELDS = 20
#: Bytes of a field: more than the keywords that are allowed could fill.
MAX_FIELD = 128 * 1024

_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class CsvForm:
    """The fields of a form, with its file. A field that was left empty counts as left out."""

    fields: dict[str, str]
    content: bytes | None
    name: str

    def project(self) -> str | None:
        """What is given as the project's id."""
        return self.fields.get("projectId")

    def settings(self) -> dict[str, Any]:
        """The fields as JSON would have them; one that reads as nothing stays as it is, to be refused."""
        keywords = self.fields.get("filterKeywords", "")
        flag = self.fields.get("generateEmbeddings")
        return {
            "projectId": self.project(),
            "type": self.fields.get("type"),
            "filterKeywords": [word.strip() for word in keywords.split(",")] if keywords else None,
            "generateEmbeddings": _FLAGS.get(flag, flag) if flag else None,
        }

    def file(self) -> bytes:
        """Raises Problem when there is none."""
        if self.content is None:
            raise Problem(400, "file must be given, as a file")
        return self.content


async def read_form(request: Request) -> CsvForm:
    """The form in a request's body. Raises Problem."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise Problem(400, "Request body must be multipart/form-data")
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        # Some of the codecs that a client could name take a very long time.
        raise Problem(400, "Request body must be in UTF-8")
    parser = MultiPartParser(
        request.headers, request.stream(), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD
    )
    parser.spool_max_size = MAX_FILE * 2
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, f"Request body is not valid multipart/form-data: {error.message}") from error
    try:
        return await _read(form)
    finally:
        await form.close()


async def _read(form: FormData) -> CsvForm:
    fields = {name: value for name, value in form.items() if isinstance(value, str) and value.strip()}
    file = form.get("file")
    if not isinstance(file, UploadFile):
        return CsvForm(fields, None, "")
    content = await file.read()
    if len(content) > MAX_FILE:
        raise file_too_large()
    return CsvForm(fields, content, file.filename or "")
