"""The images that analyses have made, for everybody who knows their names.

An image is drawn from what a stranger's page says, and may be SVG, which can hold scripts: opened by itself it is cut off
from everything, embedded in another page it is a picture. Its name is its own for ever, so it is never asked for twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from jobline.v1 import content_service_pb2 as pb
from jobline_gateway.dependencies import QueueOf
from jobline_gateway.service_client import CallContext

__all__ = ["router"]

_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "public, max-age=31536000, immutable",
}
_IMAGES = {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("image/svg+xml", "image/png", "image/jpeg", "image/webp")
}

router = APIRouter(tags=["media"])


@router.head("/media/{name}", include_in_schema=False)
@router.get(
    "/media/{name}",
    summary="An image",
    response_class=Response,
    responses={
        200: {"description": "The image, which never changes.", "content": _IMAGES},
        304: {"description": "`If-None-Match` names it."},
        404: {"description": "No such image.", "content": {"application/json": {"example": {"error": "Not found"}}}},
    },
)
async def get_media(name: str, request: Request, queue: QueueOf) -> Response:
    own = CallContext(caller=None, correlation_id=request.state.correlation_id)
    image = await queue.call(lambda link: link.content.GetMedia, pb.GetMediaRequest(name=name), own)
    headers = {**_HEADERS, "etag": f'"{name}"'}
    if _is_known(request.headers.get("if-none-match", ""), headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(image.content, media_type=image.content_type, headers=headers)


def _is_known(condition: str, etag: str) -> bool:
    """RFC 9110, section 13.1.2: a list of entity tags, compared weakly, or `*`."""
    return condition.strip() == "*" or etag in re.findall(r'"[^"]*"', condition)
