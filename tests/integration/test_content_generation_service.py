"""content_generation through the real queue service and the real worker service: the organization is asked for with the
lease of the run, and what the pipeline makes is what the queue service stores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import grpc
import pytest

from jobline.channel import bearer
from jobline.v1 import content_service_pb2 as pb
from jobline.v1.content_service_pb2_grpc import ContentServiceStub
from support.content_briefs import ANALYSIS, CALLS, SITE, TITLE, content_payload
from support.eventually import eventually_blocking
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases
from support.worker_service import WorkerService

USER = "3f0c2a52-6f0e-4f3a-9c58-0d8f1a0b7c11"
POLICIES = """
[queues.amb-jobs]
lease = "6s"
max_attempts = 1
cancel = "boundary"
retry_resumes = true
"""


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    """The queue service, with a worker service that has no language model."""
    folder = tmp_path_factory.mktemp("generation")
    with databases.fresh() as url, queue_service(url, folder, POLICIES) as running:
        worker = WorkerService(running.address, running.worker_token, folder, JOBLINE_WORKER_QUEUES="amb-jobs")
        try:
            yield running
        finally:
            worker.kill()


def stored_organization(service: QueueServiceUnderTest, owner: str) -> str:
    """An organization as an analysis of its website leaves it."""
    number = str(uuid.uuid4())
    service.execute(
        "INSERT INTO organizations (id, owner_user_id, website_url, analysis) VALUES (%s, %s, %s, %s::jsonb)",
        number,
        owner,
        SITE,
        json.dumps(dict(ANALYSIS)),
    )
    for place, (text, kind, href, placement) in enumerate(CALLS):
        service.execute(
            "INSERT INTO cta_analysis (id, organization_id, page_url, cta_text, cta_type, href, placement, "
            "conversion_potential, data_source) VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, 'scraped')",
            number,
            SITE,
            text,
            kind,
            href,
            placement,
            90 - place,
        )
    return number


def ended(service: QueueServiceUnderTest, organization: str) -> pb.ContentJob:
    """A job of the user for that organization, when it has ended."""
    owner = f"user:{USER}"
    metadata = bearer(service.operator_token)
    with grpc.insecure_channel(service.address) as channel:
        stub = ContentServiceStub(channel)
        payload = json.dumps(content_payload(organizationId=organization))
        request = pb.CreateContentGenerationRequest(input_json=payload, owner=owner)
        number = stub.CreateContentGeneration(request, metadata=metadata, timeout=10).id

        def job() -> pb.ContentJob | None:
            answer = stub.GetContentJob(pb.GetContentJobRequest(id=number, owner=owner), metadata=metadata, timeout=10)
            done = answer.job.status in (pb.CONTENT_JOB_STATUS_SUCCEEDED, pb.CONTENT_JOB_STATUS_FAILED)
            return answer.job if done else None

        return eventually_blocking(job, within=60, what="the job has ended")


def test_a_post_is_written_from_the_organization_of_its_user_and_saved(service: QueueServiceUnderTest) -> None:
    job = ended(service, stored_organization(service, USER))
    assert job.error == ""
    result = json.loads(job.result_json)
    assert result["data"]["organizationContext"]["dataCompleteness"] == 60
    assert "[Book a demo](https://www.plansome.example/demo)" in result["data"]["content"]
    assert result["savedPost"]["title"] == TITLE
    assert result["imageGeneration"]["blogPostId"] == result["savedPost"]["id"]


def test_an_organization_that_does_not_exist_gives_no_context(service: QueueServiceUnderTest) -> None:
    job = ended(service, "no-such-organization")
    assert job.error == ""
    assert not json.loads(job.result_json)["data"]["organizationContext"]["hasWebsiteData"]
