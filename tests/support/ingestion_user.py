"""Somebody who calls the database queue through a gateway."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import httpx

from support.gateway import bearer
from support.ingestion_rest import ADMIN, INGEST, PROJECTS

__all__ = ["TIME", "User", "started"]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class User:
    """Somebody who calls the gateway."""

    def __init__(self, rest: httpx.Client, sub: str, role: str = "user", email: str = "") -> None:
        self._rest = rest
        self._headers = bearer(sub, email=email, app_metadata={"role": role})

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self._rest.request(method, path, headers=self._headers, **request)

    def load(self, project: str, *records: Any, **more: Any) -> str:
        """The id of a new ingest job."""
        got = self.call("POST", f"{INGEST}/api", json={"projectId": project, "records": records, **more})
        return started(got)

    def status(self, ingest_job: str) -> dict[str, Any]:
        got = self.call("GET", f"{INGEST}/status?jobId={quote(ingest_job)}")
        assert got.status_code == 200, got.text
        found: dict[str, Any] = got.json()
        assert TIME.fullmatch(found.pop("createdAt"))
        assert TIME.fullmatch(found.pop("updatedAt"))
        return found

    def search(self, project: str, query: str, **more: Any) -> list[dict[str, Any]]:
        got = self.call("POST", f"{PROJECTS}/{quote(project, safe='')}/search", json={"query": query, **more})
        assert got.status_code == 200, got.text
        found: list[dict[str, Any]] = got.json()["results"]
        return found

    def stats(self) -> dict[str, Any]:
        got = self.call("GET", f"{ADMIN}/stats")
        assert got.status_code == 200, got.text
        found: dict[str, Any] = got.json()
        return found


def started(got: httpx.Response) -> str:
    assert got.status_code == 200, got.text
    body = got.json()
    assert (list(body), body["message"]) == (["message", "jobId"], "Ingestion started")
    id: str = body["jobId"]
    return id
