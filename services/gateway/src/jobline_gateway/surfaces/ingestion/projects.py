"""The routes of projects and of the search in them."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.convertors import StringConvertor, register_url_convertor

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1.embedding_pb2 import Vector
from jobline.v1.worker_control_service_pb2 import EmbedRequest
from jobline_gateway import described
from jobline_gateway.checking import parse_object, validated
from jobline_gateway.dependencies import ContextOf, WorkerOf
from jobline_gateway.problems import Problem
from jobline_gateway.service_client import CallContext, ServiceError
from jobline_gateway.surfaces.ingestion import convert, responses, schemas
from jobline_gateway.surfaces.ingestion.desk import DeskOf
from jobline_gateway.surfaces.ingestion.surface import PROJECTS
from jobline_gateway.worker_client import WorkerClient

__all__ = ["router"]

logger = logging.getLogger(__name__)

#: Seconds for the vector of a query. A worker that embeds by itself loads its model for the first one.
EMBED_DEADLINE = 30.0

router = APIRouter(tags=["database queue"])


class _ProjectId(StringConvertor):
    """Whatever stands between: an id may hold every character, also slashes and line ends."""

    regex = "(?s:.*)"


register_url_convertor("project_id", _ProjectId())


@router.post(
    PROJECTS,
    status_code=201,
    summary="Make a project",
    openapi_extra=described.request_body("NewProject"),
    responses={
        **described.answer(201, "It is the caller's.", responses.PROJECT),
        **responses.CHANGING,
        **responses.BAD_PROJECT,
        **responses.PROJECT_TAKEN,
    },
)
async def create_project(request: Request, desk: DeskOf) -> schemas.Project:
    new = validated(schemas.NewProject, parse_object(await request.body()))
    wanted = pb.CreateProjectRequest(id=new.id or "", name=new.name)
    made = await desk.call(lambda link: link.ingestion.CreateProject, wanted, repeatable=False)
    return convert.project(made.project)


@router.get(
    PROJECTS,
    summary="The caller's projects, newest first",
    responses={
        **described.answer(200, "Of managers and admins everybody's.", [responses.PROJECT]),
        **responses.COMMON,
    },
)
async def list_projects(desk: DeskOf) -> list[schemas.Project]:
    found = await desk.call(lambda link: link.ingestion.ListProjects, pb.ListProjectsRequest())
    return [convert.project(each) for each in found.projects]


@router.post(
    f"{PROJECTS}/{{id:project_id}}/search",
    summary="The records nearest in meaning to a query",
    openapi_extra=described.request_body("Search"),
    responses={
        **described.answer(200, "The nearest first.", responses.FOUND),
        **responses.CHANGING,
        **responses.BAD_SEARCH,
        **responses.NO_PROJECT,
        **responses.NO_EMBEDDING,
    },
)
async def search(
    request: Request, id: Annotated[str, Path()], desk: DeskOf, worker: WorkerOf, context: ContextOf
) -> schemas.Found:
    body = await request.body()
    async with desk.reading_input(id):
        wanted = validated(schemas.Search, parse_object(body))
    # Before a provider is troubled for nothing.
    await desk.require(id)
    vector = await _embedded(worker, wanted.query, context.correlation_id)
    asked = convert.search_request(id, wanted, vector)
    try:
        return convert.search_results(await desk.call(lambda link: link.ingestion.SearchRecords, asked))
    except ServiceError as error:
        if [name for name, _ in error.fields if name.startswith("vector")]:
            logger.error("the worker service embeds otherwise than the queue service stores: %s", error)
            raise Problem(503) from error
        raise


async def _embedded(worker: WorkerClient, query: str, correlation_id: str) -> Vector:
    # The worker service knows no users.
    own = CallContext(caller=None, correlation_id=correlation_id)
    # Not repeated, because a first try may take longer than a try is usually given.
    answer = await worker.call(
        lambda link: link.control.Embed, EmbedRequest(texts=[query]), own, repeatable=False, deadline=EMBED_DEADLINE
    )
    return answer.vectors[0]
