"""Leads from one page of a list to the next."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["link_next"]


def link_next(request: Request, response: Response, cursor: str) -> None:
    """Adds the header `Link` (RFC 8288) to a page that is not the last one: the same request with `cursor`, as a relative
    reference (RFC 3986, section 4.2). An empty cursor leads nowhere."""
    if cursor:
        kept = {name: value for name, value in request.query_params.items() if name != "cursor"}
        target = f"{quote(request.scope['path'])}?{urlencode({**kept, 'cursor': cursor})}"
        response.headers["link"] = f'<{target}>; rel="next"'
