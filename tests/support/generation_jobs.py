"""content_generation jobs as callers store them, the results that workers give them, and the credits that pay for them."""

from __future__ import annotations

import copy
import json
from typing import Any

__all__ = ["CREDITS", "KIND", "POSTS", "QUEUE", "RESULT", "SAVED_POST_KEYS", "payload", "result"]

QUEUE, KIND = "amb-jobs", "content_generation"

SAVED_POST_KEYS = [
    "id",
    "user_id",
    "organization_id",
    "title",
    "content",
    "meta_description",
    "topic_data",
    "generation_metadata",
    "status",
    "word_count",
    "seo_score_prediction",
    "internal_links_data",
    "cta_suggestions_data",
    "enhancement_level",
    "created_at",
]

#: A user's credits by status, and how many posts there are. Parameter: the user's id.
CREDITS = "SELECT status, count(*) FROM user_credits WHERE user_id = %s GROUP BY 1 ORDER BY 1"
POSTS = "SELECT count(*), count(DISTINCT job_id) FROM blog_posts WHERE user_id = %s"

_PREDICTION = {
    "expectedSEOScore": 82,
    "enhancementLevel": "medium",
    "dataCompleteness": 60,
    "recommendations": ["Add an image"],
}
RESULT: dict[str, Any] = {
    "success": True,
    "data": {
        "title": "Plan better",
        "subtitle": "Less chaos",
        "metaDescription": "How planners plan.",
        "content": "# Plan better\n\n- Write it down, every day.",
        "tags": ["planning"],
        "estimatedReadTime": "1 min",
        "seoKeywords": ["planning"],
        "internalLinks": [{"anchorText": "Pricing", "suggestedUrl": "/pricing", "context": "costs"}],
        "ctaSuggestions": [{"text": "Book a demo", "placement": "end", "type": "demo_link", "context": "…"}],
        "seoOptimizationScore": 82,
        "organizationContext": {
            "dataCompleteness": 60,
            "hasWebsiteData": True,
            "hasManualInputs": False,
            "enhancementLevel": "medium",
        },
        "generationMetadata": {
            "model": "embedded",
            "duration": 1840,
            "tokensUsed": 1250,
            "enhancementLevel": "medium",
            "generatedAt": "2026-01-20T09:05:00Z",
        },
        "visualContentSuggestions": [{"type": "hero", "description": "A desk", "placement": "top"}],
        "enhancedGeneration": True,
        "qualityPrediction": _PREDICTION,
    },
    "savedPost": None,
    "enhancedGeneration": True,
    "metadata": {
        "generationTime": 1840,
        "tokensUsed": 1250,
        "qualityPrediction": _PREDICTION,
        "dataCompleteness": 60,
        "visualSuggestions": 1,
    },
    "imageGeneration": {
        "hasPlaceholders": False,
        "needsImageGeneration": False,
        "blogPostId": None,
        "topic": {"title": "Planning"},
        "organizationId": "acme",
    },
}


def payload(**options: Any) -> str:
    """The stored input of a job, JSON text."""
    given = {"includeVisuals": True, "autoSave": True, "status": "draft", **options}
    return json.dumps(
        {
            "topic": {"title": "Planning", "angle": "daily"},
            "businessInfo": {"businessType": "SaaS", "targetAudience": "planners"},
            "organizationId": "acme",
            "options": given,
        }
    )


def result(**data: Any) -> dict[str, Any]:
    """A good result with some of its `data` changed."""
    changed = copy.deepcopy(RESULT)
    changed["data"].update(data)
    return changed
