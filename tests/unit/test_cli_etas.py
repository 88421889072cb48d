"""Estimates as the command line says them."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console, RenderableType

from jobline.cli.etas import eta_text, short_eta
from jobline.cli.job_pages import explain_page, show_page
from jobline.cli.job_tables import job_table
from jobline.cli.story import JobStory
from jobline.client import Eta, JobState
from support.job_values import CREATED, job_value

NOW = CREATED + timedelta(minutes=2)


def text_of(page: RenderableType) -> str:
    output = io.StringIO()
    Console(file=output, width=80).print(page)
    return output.getvalue()


@pytest.mark.parametrize(
    ("eta", "short", "whole"),
    [
        (None, "", ""),
        (Eta(40.2, 121.0, ""), "~40s", "~40s (≤ 2m 1s)"),
        (Eta(0.0, 3.25, ""), "~0s", "~0s (≤ 3.2s)"),
        (Eta(None, None, "QUEUE_PAUSED"), "", "unknown: the queue is paused"),
        (Eta(None, None, "NO_WORKER"), "", "unknown: no connected worker takes it"),
        (Eta(None, None, "NO_HISTORY"), "", "unknown: no run of its kind has ended yet"),
        (Eta(None, None, "NEWER"), "", "unknown: NEWER"),
    ],
)
def test_an_estimate_is_said_in_few_words(eta: Eta | None, short: str, whole: str):
    assert (short_eta(eta), eta_text(eta)) == (short, whole)


def test_pages_and_tables_show_it():
    job = job_value("1", JobState.PENDING, position=3, eta=Eta(40.0, 120.0, ""))
    story = JobStory("1", job)
    assert "~40s (≤ 2m)" in text_of(show_page(story, NOW))
    assert "Ends in: ~40s (≤ 2m)" in text_of(explain_page(story, NOW))
    assert "~40s" in text_of(job_table([job], NOW, width=80))
