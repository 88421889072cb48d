"""Reads the body of a JSON ingest, up to 16 MiB, without making its records.

Every record goes on to the queue service as its sender spelled it, so nothing is gained by taking it apart here: the
parser passes over it, seeing that it is JSON, and gives its place in the body. So a price stays `1.50`, and a body of a
million little lists does not become a million objects. What a record may hold besides being JSON, the queue service knows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from jobline_gateway.problems import Problem
from jobline_gateway.surface import MEBIBYTE
from jobline_gateway.surfaces.ingestion.chunks import MAX_RECORD
from jobline_gateway.surfaces.ingestion.schemas import MAX_RECORDS

__all__ = ["JsonBody", "read_body"]

#: Bytes of everything but the records: more than what is allowed could fill.
MAX_MEMBER = MEBIBYTE

_NULL = msgspec.Raw(b"null")


class JsonBody(msgspec.Struct, rename="camel"):
    """The known members of a body, unread; of a repeated one the last counts, and one left out is null."""

    project_id: msgspec.Raw = _NULL
    type: msgspec.Raw = _NULL
    records: msgspec.Raw = _NULL
    filter_keywords: msgspec.Raw = _NULL
    generate_embeddings: msgspec.Raw = _NULL
    url: msgspec.Raw = _NULL

    def project(self) -> Any:
        """What is given as the project's id. Raises Problem."""
        return _value("projectId", self.project_id)

    def settings(self) -> dict[str, Any]:
        """All members but the records. Raises Problem."""
        raws = {field.encode_name: getattr(self, field.name) for field in msgspec.structs.fields(self)}
        return {name: _value(name, raw) for name, raw in raws.items() if name != "records"}

    def record_list(self) -> list[msgspec.Raw]:
        """The JSON of each record: 1 or more objects or strings that fit into a chunk. Raises Problem."""
        found = self._places()
        for number, record in enumerate(found):
            text = memoryview(record)
            if text[0] not in b'{"':
                raise Problem(400, f"records[{number}] must be an object or a string")
            if text.nbytes > MAX_RECORD:
                raise Problem(400, f"records[{number}] must have at most {MAX_RECORD} bytes, it has {text.nbytes}")
        return found

    def _places(self) -> list[msgspec.Raw]:
        try:
            found = _RECORDS.decode(self.records)
        except msgspec.DecodeError as error:
            # They were seen to be JSON before.
            raise Problem(400, "records must be an array of objects or strings") from error
        if not found:
            raise Problem(400, "records must hold at least one record")
        count = len(found)
        if count > MAX_RECORDS:
            # Five million empty ones fit into a body, and their places into 400 MB, which the exception would keep alive.
            found.clear()
            raise Problem(400, f"records must hold at most {MAX_RECORDS} records, they are {count}")
        return found


_BODY = msgspec.json.Decoder(JsonBody)
_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])


def read_body(body: bytes) -> JsonBody:
    """Raises Problem when `body` is not a JSON object."""
    try:
        # The parser does not look into the strings that it passes over.
        body.decode()
        return _BODY.decode(body)
    except msgspec.ValidationError as error:
        raise Problem(400, "Request body must be a JSON object") from error
    except UnicodeDecodeError as error:
        raise _not_json(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _not_json("nested too deeply") from error
    except msgspec.DecodeError as error:
        raise _not_json(str(error).removeprefix("JSON is malformed: ")) from error


def _not_json(why: str) -> Problem:
    return Problem(400, f"Request body is not valid JSON: {why}")


def _value(name: str, raw: msgspec.Raw) -> Any:
    if memoryview(raw).nbytes > MAX_MEMBER:
        raise Problem(400, f"{name} is too long")
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        # A number that no double can hold; all else was seen before.
        raise Problem(400, f"{name} is out of range") from error
