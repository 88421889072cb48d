"""The composition root: the only place where the gateway's parts meet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from jobline_gateway import openapi
from jobline_gateway.auth import TokenVerifier
from jobline_gateway.callers import Callers
from jobline_gateway.config import GatewayConfig
from jobline_gateway.guard import Guard
from jobline_gateway.health import router as health_router
from jobline_gateway.keys import PublishedKeys, SecretKey
from jobline_gateway.live.hub import Hub
from jobline_gateway.middleware import BodyLimit, ErrorBoundary, OptionalSlash, RequestLog, SurfaceHeaders
from jobline_gateway.monitor.acts import router as monitor_acts
from jobline_gateway.monitor.board import Board
from jobline_gateway.monitor.pages import assets as monitor_assets
from jobline_gateway.monitor.pages import router as monitor_pages
from jobline_gateway.monitor.paths import ASSETS as MONITOR_ASSETS
from jobline_gateway.monitor.reads import router as monitor_reads
from jobline_gateway.monitor.session import router as monitor_session
from jobline_gateway.monitor.stream import router as monitor_stream
from jobline_gateway.monitor.surface import SURFACES as MONITOR
from jobline_gateway.origins import OwnOrigin
from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.queue_client import QueueClient
from jobline_gateway.surface import Surfaces
from jobline_gateway.surfaces.communications.acts import router as communication_acts
from jobline_gateway.surfaces.communications.live import router as communication_events
from jobline_gateway.surfaces.communications.reads import router as communication_reads
from jobline_gateway.surfaces.communications.schemas import DESCRIBED as COMMUNICATION_MODELS
from jobline_gateway.surfaces.communications.surface import SURFACE as COMMUNICATIONS
from jobline_gateway.surfaces.content.events import router as job_events
from jobline_gateway.surfaces.content.jobs import router as jobs
from jobline_gateway.surfaces.content.media import router as media
from jobline_gateway.surfaces.content.schemas import DESCRIBED as CONTENT_MODELS
from jobline_gateway.surfaces.content.surface import SURFACE as CONTENT
from jobline_gateway.surfaces.email.live import router as email_events
from jobline_gateway.surfaces.email.routes import router as email_router
from jobline_gateway.surfaces.email.schemas import DESCRIBED as EMAIL_MODELS
from jobline_gateway.surfaces.email.surface import SURFACE as EMAIL
from jobline_gateway.surfaces.ingestion.admin import router as ingestion_admin
from jobline_gateway.surfaces.ingestion.cron import CronDoor
from jobline_gateway.surfaces.ingestion.ingest import router as ingest
from jobline_gateway.surfaces.ingestion.live import router as ingestion_events
from jobline_gateway.surfaces.ingestion.projects import router as projects
from jobline_gateway.surfaces.ingestion.schemas import DESCRIBED as INGESTION_MODELS
from jobline_gateway.surfaces.ingestion.surface import SURFACES as INGESTION
from jobline_gateway.surfaces.ingestion.workers import router as workers
from jobline_gateway.worker_client import WorkerClient

__all__ = ["GatewayApp", "create_app"]

ROUTERS: tuple[APIRouter, ...] = (
    email_router,
    email_events,
    communication_acts,
    communication_events,
    communication_reads,
    jobs,
    job_events,
    media,
    projects,
    ingest,
    ingestion_admin,
    ingestion_events,
    workers,
    monitor_pages,
    monitor_session,
    monitor_reads,
    monitor_acts,
    monitor_stream,
    health_router,
    openapi.page,
)


MODELS = (*EMAIL_MODELS, *COMMUNICATION_MODELS, *CONTENT_MODELS, *INGESTION_MODELS)


class GatewayApp(FastAPI):
    """FastAPI with our description of itself."""

    surfaces: Surfaces

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            self.openapi_schema = openapi.describe(self, self.surfaces, MODELS)
        return self.openapi_schema


def create_app(config: GatewayConfig) -> GatewayApp:
    """The gateway as an ASGI application. Its lifespan opens and closes the channels to the services."""
    surfaces = Surfaces([EMAIL, COMMUNICATIONS, CONTENT, *INGESTION, *MONITOR])
    queue = QueueClient(config.queue_addresses, config.service_token)
    worker = WorkerClient(config.worker_addresses, config.service_token)
    keys = PublishedKeys(config.jwks_url) if config.jwks_url else SecretKey(config.jwt_secret)
    verifier = TokenVerifier(keys, config.audience)
    own_origin = OwnOrigin(config.public_url)
    board = Board(queue)
    hub = Hub(queue)
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, Route)]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for client in (queue, worker):
                stack.push_async_callback(client.close)
                await client.open()
            stack.callback(board.close)
            stack.push_async_callback(hub.close)
            yield

    app = GatewayApp(
        title="Jobline",
        version=version("jobline-gateway"),
        description="One job queue, shown as REST.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[
            Middleware(RequestLog),
            Middleware(SurfaceHeaders, surfaces=surfaces),
            Middleware(ErrorBoundary, surfaces=surfaces),
            Middleware(OptionalSlash, collections=[route.path for route in routes if route.path.endswith("/")]),
            Middleware(
                Guard,
                surfaces=surfaces,
                verifier=verifier,
                callers=Callers(queue),
                own=own_origin,
            ),
            Middleware(CronDoor, secret=config.cron_secret, production=config.production),
            Middleware(BodyLimit, surfaces=surfaces),
        ],
    )
    app.surfaces = surfaces
    app.state.queue = queue
    app.state.worker = worker
    app.state.public_url = config.public_url
    app.state.verifier = verifier
    app.state.own_origin = own_origin
    app.state.board = board
    app.state.hub = hub
    # As they are: nothing is added to them here, and `include_router` would make each anew, which delays the first request.
    app.router.routes.extend(routes)
    app.mount(openapi.ASSETS_PATH, openapi.assets())
    app.mount(MONITOR_ASSETS, monitor_assets())
    _add_problem_handlers(app, routes)
    return app


def _add_problem_handlers(app: GatewayApp, routes: list[Route]) -> None:
    """Turns what the framework itself refuses into problems, which the error boundary answers."""

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed_methods(routes, request.scope["path"]) or headers.get("Allow", "")
        raise Problem(error.status_code, headers=headers) from error

    @app.exception_handler(RequestValidationError)
    async def refuse_fields(request: Request, error: RequestValidationError) -> Response:
        found = [FieldError(tuple(item["loc"]), item["msg"], item["type"]) for item in error.errors()]
        raise app.surfaces.at(request.scope["path"]).invalid(found) from error


def _allowed_methods(routes: list[Route], path: str) -> str:
    """The methods of every route that matches, for RFC 9110's `Allow`: the router itself knows only the first."""
    matching = (route.methods or () for route in routes if route.path_regex.match(path))
    return ", ".join(sorted({method for methods in matching for method in methods}))
