"""Content jobs from their creation to their result: owners, words, lists, and the checks on every way in."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import uuid_utils

from jobline.v1 import content_service_pb2 as pb
from support.content_owner import (
    ANALYSIS,
    GENERATION,
    QUEUE,
    URL,
    ContentOwner,
    analysed_page,
    analysis_result,
    status_of,
)
from support.queue_calls import Calls, new_job, refused
from support.queue_service import QueueServiceUnderTest

QUEUED, RUNNING = pb.CONTENT_JOB_STATUS_QUEUED, pb.CONTENT_JOB_STATUS_RUNNING
SUCCEEDED, FAILED = pb.CONTENT_JOB_STATUS_SUCCEEDED, pb.CONTENT_JOB_STATUS_FAILED


def both(service: QueueServiceUnderTest, user: ContentOwner, visitor: ContentOwner) -> ContentOwner:
    """The caller who is this user and this session."""
    return ContentOwner(service, user=user.user, session=visitor.session)


# ---- a life -------------------------------------------------------------------------------------------------------------


def test_a_new_job_is_queued_and_says_nothing_else(owner: ContentOwner):
    job = owner.job(owner.analyse())
    assert (job.type, job.status, job.progress) == (pb.CONTENT_JOB_TYPE_WEBSITE_ANALYSIS, QUEUED, 0)
    assert (job.current_step, job.error, job.error_code, job.result_json) == ("", "", "", "")
    assert not job.HasField("estimated_seconds_remaining")
    assert job.created_at == job.updated_at


def test_an_analysis_goes_from_queued_to_its_result(owner: ContentOwner):
    job_id = owner.analyse()
    run = owner.claim()
    assert json.loads(run.payload_json) == {"url": URL}
    running = owner.job(job_id)
    assert (running.status, running.current_step, running.result_json) == (RUNNING, "Analyzing website…", "")
    owner.operator.report(run, analyze_website=analysed_page("Book a demo"))
    owner.operator.complete(run, analysis_result("Book a demo"))
    job = owner.job(job_id)
    assert (job.status, job.progress, job.current_step, job.error) == (SUCCEEDED, 100, "", "")
    assert not job.HasField("estimated_seconds_remaining")
    result = json.loads(job.result_json)
    assert set(result) == {*analysis_result(), "organizationId"}
    assert result["analysis"]["organizationId"] == result["organizationId"]
    assert [cta["text"] for cta in result["ctas"]] == ["Book a demo"]
    assert uuid.UUID(result["ctas"][0]["id"])


def test_the_input_of_a_generation_is_stored_with_what_was_not_given(owner: ContentOwner):
    given = {"includeVisuals": False, "status": None, "zone": 1}
    job_id = owner.write(options=given, unknown=7, additionalInstructions="Be brief.")
    run = owner.claim(GENERATION)
    assert run.job_id == job_id
    assert json.loads(run.payload_json) == {
        "topic": {"title": "Planning", "angle": "daily"},
        "businessInfo": {"businessType": "SaaS", "targetAudience": "planners"},
        "organizationId": "acme",
        "additionalInstructions": "Be brief.",
        "options": {"includeVisuals": False, "autoSave": True, "status": "draft"},
    }
    job = owner.job(job_id)
    assert (job.type, job.status, job.progress) == (pb.CONTENT_JOB_TYPE_CONTENT_GENERATION, RUNNING, 10)
    assert job.current_step == "running"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("FETCH_FAILED", "FETCH_FAILED"),
        ("PROVIDER_ERROR", "PROVIDER_ERROR"),
        ("POISON", "WORKER_LOST"),
        ("TIMEOUT", "INTERNAL"),
        ("CANCELLED", "INTERNAL"),
        ("SOMETHING_ELSE", "INTERNAL"),
    ],
)
def test_a_failure_is_shown_with_its_words_and_one_of_six_codes(owner: ContentOwner, code: str, shown: str):
    job_id, run = owner.begin()
    owner.operator.fail(run, code, message="Could not fetch it: HTTP 503")
    job = owner.job(job_id)
    assert (job.status, job.error, job.error_code) == (FAILED, "Could not fetch it: HTTP 503", shown)
    assert (job.current_step, job.result_json) == ("", "")


def test_a_request_id_that_is_used_again_stores_nothing_more(owner: ContentOwner, visitor: ContentOwner):
    request_id = str(uuid_utils.uuid7())
    first = owner.analyse(request_id=request_id)
    assert owner.analyse(request_id=request_id) == first
    assert owner.analyse("https://example.com/other", request_id=request_id) != first
    assert visitor.analyse(request_id=request_id) != first
    assert len(owner.page().jobs) == 2


def test_three_run_at_once_in_the_order_of_their_creation(owner: ContentOwner, visitor: ContentOwner):
    ids = [owner.analyse(), visitor.analyse(), owner.analyse(), visitor.analyse()]
    runs = owner.operator.claim(QUEUE, kinds=[ANALYSIS], most=10, wait=5)
    assert [run.job_id for run in runs] == ids[:3]
    assert visitor.status(ids[3]) == "queued"
    owner.operator.fail(runs[0])
    assert owner.claim().job_id == ids[3]


# ---- owners -------------------------------------------------------------------------------------------------------------


def test_a_session_reaches_its_own_jobs_and_no_others(
    service: QueueServiceUnderTest, owner: ContentOwner, visitor: ContentOwner
):
    mine, theirs = visitor.analyse(), owner.analyse()
    assert visitor.job(mine).id == mine
    for act in (visitor.job, visitor.cancel, visitor.retry):
        with refused("JOB_NOT_FOUND"):
            act(theirs)
    with refused("JOB_NOT_FOUND"):
        owner.job(mine)
    assert [job.id for job in visitor.page().jobs] == [mine]
    assert [owner_of(service, each) for each in (mine, theirs)] == [visitor.owner, owner.owner]


def owner_of(service: QueueServiceUnderTest, job_id: str) -> str:
    ((owner,),) = service.execute("SELECT owner FROM jobline.jobs WHERE id = %s", job_id)
    return str(owner)


def test_who_is_a_user_and_a_session_owns_as_a_user_and_reaches_both(
    service: QueueServiceUnderTest, owner: ContentOwner, visitor: ContentOwner
):
    of_session, of_user = visitor.analyse(), owner.analyse()
    caller = both(service, owner, visitor)
    new = caller.analyse()
    assert owner_of(service, new) == owner.owner
    with refused("JOB_NOT_FOUND"):
        visitor.job(new)
    assert [job.id for job in caller.page().jobs] == [new, of_user, of_session]
    caller.cancel(of_session)
    assert visitor.status(of_session) == "failed"
    caller.retry(of_session)
    assert visitor.status(of_session) == "queued"


@pytest.mark.parametrize("malformed", ["", "7", "not-a-uuid", "x" * 300, "7d7c2f0a-3b5e-4f0e-9a66-0b7f7d0e1c11"])
def test_an_id_that_is_none_of_a_job_is_not_found(owner: ContentOwner, malformed: str):
    for act in (owner.job, owner.cancel, owner.retry):
        with refused("JOB_NOT_FOUND"):
            act(malformed)


def test_jobs_of_other_kinds_do_not_exist_here(owner: ContentOwner, queue: str):
    (other,) = owner.operator.enqueue(new_job(queue, owner=owner.owner))
    with refused("JOB_NOT_FOUND"):
        owner.job(other)
    assert list(owner.page().jobs) == []


def test_nobody_reaches_nothing(service: QueueServiceUnderTest):
    with Calls(service.address, service.gateway_token) as nobody, refused("INVALID_FIELD") as seen:
        nobody.content.GetContentJob(pb.GetContentJobRequest(id=str(uuid.uuid4())))
    assert seen[0].fields == ("owner",)


@pytest.mark.parametrize("named", ["", "user:", "ada", "business:b1", "user:" + "x" * 256, "session:a\0b"])
def test_a_service_names_an_owner_in_full(calls: Calls, named: str):
    with refused("INVALID_FIELD") as seen:
        calls.content.ListContentJobs(pb.ListContentJobsRequest(owner=named))
    assert seen[0].fields == ("owner",)


def test_a_service_acts_for_the_owner_that_it_names(calls: Calls, owner: ContentOwner):
    created = calls.content.CreateWebsiteAnalysis(pb.CreateWebsiteAnalysisRequest(url=URL, owner=owner.owner))
    assert owner.job(created.id).id == created.id
    with refused("INVALID_FIELD"):
        owner.calls.content.GetContentJob(pb.GetContentJobRequest(id=created.id, owner=owner.owner))


def test_only_users_have_texts_written(visitor: ContentOwner):
    with refused("INVALID_FIELD") as seen:
        visitor.write()
    assert seen[0].fields == ("owner",)


# ---- lists --------------------------------------------------------------------------------------------------------------


def test_a_list_is_filtered_by_type_and_status(owner: ContentOwner):
    text, cancelled = owner.write(), owner.analyse()
    owner.cancel(cancelled)
    waiting = owner.analyse()
    assert [job.id for job in owner.page().jobs] == [waiting, cancelled, text]
    analyses = owner.page(types=[pb.CONTENT_JOB_TYPE_WEBSITE_ANALYSIS]).jobs
    assert [job.id for job in analyses] == [waiting, cancelled]
    assert [job.id for job in owner.page(statuses=[FAILED]).jobs] == [cancelled]
    assert [job.id for job in owner.page(statuses=[QUEUED, RUNNING]).jobs] == [waiting, text]
    assert list(owner.page(statuses=[SUCCEEDED]).jobs) == []


def test_pages_give_every_job_once_whatever_comes_in_between(owner: ContentOwner):
    ids = [owner.analyse() for _ in range(5)]
    first = owner.page(page_size=2)
    owner.analyse()
    owner.cancel(ids[0])
    owner.retry(ids[0])  # it goes to the end of the queue, not of the list
    second = owner.page(page_size=2, page_token=first.next_page_token)
    third = owner.page(page_size=2, page_token=second.next_page_token)
    assert [job.id for page in (first, second, third) for job in page.jobs] == ids[::-1]
    assert third.next_page_token == ""


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"page_size": 101}, "page_size"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"types": [0]}, "types[0]"),
        ({"types": [1, 9]}, "types[1]"),
        ({"statuses": [7]}, "statuses[0]"),
    ],
)
def test_a_list_refuses_what_it_does_not_know(owner: ContentOwner, request_fields: dict[str, Any], field: str):
    with refused("INVALID_FIELD") as seen:
        owner.page(**request_fields)
    assert seen[0].fields == (field,)


# ---- checks -------------------------------------------------------------------------------------------------------------


def test_a_bad_address_is_refused_at_once(owner: ContentOwner):
    with refused("INVALID_FIELD") as seen:
        owner.analyse("ftp://example.com/")
    assert seen[0].fields == ("url",)
    assert list(owner.page().jobs) == []


def test_every_bad_field_of_an_input_is_named(owner: ContentOwner):
    with refused("INVALID_FIELD") as seen:
        owner.write(topic={"title": " "}, businessInfo=None, options={"autoSave": 1})
    assert seen[0].fields == ("input_json.topic.title", "input_json.businessInfo", "input_json.options.autoSave")


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (ANALYSIS, {"payload": {"url": "ftp://x"}}, "jobs[0].payload_json.url"),
        (ANALYSIS, {"payload": {"url": URL, "more": 1}}, "jobs[0].payload_json"),
        (ANALYSIS, {"queue": "other"}, "jobs[0].queue"),
        (ANALYSIS, {"owner": ""}, "jobs[0].owner"),
        (ANALYSIS, {"owner": "business:b"}, "jobs[0].owner"),
        (ANALYSIS, {"priority": 1}, "jobs[0].priority"),
        (ANALYSIS, {"max_attempts": 2}, "jobs[0].max_attempts"),
        (GENERATION, {"payload": {}}, "jobs[0].payload_json.topic"),
        (GENERATION, {"owner": "session:s"}, "jobs[0].owner"),
    ],
)
def test_jobs_that_come_in_as_jobs_are_checked_alike(calls: Calls, kind: str, fields: dict[str, Any], field: str):
    given: dict[str, Any] = {"queue": QUEUE, "payload": {"url": URL}, "owner": f"user:{uuid.uuid4()}", **fields}
    with refused("INVALID_FIELD") as seen:
        calls.enqueue(new_job(given.pop("queue"), given.pop("payload"), kind=kind, **given))
    assert seen[0].fields[0] == field


def test_a_job_that_comes_in_as_a_job_is_one_of_its_owners(owner: ContentOwner):
    (job_id,) = owner.operator.enqueue(new_job(QUEUE, {"url": URL}, kind=ANALYSIS, owner=owner.owner))
    assert status_of(owner.job(job_id)) == "queued"


def test_the_view_shows_the_jobs_in_the_words_of_the_surface(
    service: QueueServiceUnderTest, owner: ContentOwner, visitor: ContentOwner
):
    running, _ = owner.begin()
    waiting = visitor.analyse()
    columns = "tenant_id, user_id, session_id, type, status, progress, current_step, input, error, error_code"
    select = f"SELECT {columns} FROM public.jobs WHERE id = %s"
    ((*row,),) = service.execute(select, running)
    label = "Analyzing website…"
    assert row == ["default", owner.user, None, ANALYSIS, "running", 0, label, {"url": URL}, None, None]
    ((*row,),) = service.execute(select, waiting)
    assert row == ["default", None, visitor.session, ANALYSIS, "queued", 0, None, {"url": URL}, None, None]
    owner.operator.delete(running)
    assert service.execute(select, running) == []
