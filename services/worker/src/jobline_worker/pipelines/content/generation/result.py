"""The result of a job, in the shape that the jobs API promises: every key always there.

What only the queue service can know is null here: the saved post, and with it `needsImageGeneration`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobline_worker.pipelines.content.generation.answers import Post
from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.pipelines.content.generation.links import cta_suggestions, internal_links
from jobline_worker.pipelines.content.generation.markdown_text import has_image_placeholders, read_markdown
from jobline_worker.pipelines.content.generation.seo_score import SeoScore, score_post
from jobline_worker.pipelines.content.page.language import language_of

__all__ = ["Making", "result_of", "scored"]

#: What a reader gets through in a minute, in words: a cautious round figure below the 238 that M. Brysbaert found for
#: English non-fiction ("How many words do we read per minute?", Journal of Memory and Language 109, 2019).
WORDS_PER_MINUTE = 200

_MOST_RECOMMENDATIONS = 12


@dataclass(frozen=True)
class Making:
    """How a text was made: by which model, in how many milliseconds and tokens, and when (RFC 3339, UTC)."""

    model: str
    milliseconds: int
    tokens: int
    generated_at: str


def scored(brief: Brief, post: Post) -> SeoScore:
    """The post's score."""
    return score_post(
        title=post.title,
        meta_description=post.metaDescription,
        content=post.content,
        keyword=post.seoKeywords[0],
        calls_to_action=[link.text for link in brief.links],
        language=language_of(post.content),
    )


def result_of(payload: Mapping[str, Any], brief: Brief, post: Post, seo: SeoScore, making: Making) -> dict[str, Any]:
    """Lays out the result."""
    data = _data(brief, post, seo, making)
    return {
        "success": True,
        "data": data,
        "savedPost": None,
        "enhancedGeneration": data["enhancedGeneration"],
        "metadata": {
            "generationTime": making.milliseconds,
            "tokensUsed": making.tokens,
            "qualityPrediction": data["qualityPrediction"],
            "dataCompleteness": brief.standing.completeness,
            "visualSuggestions": len(data["visualContentSuggestions"]),
        },
        "imageGeneration": {
            "hasPlaceholders": has_image_placeholders(post.content),
            "needsImageGeneration": False,
            "blogPostId": None,
            "topic": payload["topic"],
            "organizationId": payload["organizationId"],
        },
    }


def _data(brief: Brief, post: Post, seo: SeoScore, making: Making) -> dict[str, Any]:
    standing = brief.standing
    visuals = post.visualContentSuggestions if brief.include_visuals else []
    return {
        **_text(post),
        "internalLinks": internal_links(post.content, brief),
        "ctaSuggestions": cta_suggestions(brief),
        "seoOptimizationScore": seo.score,
        "organizationContext": {
            "dataCompleteness": standing.completeness,
            "hasWebsiteData": standing.has_website_data,
            "hasManualInputs": standing.has_manual_inputs,
            "enhancementLevel": standing.level,
        },
        "generationMetadata": {
            "model": making.model,
            "duration": making.milliseconds,
            "tokensUsed": making.tokens,
            "enhancementLevel": standing.level,
            "generatedAt": making.generated_at,
        },
        "visualContentSuggestions": [visual.model_dump() for visual in visuals],
        "enhancedGeneration": standing.level != "basic",
        "qualityPrediction": _prediction(brief, post, seo),
    }


def _text(post: Post) -> dict[str, Any]:
    minutes = max(1, math.ceil(read_markdown(post.content).words / WORDS_PER_MINUTE))
    return {
        "title": post.title,
        "subtitle": post.subtitle,
        "metaDescription": post.metaDescription,
        "content": post.content,
        "tags": post.tags,
        "estimatedReadTime": f"{minutes} min",
        "seoKeywords": post.seoKeywords,
    }


def _prediction(brief: Brief, post: Post, seo: SeoScore) -> dict[str, Any]:
    recommendations = [*post.notes, *seo.advice, *_about_data(brief)]
    return {
        "expectedSEOScore": seo.score,
        "enhancementLevel": brief.standing.level,
        "dataCompleteness": brief.standing.completeness,
        "recommendations": recommendations[:_MOST_RECOMMENDATIONS],
    }


def _about_data(brief: Brief) -> Sequence[str]:
    advice = []
    if not brief.standing.has_website_data:
        advice.append(
            "Analyse the website of the organization first: its offers, links and words then go into the text."
        )
    if not brief.business_name:
        advice.append("Give the name of the business, so that the text can speak of it.")
    return advice
