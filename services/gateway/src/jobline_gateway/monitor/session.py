"""Signing in and out: the token that somebody brings, kept by their browser in the cookie `session` until it ends.

The cookie is the token itself, and the guard verifies it with every request; nothing is stored here. No script can read it
(HttpOnly), and no other site can have it sent (SameSite).
"""

from __future__ import annotations

import time
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from jobline_gateway.auth import Claims, KeysUnavailableError, TokenRejectedError, TokenVerifier
from jobline_gateway.guard import COOKIE
from jobline_gateway.monitor.pages import sign_in_page
from jobline_gateway.monitor.paths import SESSION, leads_back
from jobline_gateway.origins import OwnOrigin
from jobline_gateway.problems import Problem

__all__ = ["router"]

#: Characters; browsers drop a cookie that has more than 4096 with its name, without a word.
MAX_COOKIE = 4096 - len(f"{COOKIE}=")
#: Seconds; browsers keep no cookie for longer (RFC 6265bis, section 5.5).
LONGEST = 400 * 24 * 3600
MAX_FIELDS = 8

router = APIRouter(include_in_schema=False)


@router.get(SESSION)
async def show_form(request: Request) -> Response:
    return sign_in_page(leads_back(request.query_params.get("next", "")))


@router.post(SESSION)
async def sign_in(request: Request) -> Response:
    """Also refused where another site sends it, which could sign somebody in under a name that is not theirs."""
    _require_own_page(request)
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
        token, back = str(form.get("token", "")).strip(), leads_back(str(form.get("next", "")))
    try:
        claims = await _verified(request, token)
    except TokenRejectedError as rejection:
        return sign_in_page(back, str(rejection), 401)
    except KeysUnavailableError as error:
        raise Problem(503) from error
    answer = RedirectResponse(back, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=max(0, int(min(claims.expires_at - time.time(), LONGEST))),
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post(f"{SESSION}/end")
async def sign_out(request: Request) -> Response:
    _require_own_page(request)
    answer = RedirectResponse(SESSION, HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, secure=_is_secure(request), httponly=True, samesite="strict")
    return answer


async def _verified(request: Request, token: str) -> Claims:
    """Raises TokenRejectedError, with a sentence, and KeysUnavailableError."""
    verifier: TokenVerifier = request.app.state.verifier
    if not token:
        raise TokenRejectedError("Enter a token")
    try:
        claims = await verifier.verify(token)
    except TokenRejectedError as rejection:
        raise TokenRejectedError(f"Invalid token: {rejection}") from rejection
    if len(token) > MAX_COOKIE:
        raise TokenRejectedError(f"The token is longer than the {MAX_COOKIE} characters that a browser keeps")
    return claims


def _require_own_page(request: Request) -> None:
    own: OwnOrigin = request.app.state.own_origin
    if own.is_foreign(request.headers):
        raise Problem(403)


def _is_secure(request: Request) -> bool:
    """Whether browsers reach us by https; where a proxy in front of us ends it, the setting says so."""
    public_url: str = request.app.state.public_url
    return "https" in (request.url.scheme, public_url.partition(":")[0])
