"""A real gRPC server that tells of one organization, as the queue service does, or fails in a scripted way.

    with organization_desk(organization("https://example.com", analysis, calls)) as desk:
        async with open_organizations([desk.address], "token") as organizations:
            ...

For tests of what the worker makes of the answer; that the queue service gives it is shown by its own tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from jobline.v1 import content_service_pb2 as pb
from jobline.v1.content_service_pb2_grpc import ContentServiceServicer, add_ContentServiceServicer_to_server

__all__ = ["OrganizationDesk", "organization", "organization_desk"]

#: text, type, href, placement
Call = tuple[str, str, str, str]


def organization(url: str, analysis: Mapping[str, Any], calls: Sequence[Call] = ()) -> pb.GetJobOrganizationResponse:
    """The answer for an organization."""
    answer = pb.GetJobOrganizationResponse()
    answer.organization.website_url = url
    answer.organization.analysis_json = json.dumps(analysis)
    for text, kind, href, placement in calls:
        answer.calls_to_action.add(text=text, type=kind, href=href, placement=placement)
    return answer


@dataclass
class OrganizationDesk(ContentServiceServicer):
    """`answers` are given in turn, the last one for good; a status code is one, too."""

    answers: list[pb.GetJobOrganizationResponse | grpc.StatusCode]
    requests: list[pb.GetJobOrganizationRequest] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    address: str = ""

    def GetJobOrganization(
        self, request: pb.GetJobOrganizationRequest, context: grpc.ServicerContext
    ) -> pb.GetJobOrganizationResponse:
        self.requests.append(request)
        self.tokens += [str(value) for key, value in context.invocation_metadata() if key == "authorization"]
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "scripted")
        assert isinstance(answer, pb.GetJobOrganizationResponse)
        return answer


@contextmanager
def organization_desk(*answers: pb.GetJobOrganizationResponse | grpc.StatusCode) -> Iterator[OrganizationDesk]:
    """The server on a free port, until the block ends."""
    desk = OrganizationDesk(list(answers))
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    add_ContentServiceServicer_to_server(desk, server)
    desk.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield desk
    finally:
        server.stop(grace=None).wait()
