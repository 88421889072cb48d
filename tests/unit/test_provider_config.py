"""The worker's settings: embedded by default, checked by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobline.runtime import Settings, SettingsError
from jobline_worker.config import PUBLIC_ARXIV_URL, ProviderConfig, WorkerConfig, shipped_corpus
from jobline_worker.providers.arxiv.atom import AtomPaperSource
from jobline_worker.providers.arxiv.embedded import CorpusPaperSource
from jobline_worker.providers.bundle import open_providers
from jobline_worker.providers.embeddings.embedded import EmbeddedEmbedder
from jobline_worker.providers.embeddings.openai import OpenAiEmbedder
from jobline_worker.providers.images.embedded import EmbeddedImageMaker
from jobline_worker.providers.images.openai import OpenAiImageMaker
from jobline_worker.providers.llm.embedded import EmbeddedLanguageModel
from jobline_worker.providers.llm.openai import OpenAiLanguageModel
from jobline_worker.providers.pages.embedded import CorpusPages
from jobline_worker.providers.pages.reader import SafePageReader
from jobline_worker.providers.search.embedded import CorpusSearch
from jobline_worker.providers.search.searxng import SearxngSearch


def read(folder: Path, **environ: str) -> ProviderConfig:
    return ProviderConfig.read(Settings({"JOBLINE_DATA_DIR": str(folder), **environ}))


async def test_without_settings_every_provider_is_the_embedded_one(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert config.corpus_dir == shipped_corpus()
    async with open_providers(config, {}) as providers:
        assert isinstance(providers.llm, EmbeddedLanguageModel)
        assert isinstance(providers.search, CorpusSearch)
        assert isinstance(providers.pages, CorpusPages)
        assert isinstance(providers.arxiv, CorpusPaperSource)
        assert isinstance(providers.images, EmbeddedImageMaker)
        assert isinstance(providers.embedder, EmbeddedEmbedder)


async def test_an_address_chooses_the_http_provider_and_search_brings_the_web_and_the_public_arxiv(
    tmp_path: Path,
) -> None:
    config = read(
        tmp_path,
        JOBLINE_LLM_URL="http://127.0.0.1:1234/v1/",
        JOBLINE_LLM_MODEL="small",
        JOBLINE_SEARCH_URL="https://search.example",
        JOBLINE_IMAGES_URL="https://pictures.example/v1",
        JOBLINE_EMBEDDINGS_URL="https://vectors.example/v1",
    )
    assert config.arxiv_url == PUBLIC_ARXIV_URL
    async with open_providers(config, {}) as providers:
        assert isinstance(providers.llm, OpenAiLanguageModel)
        assert providers.llm.name == "small"
        assert isinstance(providers.search, SearxngSearch)
        assert isinstance(providers.pages, SafePageReader)
        assert isinstance(providers.arxiv, AtomPaperSource)
        assert isinstance(providers.images, OpenAiImageMaker)
        assert isinstance(providers.embedder, OpenAiEmbedder)


async def test_arxiv_alone_may_be_real(tmp_path: Path) -> None:
    config = read(tmp_path, JOBLINE_ARXIV_URL="http://127.0.0.1:9/query", JOBLINE_REDIS_URL="redis://127.0.0.1:9/0")
    async with open_providers(config, {}) as providers:
        assert isinstance(providers.arxiv, AtomPaperSource)
        assert isinstance(providers.search, CorpusSearch)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("JOBLINE_LLM_URL", "localhost:1234", "http://"),
        ("JOBLINE_LLM_URL", "ftp://host", "http://"),
        ("JOBLINE_SEARCH_URL", "http://", "http://"),
        ("JOBLINE_SEARCH_URL", "http://host:port", "http://"),
        ("JOBLINE_ARXIV_URL", "arxiv", "http://"),
        ("JOBLINE_IMAGES_URL", "pictures", "http://"),
        ("JOBLINE_EMBEDDINGS_URL", "vectors", "http://"),
        ("JOBLINE_EMBEDDING_DIMENSIONS", "0", "whole number from 1 to 2000"),
        ("JOBLINE_EMBEDDING_DIMENSIONS", "2001", "whole number from 1 to 2000"),
        ("JOBLINE_EMBEDDING_DIMENSIONS", "1.5e3", "whole number from 1 to 2000"),
        ("JOBLINE_REDIS_URL", "http://redis", "redis://"),
        ("JOBLINE_CORPUS_DIR", "/no/such/folder", "a folder that exists"),
        ("JOBLINE_ALLOW_PRIVATE_URLS", "http://intra/", "host names, addresses or CIDRs"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(tmp_path: Path, name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: expected .*{expected}"):
        read(tmp_path, **{name: value})


def test_a_password_in_a_wrong_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, JOBLINE_SEARCH_URL="htp://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_when_a_config_is_printed(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        JOBLINE_LLM_API_KEY="sk-secret",
        JOBLINE_IMAGES_API_KEY="sk-secret-too",
        JOBLINE_EMBEDDINGS_API_KEY="sk-secret-as-well",
        JOBLINE_REDIS_URL="redis://:hunter2@host:6379/0",
    )
    keys = (config.llm_api_key, config.images_api_key, config.embeddings_api_key)
    assert keys == ("sk-secret", "sk-secret-too", "sk-secret-as-well")
    assert "secret" not in repr(config)
    assert "hunter2" not in repr(config)


def test_the_worker_finds_queue_token_and_redis_in_the_running_embedded_stack(tmp_path: Path) -> None:
    endpoints = {"queue": "127.0.0.1:7", "worker_token": "worker-token", "redis_url": "redis://127.0.0.1:8/0"}
    (tmp_path / "endpoints.json").write_text(json.dumps(endpoints))
    config = WorkerConfig.from_environ({"JOBLINE_DATA_DIR": str(tmp_path)})
    assert config.queue_addresses == ("127.0.0.1:7",)
    assert config.token == "worker-token"
    assert config.providers.redis_url == "redis://127.0.0.1:8/0"
    assert "email_default" in config.queues
    assert "worker-token" not in repr(config)


def test_without_a_queue_service_the_worker_says_which_setting_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="JOBLINE_QUEUE_ADDRESS"):
        WorkerConfig.from_environ({"JOBLINE_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="JOBLINE_TOKEN"):
        WorkerConfig.from_environ({"JOBLINE_DATA_DIR": str(tmp_path), "JOBLINE_QUEUE_ADDRESS": "127.0.0.1:7"})
