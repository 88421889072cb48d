"""Images of analyses: open to everybody who knows the name, kept for ever, harmless wherever they are opened."""

from __future__ import annotations

from pathlib import Path

import grpc
import httpx
import pytest

from jobline.v1 import content_service_pb2 as pb
from support.gateway import gateway_client, gateway_process
from support.queue_peers import queue_peer, refuse

NAME = "5b2e0c9a7d1f4e63a8b0c2d4e6f80123.svg"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
IMAGE = pb.GetMediaResponse(content_type="image/svg+xml", content=SVG)
ETAG = f'"{NAME}"'
KEPT = "public, max-age=31536000, immutable"


async def test_an_image_needs_no_token_and_can_do_nothing() -> None:
    async with queue_peer(GetMedia=IMAGE) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"/media/{NAME}", headers={"x-request-id": "abc"})
        assert (got.status_code, got.content) == (200, SVG)
        assert {name: got.headers[name] for name in got.headers if name != "content-length"} == {
            "content-type": "image/svg+xml",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            "cross-origin-resource-policy": "cross-origin",
            "x-content-type-options": "nosniff",
            "cache-control": KEPT,
            "etag": ETAG,
            "x-request-id": "abc",
        }
        [call] = peer.received
        assert call.request == pb.GetMediaRequest(name=NAME)
        assert (call.metadata["authorization"], call.metadata["x-request-id"]) == ("Bearer service-token", "abc")
        assert "jobline-caller-bin" not in call.metadata


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "image/webp"])
async def test_an_image_has_the_type_that_it_was_stored_with(content_type: str) -> None:
    image = pb.GetMediaResponse(content_type=content_type, content=b"\x89PNG")
    async with queue_peer(GetMedia=image) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get("/media/x.png")
        assert (got.headers["content-type"], got.content) == (content_type, b"\x89PNG")


@pytest.mark.parametrize(
    ("condition", "status"),
    [(ETAG, 304), (f"W/{ETAG}", 304), (f'"other", {ETAG}', 304), ("*", 304), ('"other"', 200), (NAME, 200), ("", 200)],
)
async def test_who_has_the_image_is_not_sent_it_again(condition: str, status: int) -> None:
    async with queue_peer(GetMedia=IMAGE) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"/media/{NAME}", headers={"if-none-match": condition})
        assert (got.status_code, got.content) == (status, b"" if status == 304 else SVG)
        assert (got.headers["etag"], got.headers["cache-control"]) == (ETAG, KEPT)


@pytest.mark.parametrize("name", [NAME, "x", "%00", "x" * 300, "..%2F..%2Fetc%2Fpasswd", "é"])
async def test_an_image_that_is_not_there_is_not_found_and_not_kept(name: str) -> None:
    no = refuse(grpc.StatusCode.NOT_FOUND, "MEDIA_NOT_FOUND")
    async with queue_peer(GetMedia=no) as peer, gateway_client(peer.address) as gateway:
        for headers in ({}, {"if-none-match": "*"}):
            got = await gateway.get(f"/media/{name}", headers=headers)
            assert (got.status_code, got.text) == (404, '{"error":"Not found"}')
            assert got.headers["cache-control"] == "no-store"


async def test_other_methods_and_a_missing_service_have_the_plain_envelope() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        got = await gateway.post(f"/media/{NAME}")
        assert (got.status_code, got.text, got.headers["allow"]) == (405, '{"error":"Method not allowed"}', "GET, HEAD")
        got = await gateway.get(f"/media/{NAME}")
        assert (got.status_code, got.text) == (503, '{"error":"Service unavailable"}')
        assert (await gateway.get("/media/")).status_code == 404


async def test_the_head_of_an_image_can_be_asked_for_alone(tmp_path: Path) -> None:
    async with queue_peer(GetMedia=IMAGE) as peer:
        with gateway_process(tmp_path, JOBLINE_QUEUE_ADDRESS=peer.address) as (_, url):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                got = await client.head(f"/media/{NAME}")
                assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", str(len(SVG)))
                assert got.headers["content-type"] == "image/svg+xml"
