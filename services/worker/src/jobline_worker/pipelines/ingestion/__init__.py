"""The pipelines of the database queue: records in (INGEST_DATA), vectors out (VECTORIZE)."""

from jobline_worker.pipelines.ingestion.ingest import IngestData
from jobline_worker.pipelines.ingestion.vectorize import Vectorize

__all__ = ["IngestData", "Vectorize"]
