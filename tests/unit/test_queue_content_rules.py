"""What the jobs API lets in: addresses, inputs and owners; refusals name the field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from jobline.runtime import Settings, SettingsError
from jobline_queue.config import read_config
from jobline_queue.core.errors import InvalidField, TooLarge
from jobline_queue.modules.content.job import (
    analysis_job,
    generation_input,
    generation_job,
    owner_rule,
    owners_of,
    url_rule,
)
from jobline_queue.modules.content.shapes import AnalysisResult, read
from support.content_owner import analysis_result

GIVEN: dict[str, Any] = {
    "topic": {"title": "Planning", "angle": None},
    "businessInfo": {"businessType": "SaaS", "targetAudience": "planners", "brandVoice": ["warm"]},
    "organizationId": "acme",
}
DEFAULTS = {"includeVisuals": True, "autoSave": True, "status": "draft"}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://localhost:8000/x?y=1#z",
        "HTTPS://EXAMPLE.COM/",
        "http://[::1]/",
        "https://bücher.example/straße",
        "https://user:password@example.com/",
        "https://example.com/" + "x" * (2048 - 20),
    ],
)
def test_http_addresses_with_a_host_are_let_in(url: str):
    assert url_rule(url) is None
    assert analysis_job("user:ada", url, "").payload == f'{{"url": "{url}"}}'


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "https:///path",
        "https://.",
        "https://:80/",
        "http://[::1",
        "http://example.com:99999/",
        "http://example.com:0/",
        " https://example.com",
        "https://example.com\n",
        "https://exam\tple.com",
        "https://example.com\\@evil.example",
        "https://example.com/\0",
        "https://example.com/" + "x" * (2049 - 20),
        None,
        7,
        ["https://example.com"],
    ],
)
def test_other_addresses_are_not(url: Any):
    assert url_rule(url)


def test_a_bad_address_is_refused_under_its_name():
    with pytest.raises(InvalidField, match=r"^url: expected an http or https address"):
        analysis_job("user:ada", "ftp://example.com", "")


# ---- inputs of texts ----------------------------------------------------------------------------------------------------


def test_what_is_not_given_is_filled_in_and_what_means_nothing_is_dropped():
    stored = generation_input("in", {**GIVEN, "options": {"status": "published", "more": 1}, "more": 1})
    assert stored == {**GIVEN, "options": {**DEFAULTS, "status": "published"}}


def test_null_is_not_given():
    options = {"includeVisuals": None, "autoSave": False}
    stored = generation_input("in", {**GIVEN, "additionalInstructions": None, "options": options})
    assert stored == {**GIVEN, "options": {**DEFAULTS, "autoSave": False}}
    assert generation_input("in", {**GIVEN, "options": None}) == {**GIVEN, "options": DEFAULTS}


def test_a_stored_input_is_its_own():
    stored = generation_input("in", {**GIVEN, "additionalInstructions": "x" * 5000})
    assert generation_input("in", copy.deepcopy(stored)) == stored


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"topic": None}, "in.topic"),
        ({"topic": "Planning"}, "in.topic"),
        ({"topic": {}}, "in.topic.title"),
        ({"topic": {"title": " \n"}}, "in.topic.title"),
        ({"topic": {"title": 7}}, "in.topic.title"),
        ({"businessInfo": []}, "in.businessInfo"),
        ({"businessInfo": {"businessType": "SaaS"}}, "in.businessInfo.targetAudience"),
        ({"businessInfo": {"businessType": "", "targetAudience": "x"}}, "in.businessInfo.businessType"),
        ({"organizationId": ""}, "in.organizationId"),
        ({"organizationId": "x" * 256}, "in.organizationId"),
        ({"organizationId": 7}, "in.organizationId"),
        ({"additionalInstructions": "x" * 5001}, "in.additionalInstructions"),
        ({"additionalInstructions": {}}, "in.additionalInstructions"),
        ({"options": []}, "in.options"),
        ({"options": {"includeVisuals": 1}}, "in.options.includeVisuals"),
        ({"options": {"autoSave": "true"}}, "in.options.autoSave"),
        ({"options": {"status": ""}}, "in.options.status"),
        ({"options": {"status": "x" * 51}}, "in.options.status"),
    ],
)
def test_the_field_at_fault_is_named(changed: dict[str, Any], field: str):
    with pytest.raises(InvalidField) as refusal:
        generation_input("in", {**GIVEN, **changed})
    assert [problem.field for problem in refusal.value.problems] == [field]


@pytest.mark.parametrize("text", ["", "null", "[]", "7", "{", '{"topic":"\\u0000"}'])
def test_an_input_that_is_no_object_is_refused(text: str):
    with pytest.raises(InvalidField, match="input_json"):
        generation_job("user:ada", None, text, "")


def test_an_input_that_its_result_could_not_repeat_is_refused():
    fits = {**GIVEN, "topic": {"title": "t", "notes": "ü" * 120_000}}
    assert generation_input("in", fits)["topic"] == fits["topic"]
    with pytest.raises(InvalidField, match="at most 262144 bytes"):
        generation_input("in", {**GIVEN, "topic": {"title": "t", "notes": "ü" * 131_072}})


def test_an_input_of_more_than_a_mebibyte_is_refused():
    with pytest.raises(TooLarge):
        generation_job("user:ada", None, f'{{"topic":{{"title":"{"x" * 1024 * 1024}"}}}}', "")


def test_of_a_list_that_is_all_wrong_one_item_is_told_of():
    wrong = analysis_result(metadata={"title": "", "headings": [0] * 400_000})
    with pytest.raises(InvalidField) as refusal:
        read(AnalysisResult, wrong, "result")
    assert [problem.field for problem in refusal.value.problems] == ["result.metadata.headings[0]"]


# ---- owners -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["user:ada", "session:s", "user:a:b", "session:" + "x" * 255])
def test_users_and_sessions_are_owners(owner: str):
    assert owner_rule(owner) is None


@pytest.mark.parametrize("owner", ["", "user:", "session:", "ada", "User:ada", "business:b", "user:" + "x" * 256])
def test_nobody_else_is(owner: str):
    assert owner_rule(owner)


def test_a_job_of_a_user_with_a_session_may_use_what_both_have():
    job = generation_job("user:ada", "s1", '{"topic":{"title":"t"},"businessInfo":{"businessType":"b",'
                         '"targetAudience":"t"},"organizationId":"o"}', "")  # fmt: skip
    assert job.labels == {"session": "s1"}
    assert owners_of(job.owner, '{"session":"s1"}') == ["user:ada", "session:s1"]
    assert owners_of(job.owner, "{}") == ["user:ada"]


# ---- the Redis that must answer -----------------------------------------------------------------------------------------


def settings(folder: Path, **environ: str) -> Settings:
    """Those of a queue service beside an embedded stack."""
    (folder / "endpoints.json").write_text(
        json.dumps({"redis_url": "redis://127.0.0.1:1", "database_url": "postgresql:"})
    )
    return Settings({"JOBLINE_DATA_DIR": str(folder), "JOBLINE_SERVICE_TOKENS": f"x:worker:{'t' * 32}", **environ})


def test_the_embedded_redis_is_none_of_the_queues_business(tmp_path: Path):
    assert read_config(settings(tmp_path)).broker_url == ""
    named = settings(tmp_path, JOBLINE_REDIS_URL="rediss://cache.example:6380/1")
    assert read_config(named).broker_url == "rediss://cache.example:6380/1"


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "redis://:secret/word@cache:6379", "redis://[::1"])
def test_an_address_that_is_none_of_a_redis_stops_the_start(tmp_path: Path, address: str):
    with pytest.raises(SettingsError, match="JOBLINE_REDIS_URL: expected a redis://") as refusal:
        read_config(settings(tmp_path, JOBLINE_REDIS_URL=address))
    assert "secret" not in str(refusal.value)
