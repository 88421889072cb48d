"""A queue service of the test's own as the gateway's hub sees it: a watch to which the test adds what it wants told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message

from jobline.server_calls import ACCEPTED_KEY
from jobline.v1 import content_service_pb2, job_pb2
from jobline.v1 import job_service_pb2 as pb
from support.queue_peers import Call, Context

__all__ = ["WatchedPeer"]


class WatchedPeer:
    """`answers` are for `queue_peer`: a watch that begins with a resync, places, and one content job as it stands."""

    def __init__(self, job: content_service_pb2.ContentJob | None = None) -> None:
        self.job = job
        self.places: list[job_pb2.JobPlace] = []
        #: The `resume_after` of each watch that was opened.
        self.resumed: list[str] = []
        self._told: asyncio.Queue[pb.WatchJobsResponse | None] = asyncio.Queue()
        self._number = 0

    @property
    def answers(self) -> dict[str, Any]:
        return {"WatchJobs": self._watch, "LocateJobs": self._locate, "GetContentJob": self._get}

    def tell(self, job: job_pb2.Job) -> None:
        self._number += 1
        self._told.put_nowait(pb.WatchJobsResponse(change_id=f"7-{self._number}", job=job))

    @property
    def last_id(self) -> str:
        return f"7-{self._number}"

    def turn(self, job: content_service_pb2.ContentJob) -> None:
        """The content job has become this, and a change says so."""
        self.job = job
        self.tell(job_pb2.Job(id=job.id, queue="amb-jobs", owner="session:s-1", state=job_pb2.JOB_STATE_RUNNING))

    def break_off(self) -> None:
        """Ends the watch; the next one begins with another resync."""
        self._told.put_nowait(None)

    async def _watch(self, call: Call, context: Context) -> AsyncIterator[Message]:
        assert isinstance(call.request, pb.WatchJobsRequest)
        self.resumed.append(call.request.resume_after)
        await context.send_initial_metadata(((ACCEPTED_KEY, "1"),))
        yield pb.WatchJobsResponse(change_id=f"7-{self._number}", resync=True)
        while message := await self._told.get():
            yield message

    async def _locate(self, call: Call, context: Context) -> Message:
        return pb.LocateJobsResponse(places=self.places)

    async def _get(self, call: Call, context: Context) -> Message:
        return content_service_pb2.GetContentJobResponse(job=self.job)
