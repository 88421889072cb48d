"""The OpenAPI description and the page that shows it.

The routes read their bodies themselves and the guard checks tokens before any route, so the framework cannot see
either; both are added here. The description is OpenAPI 3.0, because that is what the Swagger UI understands that comes
as a package and works without a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

from jobline_gateway.sessions import BODY_OR_QUERY, HEADER
from jobline_gateway.surface import Door, Surfaces

__all__ = ["ASSETS_PATH", "BY_CRON_SECRET", "BY_TOKEN", "assets", "describe", "page"]

ASSETS_PATH = "/docs/assets"

_PAGE_FOLDER = Path(__file__).parent / "docs"
_COMPONENTS = "#/components/schemas/{model}"
_METHODS = ("get", "post", "put", "patch", "delete")
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session", "description": "The same token in a cookie."},
    "anonymous": {"type": "apiKey", "in": "header", "name": HEADER, "description": "An anonymous session."},
    "anonymousInQuery": {
        "type": "apiKey",
        "in": "query",
        "name": BODY_OR_QUERY,
        "description": "The same in the query.",
    },
    "cronSecret": {"type": "http", "scheme": "bearer", "description": "The setting CRON_SECRET."},
}
#: What a route may name as its `security`.
BY_TOKEN: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
BY_SESSION: list[dict[str, list[str]]] = [{"anonymous": []}, {"anonymousInQuery": []}]
BY_CRON_SECRET: list[dict[str, list[str]]] = [{"cronSecret": []}]
#: The page may load its own files and call this gateway, nothing else, and no other page may frame it.
_PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "referrer-policy": "no-referrer",
}

page = APIRouter(include_in_schema=False)


@page.get("/docs")
async def show_page() -> FileResponse:
    return FileResponse(_PAGE_FOLDER / "index.html", headers=_PAGE_HEADERS)


@page.get("/docs/start.js")
async def show_script() -> FileResponse:
    return FileResponse(_PAGE_FOLDER / "start.js")


def assets() -> StaticFiles:
    """Swagger UI's files, to be mounted at ASSETS_PATH."""
    return StaticFiles(directory=str(swagger_ui_path))


def describe(app: FastAPI, surfaces: Surfaces, models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The description of `app`, whose routes name `models` that the framework does not know of."""
    document = get_openapi(
        title=app.title, version=app.version, openapi_version="3.0.3", description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {})
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_COMPONENTS)
    components.setdefault("schemas", {}).update(definitions["$defs"])
    components["securitySchemes"] = _SECURITY_SCHEMES
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                _complete(operations[method], surfaces.at(path).door)
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    result: dict[str, Any] = _as_openapi_30(document)
    return result


def _complete(operation: dict[str, Any], door: Door | None) -> None:
    if door is not None:
        operation.setdefault("security", BY_TOKEN + BY_SESSION if door.by_session else BY_TOKEN)
    automatic = operation["responses"].get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if automatic.get("$ref", "").endswith("/HTTPValidationError"):
        # The framework adds it wherever there is a parameter; ids in paths answer 400 here.
        del operation["responses"]["422"]


def _as_openapi_30(node: Any) -> Any:
    """The same schema without what only OpenAPI 3.1 has: the type `null`, which is `nullable` in 3.0."""
    if isinstance(node, list):
        return [_as_openapi_30(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    result = {key: _as_openapi_30(value) for key, value in node.items()}
    choices = result.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        del result["anyOf"]
        result |= {**rest[0], "nullable": True} if len(rest) == 1 else {"anyOf": rest, "nullable": True}
        if "enum" in result:
            result["enum"] = [*result["enum"], None]
    return result
