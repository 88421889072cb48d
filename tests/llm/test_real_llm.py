"""The HTTP language model provider against a real server (`make test-llm`): llama.cpp with a very small model.

The model is far too small to write well; what is shown is the plumbing: a structured answer is asked for and given,
and the whole pipeline ends in an e-mail that may be sent, whatever the model said.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from jobline.worker.testing import local_run
from jobline_local.ports import free_port
from jobline_worker.config import ProviderConfig, shipped_corpus
from jobline_worker.pipelines.content.analysis.questions import ask_for_portrait
from jobline_worker.pipelines.email import EMBEDDED_TASKS, GenerateEmail
from jobline_worker.providers.bundle import open_providers
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.llm import Completion
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from support import llama_server
from support.analyses import material_of
from support.eventually import eventually

pytest.importorskip("xllamacpp", reason="the optional group is not installed: make test-llm")

pytestmark = [pytest.mark.llm, pytest.mark.timeout(600)]


@pytest.fixture
async def llm_url() -> AsyncIterator[str]:
    port = free_port()
    command = (sys.executable, str(Path(llama_server.__file__)), str(port))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        await eventually(lambda: _is_healthy(port, process), within=60, what="the model is loaded")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        await process.wait()


async def _is_healthy(port: int, process: asyncio.subprocess.Process) -> bool:
    if process.returncode is not None:
        raise RuntimeError(f"the model server ended with {process.returncode}")
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{port}/health")).status_code == 200
    except httpx.HTTPError:
        return False


async def test_a_schema_is_kept_by_the_real_server(llm_url: str) -> None:
    schema = {
        "type": "object",
        "properties": {"color": {"type": "string", "enum": ["red", "green"]}, "sure": {"type": "boolean"}},
        "required": ["color", "sure"],
        "additionalProperties": False,
    }
    question = Completion("test.color", "You answer in JSON.", "Which color has grass?", {}, schema, 0.1, 64)
    async with provider_client() as client:
        reply = await OpenAiLanguageModel(client, llm_url, "smollm2").complete(question)
    answer = json.loads(reply.text)
    assert answer["color"] in ("red", "green")
    assert isinstance(answer["sure"], bool)
    assert reply.tokens > 20


async def test_the_whole_pipeline_ends_in_an_email_with_the_name_and_without_placeholders(llm_url: str) -> None:
    config = ProviderConfig(llm_url=llm_url, llm_model="smollm2", corpus_dir=shipped_corpus())
    payload = {
        "recipient_name": "Barbara Liskov",
        "recipient_interest": "distributed systems",
        "email_template": "Dear {{name}},\n\nI loved your research on {{topic}}. Could you name one open problem?",
    }
    async with open_providers(config, EMBEDDED_TASKS) as providers:
        outcome = await local_run(GenerateEmail(providers), payload, tries=3, backoff=(1.0, 2.0))
    row = outcome.result
    assert "liskov" in row["email_message"].lower()
    assert "{{" not in row["email_message"]
    assert "}}" not in row["email_message"]
    assert row["metadata"]["model"] == "smollm2"
    assert row["template_type"] == "research"


async def test_a_website_is_described_in_all_its_fields(llm_url: str) -> None:
    page = "<title>Halvorsen boats</title><h1>Wooden boats</h1><p>We build wooden boats for families and clubs.</p>"
    async with provider_client() as client:
        model = OpenAiLanguageModel(client, llm_url, "smollm2")
        portrait, tokens = await ask_for_portrait(model, material_of(page), 120.0)
    assert all(portrait.model_dump().values())
    assert tokens > 100
