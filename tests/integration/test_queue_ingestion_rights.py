"""Who may use which project and which call of the database queue, and what names and ids are."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import ingestion_service_pb2 as pb
from support.ingestion_house import IngestionHouse, house_of, record
from support.queue_calls import Calls, refused
from support.queue_service import QueueServiceUnderTest
from support.races import race, said

OK, FORBIDDEN = "ok", "FORBIDDEN"
#: A gateway that does not say for whom it calls.
NOBODY = "INVALID_FIELD"


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    yield from house_of(service)


def caller_of(house: IngestionHouse, name: str) -> Calls:
    service = house.service
    match name:
        case "owner":
            return house.owner
        case "session":
            return house.service_calls(service.gateway_token, account_pb.Caller(session="s-1"))
        case "gateway":
            return house.service_calls(service.gateway_token)
        case "producer" | "operator" | "worker":
            return house.service_calls(getattr(service, f"{name}_token"))
        case _:
            return house.user(role=name)


#: Who → what the calls on a project, on the numbers, on a job of a queue, and the cleanup say.
RIGHTS = {
    "owner": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    "user": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    "support": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    "Admin": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    "session": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN),
    "manager": (OK, OK, FORBIDDEN, FORBIDDEN),
    "admin": (OK, OK, OK, FORBIDDEN),
    "gateway": (NOBODY, NOBODY, NOBODY, OK),
    "producer": (OK, OK, FORBIDDEN, FORBIDDEN),
    "operator": (OK, OK, OK, OK),
    "worker": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_what_each_caller_may_do(house: IngestionHouse, name: str):
    on_project, on_numbers, on_jobs, on_cleanup = RIGHTS[name]
    calls = caller_of(house, name)
    job = house.start([record(1)])
    cancelled = house.start([record(1)])
    (job_id, _) = house.jobs_of()
    query = pb.SearchRecordsRequest(project_id=house.project, vector=pb_vector())
    acts: list[tuple[str, Callable[[], Any]]] = [
        (on_project, lambda: calls.ingestion.GetProject(pb.GetProjectRequest(id=house.project))),
        (on_project, lambda: house.start([record(2)], calls)),
        (on_project, lambda: house.ingest_job(job.id, calls)),
        (on_project, lambda: calls.ingestion.ListIngestJobs(pb.ListIngestJobsRequest(project_id=house.project))),
        (on_project, lambda: house.cancel_ingest(cancelled.id, calls)),
        (on_project, lambda: calls.ingestion.SearchRecords(query)),
        (on_numbers, lambda: house.stats(20, calls)),
        (on_jobs, lambda: house.cancel(job_id, calls)),
        (on_jobs, lambda: house.retry(job_id, calls)),
        (on_cleanup, lambda: house.clean_up(None, calls)),
    ]
    told = [(number, expected, said(act)) for number, (expected, act) in enumerate(acts)]
    assert [each for each in told if each[1] != each[2]] == []


def pb_vector() -> Any:
    request = pb.SearchRecordsRequest()
    request.vector.values.extend([1.0] + [0.0] * 1535)
    return request.vector


def test_the_right_is_asked_before_anything_else_is_looked_at(house: IngestionHouse):
    stranger = house.user()
    for act in (house.cancel, house.retry):
        for job_id in ("", "x", str(uuid.uuid4())):
            assert said(lambda act=act, job_id=job_id: act(job_id, stranger)) == FORBIDDEN
    assert said(lambda: house.stats(1000, stranger)) == FORBIDDEN


# ---- projects -----------------------------------------------------------------------------------------------------------


def projects(calls: Calls) -> list[pb.Project]:
    return list(calls.ingestion.ListProjects(pb.ListProjectsRequest()).projects)


def test_a_user_sees_their_own_projects_newest_first(house: IngestionHouse):
    second = house.new_project(name="Second", id=f"proj-{uuid.uuid4()}")
    theirs = house.user()
    other = house.new_project(theirs)
    assert [(project.id, project.name, project.owner_id) for project in projects(house.owner)] == [
        (second, "Second", house.sub),
        (house.project, "Feedback", house.sub),
    ]
    assert [project.id for project in projects(theirs)] == [other]
    for role in ("manager", "admin"):
        assert [project.id for project in projects(house.user(role=role))][:3] == [other, second, house.project]
    assert [project.id for project in projects(house.operator)][:3] == [other, second, house.project]
    assert projects(house.user()) == []


def test_a_project_is_stored_as_it_was_named(house: IngestionHouse):
    wanted = pb.CreateProjectRequest(id="p'\"; -- ü 🙂 " + uuid.uuid4().hex, name="n" * 255)
    made = house.owner.ingestion.CreateProject(wanted).project
    assert (made.id, made.name, made.owner_id) == (wanted.id, wanted.name, house.sub)
    assert house.owner.ingestion.GetProject(pb.GetProjectRequest(id=wanted.id)).project == made
    job = house.start(project_id=wanted.id)
    assert house.ingest_job(job.id).project_id == wanted.id


def test_an_id_is_taken_once_whoever_asks(house: IngestionHouse):
    taken = f"proj-{uuid.uuid4()}"
    others = [house.user() for _ in range(4)]
    told = race(*(lambda calls=calls: house.new_project(calls, id=taken) for calls in others))
    assert sorted(told) == ["PROJECT_EXISTS"] * 3 + ["ok"]
    with refused("PROJECT_EXISTS"):
        house.new_project(others[told.index("ok")], id=taken)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"id": "i" * 256}, "id"),
        ({"id": "i" * 10_000}, "id"),
        ({"id": "\0"}, "id"),
        ({"owner_id": "somebody"}, "owner_id"),
    ],
)
def test_a_bad_field_of_a_project_is_named(house: IngestionHouse, fields: dict[str, str], named: str):
    with refused("INVALID_FIELD") as refusals:
        house.new_project(**fields)
    assert refusals[0].fields == (named,)


def test_a_service_names_the_owner(house: IngestionHouse):
    producer = caller_of(house, "producer")
    made = house.new_project(producer, owner_id=house.sub)
    assert made in [project.id for project in projects(house.owner)]
    for owner_id in ("", "o" * 256, "\0"):
        with refused("INVALID_FIELD") as refusals:
            house.new_project(producer, owner_id=owner_id)
        assert refusals[0].fields == ("owner_id",)


@pytest.mark.parametrize(("name", "refusal"), [("session", FORBIDDEN), ("gateway", NOBODY)])
def test_who_is_no_user_owns_no_project(house: IngestionHouse, name: str, refusal: str):
    calls = caller_of(house, name)
    for act in (lambda: house.new_project(calls), lambda: projects(calls)):
        assert said(act) == refusal


@pytest.mark.parametrize("bad", ["", "nobody-made-this", "\0", "x" * 10_000, "' OR '1'='1"])
def test_a_project_that_nobody_made_is_not_found(house: IngestionHouse, bad: str):
    for act in (
        lambda: house.owner.ingestion.GetProject(pb.GetProjectRequest(id=bad)),
        lambda: house.operator.ingestion.ListIngestJobs(pb.ListIngestJobsRequest(project_id=bad)),
        lambda: house.owner.ingestion.SearchRecords(pb.SearchRecordsRequest(project_id=bad)),
    ):
        assert said(act) == "PROJECT_NOT_FOUND"
    if 1 <= len(bad) <= 255 and "\0" not in bad:
        with refused("PROJECT_NOT_FOUND"):
            house.start(project_id=bad)


def test_an_ingest_job_of_a_project_without_row_is_for_those_who_may_use_all(house: IngestionHouse):
    name = f"ingest-{uuid.uuid4()}"
    house.enqueue(project="no-row", payload={"projectId": "no-row", "ingestJobId": name})
    assert said(lambda: house.ingest_job(name)) == FORBIDDEN
    assert house.ingest_job(name, house.user(role="manager")).project_id == "no-row"


@pytest.mark.parametrize("limit", [-1, 101])
def test_a_list_has_at_most_a_hundred_ingest_jobs(house: IngestionHouse, limit: int):
    with refused("INVALID_FIELD") as refusals:
        house.owner.ingestion.ListIngestJobs(pb.ListIngestJobsRequest(project_id=house.project, limit=limit))
    assert refusals[0].fields == ("limit",)


def test_a_user_cannot_get_a_job_in_past_the_surface(house: IngestionHouse):
    with refused("INVALID_FIELD") as refusals:
        house.owner.enqueue(house.new_job())
    assert refusals[0].fields == ("jobs[0].owner",)
