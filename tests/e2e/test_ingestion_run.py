"""Records in, vectors out, while worker, queue service and PostgreSQL are killed: every count is exact (see tests/chaos)."""

from __future__ import annotations

import asyncio

import pytest

from chaos.ingestion import ingestion_run
from chaos.report import show


@pytest.mark.timeout(240)
def test_fifteen_hundred_records_are_stored_and_embedded_once_under_kills():
    report = asyncio.run(ingestion_run(1500, kills=3, calls=6, dimensions=64))
    show(report)
    assert report.violations == []
