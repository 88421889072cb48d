"""The jobs API while the Redis that JOBLINE_REDIS_URL names is away: nothing new, but everything else goes on."""

from __future__ import annotations

import uuid
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from support.gateway import bearer, gateway_client
from support.jobs_rest import BASE, GENERATION, LITERALS, job_path
from support.queue_service import queue_service
from support.tcp_proxy import tcp_proxy


def answer(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.text


async def test_without_the_broker_nothing_is_created_or_retried_and_the_rest_goes_on(
    fresh_database: str, redis_url: str, tmp_path: Path
) -> None:
    parts = urlsplit(redis_url)
    identity = {**bearer(f"user-{uuid.uuid4()}"), "x-session-id": "s-1"}
    url = {"url": "https://example.com"}
    async with tcp_proxy(f"{parts.hostname}:{parts.port}") as proxy:
        proxied = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[0] + "@" + proxy.address))
        settings = {"JOBLINE_REDIS_URL": proxied if parts.username or parts.password else f"redis://{proxy.address}"}
        with queue_service(fresh_database, tmp_path, **settings) as service:
            async with gateway_client(service.address, service_token=service.gateway_token) as gateway:
                gateway.headers.update(identity)
                ids = [(await gateway.post(f"{BASE}/website-analysis", json=url)).json()["jobId"] for _ in range(2)]
                proxy.refuse()
                assert answer(await gateway.post(f"{BASE}/website-analysis", json=url)) == LITERALS["no broker"]
                assert (
                    answer(await gateway.post(f"{BASE}/content-generation", json=GENERATION)) == LITERALS["no broker"]
                )
                assert (await gateway.get(job_path("status", ids[0]))).json()["status"] == "queued"
                assert answer(await gateway.post(job_path("cancel", ids[0]))) == (200, '{"cancelled":true}')
                assert answer(await gateway.post(job_path("retry", ids[0]))) == LITERALS["no broker"]
                assert answer(await gateway.post(job_path("retry", str(uuid.uuid4())))) == LITERALS["no job"]
                listed = (await gateway.get(BASE)).json()["jobs"]
                assert [(job["jobId"], job["status"]) for job in listed] == [(ids[1], "queued"), (ids[0], "failed")]
                proxy.heal()
                assert answer(await gateway.post(job_path("retry", ids[0]))) == (200, f'{{"jobId":"{ids[0]}"}}')
                assert (await gateway.post(f"{BASE}/website-analysis", json=url)).status_code == 201
