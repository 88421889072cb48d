"""Between the queue service's messages and the JSON of the jobs API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, get_args

from uuid_utils import uuid7

from jobline.v1 import content_service_pb2 as pb
from jobline_gateway.surfaces.content import schemas

__all__ = ["ENDED", "analysis_request", "generation_request", "job", "jobs", "list_request"]

#: A job in one of these does not change by itself any more.
ENDED = frozenset({pb.CONTENT_JOB_STATUS_SUCCEEDED, pb.CONTENT_JOB_STATUS_FAILED})

_TYPES = {word: pb.ContentJobType.Value(f"CONTENT_JOB_TYPE_{word.upper()}") for word in get_args(schemas.JobType)}
_STATUSES = {word: pb.ContentJobStatus.Value(f"CONTENT_JOB_STATUS_{word.upper()}") for word in get_args(schemas.Status)}
_TYPE_WORDS = {value: word for word, value in _TYPES.items()}
_STATUS_WORDS = {value: word for word, value in _STATUSES.items()}

#: The keys of a result in the order of the specification; the store keeps none.
_RESULT_KEYS: Mapping[int, tuple[str, ...]] = {
    pb.CONTENT_JOB_TYPE_WEBSITE_ANALYSIS: (
        "success",
        "url",
        "scrapedAt",
        "analysis",
        "metadata",
        "scenarios",
        "ctas",
        "ctaCount",
        "hasSufficientCTAs",
        "organizationId",
    ),
    pb.CONTENT_JOB_TYPE_CONTENT_GENERATION: (
        "success",
        "data",
        "savedPost",
        "enhancedGeneration",
        "metadata",
        "imageGeneration",
    ),
}


# ---- in -------------------------------------------------------------------------------------------------------------


def analysis_request(url: str) -> pb.CreateWebsiteAnalysisRequest:
    """The call for an analysis. Its new request id stays the same over all tries, so that it is stored once."""
    return pb.CreateWebsiteAnalysisRequest(url=url, request_id=str(uuid7()))


def generation_request(wanted: schemas.ContentGeneration) -> pb.CreateContentGenerationRequest:
    """The same for a text."""
    given = wanted.model_dump(by_alias=True, exclude_none=True)
    # Nulls inside these two are their sender's.
    kept = {**given, "topic": wanted.topic, "businessInfo": wanted.business_info}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return pb.CreateContentGenerationRequest(input_json=text, request_id=str(uuid7()))


def list_request(query: schemas.ListQuery) -> pb.ListContentJobsRequest:
    return pb.ListContentJobsRequest(
        types=[_TYPES[word] for word in query.type or ()],
        statuses=[_STATUSES[word] for word in query.status or ()],
        page_size=query.limit or 0,
        page_token=query.cursor or "",
    )


# ---- out ------------------------------------------------------------------------------------------------------------


def job(found: pb.ContentJob, public_url: str) -> schemas.JobStatus:
    """A job with its result. `public_url` is what the addresses of images begin with."""
    succeeded = found.status == pb.CONTENT_JOB_STATUS_SUCCEEDED
    return schemas.JobStatus(**_state(found), result=_result(found, public_url) if succeeded else None)


def jobs(found: pb.ListContentJobsResponse) -> schemas.JobPage:
    listed = [schemas.ListedJob(**_state(each), type=_TYPE_WORDS[each.type]) for each in found.jobs]
    return schemas.JobPage(jobs=listed, next_cursor=found.next_page_token or None)


def _state(found: pb.ContentJob) -> dict[str, Any]:
    """What is said of a job everywhere. What does not apply to its status is null."""
    running = found.status == pb.CONTENT_JOB_STATUS_RUNNING
    failed = found.status == pb.CONTENT_JOB_STATUS_FAILED
    estimated = running and found.HasField("estimated_seconds_remaining")
    return {
        "job_id": found.id,
        "status": _STATUS_WORDS[found.status],
        "progress": found.progress,
        "current_step": found.current_step if running else None,
        "estimated_time_remaining": found.estimated_seconds_remaining if estimated else None,
        "error": found.error if failed else None,
        "error_code": found.error_code if failed else None,
        "created_at": found.created_at.ToDatetime(UTC),
        "updated_at": found.updated_at.ToDatetime(UTC),
    }


def _result(found: pb.ContentJob, public_url: str) -> dict[str, Any]:
    stored = json.loads(found.result_json)
    result = {key: stored[key] for key in _RESULT_KEYS[found.type]}
    for scenario in result.get("scenarios", ()):
        path = scenario["imageUrl"]
        scenario["imageUrl"] = path and f"{public_url}{path}"
    return result
