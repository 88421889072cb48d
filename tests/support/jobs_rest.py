"""The jobs API as its users see it, and the messages of ContentService behind it."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from jobline.v1 import content_service_pb2 as pb

__all__ = [
    "ANALYSIS_RESULT",
    "BASE",
    "GENERATION",
    "GENERATION_RESULT",
    "JOB_ID",
    "LITERALS",
    "at",
    "body",
    "content_job",
    "job_path",
]

BASE = "/api/v1/jobs"
JOB_ID = "7d7c2f0a-3b5e-4f0e-9a66-0b7f7d0e1c11"

GENERATION: dict[str, Any] = {
    "topic": {"title": "Plan better"},
    "businessInfo": {"businessType": "SaaS", "targetAudience": "Planners"},
    "organizationId": "b1c0a6e2-58d1-4f0a-8f8e-7d1e0f6b9a21",
}

#: Every error body of the specification, byte for byte.
LITERALS: dict[str, tuple[int, str]] = {
    "not json": (400, '{"success":false,"error":"Bad request","message":"Request body is not valid JSON"}'),
    "no identity": (
        401,
        '{"success":false,"error":"Unauthorized","message":"Authentication or session ID (x-session-id) is required"}',
    ),
    "bad token": (401, '{"success":false,"error":"Unauthorized","message":"Invalid or expired token"}'),
    "no user": (
        401,
        '{"success":false,"error":"Authentication required","message":"Content generation requires an authenticated user"}',
    ),
    "no job": (404, '{"success":false,"error":"Not found","message":"Job not found or access denied"}'),
    "no organization": (
        404,
        '{"success":false,"error":"Not found","message":"Organization not found or access denied"}',
    ),
    "no broker": (
        503,
        '{"success":false,"error":"Service unavailable",'
        '"message":"Job queue is unavailable. Check JOBLINE_REDIS_URL and that the server is reachable"}',
    ),
    "no url": (400, '{"success":false,"error":"url is required","message":"Provide a valid website URL"}'),
    "missing": (
        400,
        '{"success":false,"error":"Missing required fields",'
        '"message":"topic, businessInfo, and organizationId are required"}',
    ),
    "structure": (
        400,
        '{"success":false,"error":"Invalid data structure",'
        '"message":"topic.title, businessInfo.businessType and businessInfo.targetAudience are required"}',
    ),
    "not failed": (400, '{"success":false,"error":"Bad request","message":"Job is not in failed state"}'),
    "not cancellable": (400, '{"success":false,"error":"Bad request","message":"Job is not cancellable"}'),
    "foreign cookie": (403, '{"success":false,"error":"Forbidden","message":"Forbidden"}'),
    "no path": (404, '{"success":false,"error":"Not found","message":"Not found"}'),
    "no method": (405, '{"success":false,"error":"Method not allowed","message":"Method not allowed"}'),
    "too large": (413, '{"success":false,"error":"Request body too large","message":"Request body too large"}'),
    "fault": (500, '{"success":false,"error":"Internal server error","message":"Internal server error"}'),
    "unavailable": (503, '{"success":false,"error":"Service unavailable","message":"Service unavailable"}'),
}

ANALYSIS_RESULT: dict[str, Any] = {
    "success": True,
    "url": "https://example.com",
    "scrapedAt": "2026-01-20T09:00:03Z",
    "analysis": {"businessType": "SaaS", "organizationId": "b1c0a6e2-58d1-4f0a-8f8e-7d1e0f6b9a21"},
    "metadata": {"title": "Example: planning made easy", "headings": ["Plan better", "Pricing"]},
    "scenarios": [
        {"customerProblem": "…", "pitch": "…", "imageUrl": "/media/5b2e0c9a7d1f4e63a8b0c2d4e6f80123.svg"},
        {"customerProblem": "…", "pitch": "…", "imageUrl": None},
    ],
    "ctas": [],
    "ctaCount": 0,
    "hasSufficientCTAs": False,
    "organizationId": "b1c0a6e2-58d1-4f0a-8f8e-7d1e0f6b9a21",
}
GENERATION_RESULT: dict[str, Any] = {
    "success": True,
    "data": {"title": "…"},
    "savedPost": None,
    "enhancedGeneration": True,
    "metadata": {"generationTime": 1840},
    "imageGeneration": {"hasPlaceholders": False},
}


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


def body(status: int, error: str, message: str) -> tuple[int, dict[str, Any]]:
    """What is answered where the specification leaves the sentence open."""
    return status, {"success": False, "error": error, "message": message}


def job_path(act: str, id: str = JOB_ID) -> str:
    return f"{BASE}/{id}/{act}"


def content_job(
    status: str, type: str = "website_analysis", result: dict[str, Any] | None = None, **more: Any
) -> pb.ContentJob:
    fields: dict[str, Any] = {
        "id": JOB_ID,
        "created_at": at("2026-01-20T09:00:00Z"),
        "updated_at": at("2026-01-20T09:00:12Z"),
        # As the store gives it back: with its keys in another order.
        "result_json": json.dumps(result, sort_keys=True) if result else "",
        **more,
    }
    return pb.ContentJob(
        type=pb.ContentJobType.Value(f"CONTENT_JOB_TYPE_{type.upper()}"),
        status=pb.ContentJobStatus.Value(f"CONTENT_JOB_STATUS_{status.upper()}"),
        **fields,
    )
