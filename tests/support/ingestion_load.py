"""Loading records through a gateway in front of a queue service that a test has scripted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from jobline.v1 import ingestion_service_pb2 as pb
from support.gateway import bearer, gateway_client
from support.ingestion_rest import INGEST, RECORD, ingest_job
from support.queue_peers import Answer, queue_peer

__all__ = ["CSV_PATH", "JSON_PATH", "MEBIBYTE", "MINE", "STARTED", "WANTED", "load"]

JSON_PATH, CSV_PATH = f"{INGEST}/api", f"{INGEST}/csv"
WANTED: dict[str, Any] = {"projectId": "proj-456", "records": [RECORD]}
STARTED = (200, '{"message":"Ingestion started","jobId":"ingest-123"}')
MINE: dict[str, Any] = {
    "GetProject": pb.GetProjectResponse(),
    "StartIngest": pb.StartIngestResponse(job=ingest_job()),
}
MEBIBYTE = 1024 * 1024


async def load(content: Any = None, form: Mapping[str, Any] | None = None, **answers: Answer | Message) -> Any:
    """The answer, and the messages to the queue service, None when nothing was sent."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    async with queue_peer(**{**MINE, **answers}) as peer, gateway_client(peer.address) as gateway:
        if form is None:
            got = await gateway.post(JSON_PATH, content=text, headers=bearer())
        else:
            got = await gateway.post(CSV_PATH, headers=bearer(), **form)
        calls = [call.messages for call in peer.received if call.method == "StartIngest"]
        return got, calls[0] if calls else None
