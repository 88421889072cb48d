"""Somebody who has websites analysed and texts written, straight at the queue service, and the worker's part by hand."""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections.abc import Sequence
from typing import Any

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import content_service_pb2 as pb
from jobline.v1 import job_pb2, job_service_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest

__all__ = [
    "ANALYSIS",
    "GENERATION",
    "QUEUE",
    "STEPS",
    "URL",
    "ContentOwner",
    "analysed_page",
    "analysis_result",
    "cta",
    "drawn",
    "image",
    "report_step",
    "status_of",
]

QUEUE, ANALYSIS, GENERATION = "amb-jobs", "website_analysis", "content_generation"
#: Step → what the surface calls it.
STEPS = {
    "analyze_website": "Analyzing website…",
    "generate_audiences": "Generating audiences…",
    "generate_pitches": "Generating pitches…",
    "generate_images": "Generating images…",
}
URL = "https://example.com/"
INPUT: dict[str, Any] = {
    "topic": {"title": "Planning", "angle": "daily"},
    "businessInfo": {"businessType": "SaaS", "targetAudience": "planners"},
    "organizationId": "acme",
}
_ANALYSIS_TEXTS = (
    "businessType businessName decisionMakers endUsers targetAudience contentFocus brandVoice description businessModel "
    "websiteGoals blogStrategy searchBehavior connectionMessage"
)


# ---- what a worker says -------------------------------------------------------------------------------------------------


def analysis(**changed: Any) -> dict[str, Any]:
    colors = {"primary": "#1a56db", "secondary": "#e5edff", "accent": "#f59e0b"}
    return {**{key: f"the {key}" for key in _ANALYSIS_TEXTS.split()}, "brandColors": colors, **changed}


def cta(text: str, **changed: Any) -> dict[str, Any]:
    given = {"type": "demo_link", "href": f"{URL}demo", "placement": "hero", "conversion_potential": 90}
    return {"text": text, **given, "data_source": "scraped", **changed}


def analysed_page(*texts: str, **changed: Any) -> dict[str, Any]:
    """The output of the first step: a page with these calls to action."""
    return {
        "scrapedAt": "2026-01-20T09:00:03Z",
        "analysis": analysis(),
        "metadata": {"title": "Example", "headings": ["Plan better"]},
        "ctas": [cta(text) for text in texts],
        "page": {},
        "tokens": 7,
        **changed,
    }


def image(
    name: str = "", content: bytes = b"<svg xmlns='http://www.w3.org/2000/svg'/>", **changed: Any
) -> dict[str, Any]:
    name = name or f"{uuid.uuid4().hex}.svg"
    text = base64.b64encode(content).decode()
    return {"name": name, "content_type": "image/svg+xml", "base64": text, **changed}


def drawn(*images: dict[str, Any] | None) -> dict[str, Any]:
    """The output of the last step."""
    return {"images": list(images)}


def _scenario(image_url: str | None) -> dict[str, Any]:
    return {
        "customerProblem": "no time",
        "targetSegment": {"demographics": "d", "psychographics": "p", "searchBehavior": "s"},
        "businessValue": {"searchVolume": "low", "competition": "low", "conversionPotential": "high", "priority": 1},
        "customerLanguage": ["quick"],
        "seoKeywords": ["plan"],
        "conversionPath": "demo",
        "contentIdeas": [{"title": "t", "searchIntent": "informational", "businessAlignment": "b"}],
        "pitch": "Plan better.",
        "imageUrl": image_url,
    }


def analysis_result(*texts: str, images: Sequence[str | None] = (None,) * 4, **changed: Any) -> dict[str, Any]:
    """The pipeline's result: these calls to action, and a scenario for each image's name."""
    return {
        "success": True,
        "url": URL,
        "scrapedAt": "2026-01-20T09:00:03Z",
        "analysis": analysis(),
        "metadata": {"title": "Example", "headings": ["Plan better"]},
        "scenarios": [_scenario(f"/media/{name}" if name else None) for name in images],
        "ctas": [cta(text) for text in texts],
        "ctaCount": len(texts),
        "hasSufficientCTAs": len(texts) >= 3,
        **changed,
    }


def report_step(calls: Calls, run: work_service_pb2.Assignment, step: str, current: int = 0, total: int = 0) -> int:
    """Tells where a run is; the state of its lease."""
    request = work_service_pb2.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token)
    request.progress.CopyFrom(job_pb2.Progress(step=step, current=current, total=total))
    return int(calls.work.ReportProgress(request).lease)


