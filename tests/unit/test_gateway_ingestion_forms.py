"""What loading records takes and refuses as a form with a CSV, hostile ones included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.gateway import bearer, gateway_client
from support.ingestion_load import CSV_PATH, MEBIBYTE, MINE, STARTED, WANTED, load
from support.ingestion_rest import CSV, LITERALS, RECORD, answer, form, said
from support.queue_peers import queue_peer, refuse


async def test_the_rows_of_a_file_are_sent_with_what_the_form_says_of_them() -> None:
    fields = {
        "projectId": "proj ü",
        "type": "FEEDBACK",
        "filterKeywords": " answer, ,ünd so,",
        "generateEmbeddings": "false",
    }
    got, messages = await load(form=form(CSV, "märz.csv", **fields))
    assert answer(got) == STARTED
    first, chunk = messages
    assert len(first.ingest.request_id) == 36
    first.ingest.request_id = ""
    assert first.ingest == pb.Ingest(
        project_id="proj ü",
        type=pb.RECORD_TYPE_FEEDBACK,
        filter_keywords=["answer", "ünd so"],
        generate_embeddings=False,
        source="märz.csv",
    )
    assert json.loads(chunk.records.items_json) == [RECORD]


async def test_fields_of_a_form_that_are_empty_count_as_left_out() -> None:
    for fields in ({}, {"type": "", "filterKeywords": " , ", "generateEmbeddings": " ", "more": "x"}):
        got, messages = await load(form=form(**fields))
        assert answer(got) == STARTED
        sent = messages[0].ingest
        assert (sent.type, sent.generate_embeddings, list(sent.filter_keywords)) == (1, True, [])


TWO_FILES = {"files": [*form()["files"], ("other", ("b.csv", CSV, "text/csv"))]}
AS_A_FIELD = {"files": [("projectId", (None, "proj-456")), ("file", (None, CSV.decode()))]}
PROJECT_AS_A_FILE = {"files": [("projectId", ("a.txt", b"proj-456")), ("x", (None, "y"))]}
BROKEN = "Request body is not valid multipart/form-data"
FORMS: list[tuple[Mapping[str, Any], str]] = [
    (form(None), "file must be given, as a file"),
    (AS_A_FIELD, "file must be given, as a file"),
    (TWO_FILES, f"{BROKEN}: Too many files. Maximum number of files is 1."),
    (form(projectId=""), "Project ID is required"),
    (form(projectId=" "), "Project ID is required"),
    (PROJECT_AS_A_FILE, "Project ID is required"),
    (form(type="task"), "type must be one of TASK, FEEDBACK"),
    (form(generateEmbeddings="TRUE"), "generateEmbeddings must be true or false"),
    (form(filterKeywords="x" * 256), "filterKeywords must hold at most 100 strings of at most 255 characters"),
    (
        form(filterKeywords=",".join("x" * 101)),
        "filterKeywords must hold at most 100 strings of at most 255 characters",
    ),
    (form(b"a,text\n1,just a text,2\n"), "line 2: expected as many cells as the header has (2), found 3"),
    (form(b"\x89PNG\r\n\x1a\n"), "the file is a PNG image, not a CSV"),
    (form(b"a,text\n1,short\n"), "no row has a text of 10 characters or more"),
    (form(b""), "the file is empty, expected a header line and rows"),
    ({"json": WANTED}, "Request body must be multipart/form-data"),
    ({"content": CSV, "headers": {"content-type": "text/csv"}}, "Request body must be multipart/form-data"),
    ({"content": b""}, "Request body must be multipart/form-data"),
]


@pytest.mark.parametrize("number", range(len(FORMS)))
async def test_a_form_that_lacks_something_or_has_it_wrong_is_told_so(number: int) -> None:
    sent, text = FORMS[number]
    async with queue_peer(**MINE) as peer, gateway_client(peer.address) as gateway:
        headers = {**bearer(), **sent.get("headers", {})}
        got = await gateway.post(CSV_PATH, **{**sent, "headers": headers})
        assert (got.status_code, got.json()) == said(text)
        assert peer.calls("StartIngest") == 0


def parts(*headers_and_bodies: tuple[str, bytes], end: bytes = b"--x--\r\n") -> bytes:
    made = (b"--x\r\n" + headers.encode() + b"\r\n\r\n" + body + b"\r\n" for headers, body in headers_and_bodies)
    return b"".join(made) + end


FILE = 'Content-Disposition: form-data; name="file"; filename="a.csv"'
PROJECT = ('Content-Disposition: form-data; name="projectId"', b"proj-456")
HOSTILE: list[tuple[str, bytes]] = [
    ("multipart/form-data", parts(PROJECT, (FILE, CSV))),
    ("multipart/form-data; boundary=", parts(PROJECT, (FILE, CSV))),
    ("multipart/form-data; boundary=y", parts(PROJECT, (FILE, CSV))),
    (f"multipart/form-data; boundary={'x' * 10_000}", parts(PROJECT, (FILE, CSV))),
    ("multipart/form-data; boundary=x; charset=idna", parts(PROJECT, (FILE, CSV))),
    ("multipart/form-data; boundary=x; charset=undefined", parts(PROJECT, (FILE, CSV))),
    ("multipart/form-data; boundary=x", b""),
    ("multipart/form-data; boundary=x", b"\xff" * 1000),
    ("multipart/form-data; boundary=x", parts(PROJECT, (FILE, CSV), end=b"")),
    ("multipart/form-data; boundary=x", parts(PROJECT, ("Content-Type: text/csv", CSV))),
    ("multipart/form-data; boundary=x", parts(PROJECT, (f"{FILE}\r\nX-Long: {'y' * 100_000}", CSV))),
    ("multipart/form-data; boundary=x", parts(PROJECT, ("\r\n".join([FILE, *(["X-Many: y"] * 1000)]), CSV))),
    ("multipart/form-data; boundary=x", parts(*[PROJECT] * 1000, (FILE, CSV))),
    ("multipart/form-data; boundary=x", parts(*[(FILE, CSV)] * 1000)),
    ("multipart/form-data; boundary=x", parts((PROJECT[0], b"y" * 200_000), (FILE, CSV))),
    ("multipart/form-data; boundary=x", parts((PROJECT[0], b"\xff\0"), (FILE, CSV))),
    ("multipart/form-data; boundary=x", b"--x\r\n" + b"\r\n" * 1_000_000),
    ("multipart/form-data; boundary=x", b"--x\r\n" * 500_000),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_a_hostile_form_is_refused(number: int) -> None:
    kind, content = HOSTILE[number]
    async with queue_peer(**MINE) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(CSV_PATH, content=content, headers={**bearer(), "content-type": kind})
        assert got.status_code == 400, got.text
        assert list(got.json()) == ["error"]
        assert peer.calls("StartIngest") == 0


@pytest.mark.parametrize("filler", [b"\r", b"\r\n--", b"\n", b"-", b"\r\n--xx"])
async def test_a_file_full_of_what_nearly_ends_it_is_a_file(filler: bytes) -> None:
    content = parts(PROJECT, (FILE, CSV + filler * (MEBIBYTE // len(filler))))
    async with queue_peer(**MINE) as peer, gateway_client(peer.address) as gateway:
        headers = {**bearer(), "content-type": "multipart/form-data; boundary=x"}
        assert (await gateway.post(CSV_PATH, content=content, headers=headers)).status_code in (200, 400)


async def test_a_file_of_4_mebibytes_is_read_and_a_byte_more_is_too_much() -> None:
    row = b"t-2," + b"The answer was clear. " * 1000 + b"\n"
    file = CSV + row * ((4 * MEBIBYTE - len(CSV)) // len(row))
    file = file.ljust(4 * MEBIBYTE, b"\n")
    got, messages = await load(form=form(file))
    assert answer(got) == STARTED
    assert len(messages) > 8
    got, messages = await load(form=form(file + b"\n"))
    assert (answer(got), messages) == (LITERALS["file too large"], None)
    got, messages = await load(form=form(file * 2))
    assert (answer(got), messages) == (LITERALS["file too large"], None)
    got, _ = await load(form=form(), StartIngest=refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE"))
    assert answer(got) == LITERALS["file too large"]
