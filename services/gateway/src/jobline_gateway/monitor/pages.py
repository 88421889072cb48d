"""The monitor's few pages: a shell that the scripts fill, the form that takes a token, and what went wrong.

They are templates that escape whatever is put into them, and hold no script and no style of their own.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from jobline_gateway.monitor.paths import ASSETS, BASE, SESSION, leads_back
from jobline_gateway.monitor.rights import require_staff
from jobline_gateway.problems import Problem, text_of

__all__ = ["assets", "problem_page", "router", "sign_in_page"]

STATIC = Path(__file__).parent / "static"

_TEMPLATES = Environment(
    loader=PackageLoader("jobline_gateway.monitor"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals.update(assets=ASSETS, base=BASE, session=SESSION)

router = APIRouter(include_in_schema=False)


@router.get(BASE, dependencies=[Depends(require_staff)])
async def show_shell() -> HTMLResponse:
    return _page("shell.html")


def assets() -> StaticFiles:
    """The page's files, to be mounted at ASSETS."""
    return StaticFiles(directory=STATIC)


def sign_in_page(back: str, message: str = "", status: int = 200) -> HTMLResponse:
    """The form that takes a token and leads to the address `back`."""
    return _page("sign_in.html", status, back=back, message=message)


def problem_page(problem: Problem, scope: Scope) -> HTMLResponse:
    """What somebody sees instead of the page that they asked for. Where another token may help, they can give it."""
    back = leads_back(_address(scope))
    match problem.status:
        case 401:
            page = sign_in_page(back, problem.text, 401)
        case 403 if scope["method"] in ("GET", "HEAD"):
            page = _page("not_allowed.html", 403, back=back, role=_role(scope))
        case status:
            page = _page("problem.html", status, status=status, text=problem.text or text_of(status))
    page.headers.update(problem.headers)
    return page


def _page(template: str, status: int = 200, /, **values: object) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), status)


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{scope['path']}?{query}" if query else scope["path"]


def _role(scope: Scope) -> str:
    role: str = scope["state"]["caller"].role
    return role