# ---- what owners do -----------------------------------------------------------------------------------------------------


def status_of(job: pb.ContentJob) -> str:
    return pb.ContentJobStatus.Name(job.status).removeprefix("CONTENT_JOB_STATUS_").lower()


class ContentOwner:
    """A new user, an anonymous session (`user=""`), or both at once."""

    def __init__(self, service: QueueServiceUnderTest, *, user: str | None = None, session: str = "") -> None:
        self.service = service
        self.user = f"user-{uuid.uuid4()}" if user is None else user
        self.session = session
        caller = account_pb.Caller(sub=self.user, session=session)
        self.calls = Calls(service.address, service.gateway_token, caller)
        self.operator = Calls(service.address, service.operator_token)
        if self.user:
            self.calls.accounts.EnsureCaller(account_pb.EnsureCallerRequest(caller=caller))

    @property
    def owner(self) -> str:
        return f"user:{self.user}" if self.user else f"session:{self.session}"

    def close(self) -> None:
        """Deletes the owner's jobs, so that no other test claims them."""
        for owner in (f"user:{self.user}", f"session:{self.session}"):
            request = job_service_pb2.ListJobsRequest(filter=job_service_pb2.JobFilter(owner=owner), page_size=500)
            for job in self.operator.jobs.ListJobs(request).jobs:
                self.operator.delete(job.id)
        self.calls.close()
        self.operator.close()

    def analyse(self, url: str = URL, **request: Any) -> str:
        """The id of a new job."""
        wanted = pb.CreateWebsiteAnalysisRequest(url=url, **request)
        return str(self.calls.content.CreateWebsiteAnalysis(wanted).id)

    def write(self, request_id: str = "", **changed: Any) -> str:
        """The id of a new job for a text; what is None is left out of its input."""
        given = {key: value for key, value in {**copy.deepcopy(INPUT), **changed}.items() if value is not None}
        wanted = pb.CreateContentGenerationRequest(input_json=json.dumps(given), request_id=request_id)
        return str(self.calls.content.CreateContentGeneration(wanted).id)

    def job(self, job_id: str) -> pb.ContentJob:
        return self.calls.content.GetContentJob(pb.GetContentJobRequest(id=job_id)).job

    def status(self, job_id: str) -> str:
        return status_of(self.job(job_id))

    def await_job(self, job_id: str, status: str) -> pb.ContentJob:
        eventually_blocking(lambda: self.status(job_id) == status, what=f"{job_id} is {status}")
        return self.job(job_id)

    def result(self, job_id: str) -> dict[str, Any]:
        return dict(json.loads(self.job(job_id).result_json))

    def page(self, **request: Any) -> pb.ListContentJobsResponse:
        return self.calls.content.ListContentJobs(pb.ListContentJobsRequest(**request))

    def cancel(self, job_id: str) -> None:
        self.calls.content.CancelContentJob(pb.CancelContentJobRequest(id=job_id))

    def retry(self, job_id: str) -> None:
        self.calls.content.RetryContentJob(pb.RetryContentJobRequest(id=job_id))

    def organizations(self) -> list[pb.Organization]:
        return list(self.calls.content.ListOrganizations(pb.ListOrganizationsRequest()).organizations)

    def organization(self, organization_id: str) -> pb.GetOrganizationResponse:
        return self.calls.content.GetOrganization(pb.GetOrganizationRequest(id=organization_id))

    def medium(self, name: str) -> pb.GetMediaResponse:
        return self.calls.content.GetMedia(pb.GetMediaRequest(name=name))

    # ---- runs by hand -----------------------------------------------------------------------------------------------

    def claim(self, kind: str = ANALYSIS) -> work_service_pb2.Assignment:
        return self.operator.claim_one(QUEUE, kind=kind)

    def begin(self, url: str = URL) -> tuple[str, work_service_pb2.Assignment]:
        """A job that runs: its id and its run."""
        job_id = self.analyse(url)
        run = self.claim()
        assert run.job_id == job_id
        return job_id, run

    def analysed(self, *texts: str, url: str = URL) -> dict[str, Any]:
        """The result of an analysis of a page with these calls to action."""
        job_id, run = self.begin(url)
        self.operator.report(run, analyze_website=analysed_page(*texts))
        self.operator.complete(run, analysis_result(*texts[:5], url=url))
        return self.result(job_id)
