"""The tables and views as they were agreed on, and how PostgreSQL walks them: by index, and without writing to one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from jobline_queue.store.engine import _WRITER_SETTINGS
from jobline_queue.store.statements import statement
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job
from support.queue_service import execute, queue_service
from support.stack import Databases

#: A message, whether it is a job or an entry of its history.
MESSAGE = (
    "business_id communication_id status priority scheduled_at started_at completed_at attempts max_attempts last_error "
    "payload created_at updated_at"
)
COLUMNS = {
    "jobline.attempts": "id job_id number outcome worker session_id lease_token started_at finished_at step error_code "
    "error_message error_retryable entry_id scheduled_at",
    "jobline.chore_runs": "name fire_time granted_to granted_at",
    "jobline.content_durations": "kind seconds",
    "jobline.content_jobs": "id owner type seq status progress current_step estimated_seconds_remaining input result error "
    "error_code cancelled_at started_at finished_at created_at updated_at step progress_current progress_total",
    "jobline.epoch": "single epoch instance taken_at",
    "jobline.events": "id job_id queue at name from_state to_state actor detail lease_token",
    "jobline.ingestion_jobs": "id job_type status priority payload result progress attempts max_attempts scheduled_for "
    "started_at completed_at created_at updated_at ingest_job_id project_id",
    "jobline.job_inputs": "job_id part first_item items data staged_at",
    "jobline.job_organizations": "job_id organization_id",
    "jobline.jobs": "id queue kind owner producer state priority run_at seq concurrency_key idempotency_key content_hash "
    "correlation_id labels payload result error_code error_message error_retryable attempt max_attempts losses step "
    "progress_current progress_total progress_message created_at started_at finished_at updated_at "
    "cancel_requested_at worker session_id lease_token input_items",
    "jobline.leases": "token epoch queue session_id worker principal job_ids granted_at expires_at",
    "jobline.messages": "id owner business_id communication_id priority max_attempts payload created_at seq status "
    "scheduled_at started_at completed_at attempts last_error updated_at core_priority channel recipient_contact subject "
    "body",
    "jobline.past_messages": "id job_id owner business_id communication_id priority max_attempts payload created_at seq "
    "status scheduled_at started_at completed_at attempts last_error updated_at",
    "jobline.queue_minutes": "queue minute ready delayed running enqueued started succeeded failed cancelled retried waits "
    "runs errors",
    "jobline.queues": "name paused changed_at paused_by paused_at pause_reason max_running",
    "jobline.schema_version": "version_num",
    "jobline.steps": "job_id name attempt output seconds finished_at",
    "public.blog_posts": "id user_id organization_id title content meta_description topic_data generation_metadata status "
    "word_count seo_score_prediction internal_links_data cta_suggestions_data enhancement_level created_at job_id seq",
    "public.business_members": "user_id business_id role",
    "public.businesses": "id created_at name",
    "public.communication": "id business_id channel recipient_contact created_at",
    "public.communication_history": f"id job_id {MESSAGE}",
    "public.communication_outbox": "id seq business_id job_id communication_id channel recipient_contact subject body "
    "attempt sent_at",
    "public.communication_queue": f"id {MESSAGE}",
    "public.communication_template": "id business_id subject body",
    "public.cta_analysis": "id organization_id page_url cta_text cta_type href placement conversion_potential data_source "
    "created_at",
    "public.data_record_ids": "project_id type digest",
    "public.data_records": "id seq project_id type category source content metadata embedding ingest_job_id created_by_id "
    "created_by_name created_by_email created_at updated_at",
    "public.emails": "id user_id recipient_name recipient_interest email_message template_type metadata is_confident "
    "displayed created_at job_id",
    "public.ingest_jobs": "id project_id type status total_records saved_count skipped_count skipped_details error "
    "created_at updated_at",
    "public.job_queue": "id job_type status priority payload result progress attempts max_attempts scheduled_for started_at "
    "completed_at created_at updated_at",
    "public.jobs": "id tenant_id user_id session_id type status progress current_step estimated_seconds_remaining input "
    "result error error_code cancelled_at started_at finished_at created_at updated_at",
    "public.media": "name job_id content_type content created_at",
    "public.organizations": "id owner_user_id session_id website_url analysis created_at updated_at",
    "public.projects": "id name owner_id created_at",
    "public.queue_items": "id user_id recipient_name recipient_interest email_template status email_id error_message "
    "current_step created_at started_at completed_at",
    "public.role_permissions": "role action allowed",
    "public.user_credits": "id user_id source_type status priority expires_at used_at used_for_type used_for_id created_at "
    "job_id seq",
    "public.users": "id email generation_count created_at",
}
#: No index, key or predicate, may name a column that a claim, a step, a retry or an end changes.
JOB_INDEXES = {
    *("jobs_pkey", "jobs_owner_created_at", "jobs_idempotency_key", "jobs_communication_id"),
    *("jobs_content_user_id", "jobs_content_session_id", "jobs_content_type"),
    *("jobs_ingestion_created_at", "jobs_ingest_job_id"),
}


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


def test_the_tables_and_views_have_the_columns_that_were_agreed_on(database: str):
    rows = execute(
        database,
        """SELECT table_schema || '.' || table_name, string_agg(column_name, ' ' ORDER BY ordinal_position)
           FROM information_schema.columns WHERE table_schema IN ('jobline', 'public') GROUP BY 1""",
    )
    assert dict(rows) == COLUMNS


def test_no_index_of_the_jobs_knows_a_column_that_changes(database: str):
    rows = execute(
        database, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'jobline' AND tablename = 'jobs'"
    )
    assert {name for name, _ in rows} == JOB_INDEXES
    changing = ("state", "finished_at", "attempt", "run_at", "lease_token", "step", "started_at")
    assert not [text for _, text in rows if any(column in text for column in changing)]


def rows(*objects: dict[str, Any]) -> str:
    return json.dumps(objects)


ID = str(uuid.uuid4())
RUN = {"id": ID, "token": ID, "job_id": ID}
RUNS = {"token": ID, "ids": [ID], "attempts": [1]}
LEASE = {"token": ID, "epoch": 1, "queue": "q", "session_id": ID, "job_ids": [ID]}
HOT: dict[str, dict[str, Any]] = {
    "claim_limited": {"leases": rows(LEASE)},
    "adopt_input": {"staging_id": ID, "job_id": ID},
    "complete_jobs": {"runs": rows(RUNS), "now": 0.0, "gone": f"{{{ID}}}"},
    "complete_and_claim": {"runs": rows(RUNS), "now": 0.0, "gone": f"{{{ID}}}", "leases": rows(LEASE)},
    "end_runs": {"jobs": rows({"id": ID, "state": "failed"}), "now": 0.0},
    "mark_running": {"jobs": rows({"id": ID}), "now": 0.0},
    "cancel_jobs": {"jobs": rows({"id": ID, "remove": False}), "now": 0.0},
    "request_cancel": {"jobs": rows({"id": ID}), "now": 0.0},
    "remove_jobs": {"jobs": rows({"id": ID, "name": "deleted"}), "now": 0.0},
    "retry_jobs": {"jobs": rows({"id": ID, "seq": 1, "actor": "x"}), "resuming": '["q"]', "now": 0.0},
    "find_outcomes": {"runs": rows(RUN)},
    "find_payloads": {"ids": f"{{{ID}}}"},
    "find_idempotency_keys": {"keys": rows({"owner": "", "queue": "q", "idempotency_key": "k"})},
    "lock_jobs": {"ids": f"{{{ID}}}"},
    "note_voided": {"runs": rows(RUN), "now": 0.0},
}


@pytest.fixture(scope="module", params=["never analysed", "analysed empty", "analysed with one row"])
def misleading_statistics(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """A small table, of which the planner thinks that to read all of it costs nothing; the plan is kept when it has grown."""
    with databases.fresh() as url:
        if request.param == "analysed with one row":
            execute(
                url,
                """INSERT INTO jobline.jobs
                       (id, queue, kind, producer, run_at, seq, payload, max_attempts, created_at, updated_at)
                   VALUES (gen_random_uuid(), 'q', 'k', 'p', now(), 1, '{}', 3, now(), now())""",
            )
        if request.param != "never analysed":
            execute(url, "VACUUM ANALYZE jobline.jobs")
        yield url


@pytest.mark.parametrize("name", sorted(HOT))
def test_the_hot_path_finds_its_jobs_by_their_keys_and_reads_no_others(misleading_statistics: str, name: str):
    with psycopg.connect(misleading_statistics, autocommit=True) as connection:
        connection.execute(_WRITER_SETTINGS.encode())
        connection.prepare_threshold = 0
        found = connection.execute(b"EXPLAIN (FORMAT JSON) " + statement(name).encode(), HOT[name]).fetchone()
    assert found is not None
    reads = [
        node
        for node in nodes(found[0][0]["Plan"])
        if node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]
    ]
    assert reads or name == "adopt_input"
    assert [node for node in reads if not node.keys() & {"Index Cond", "Recheck Cond"}] == []


def test_the_last_run_of_a_job_is_looked_for_among_its_own(database: str):
    sql = b"EXPLAIN " + statement("forget_steps", "jobline_queue.modules.content").encode()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE jobline.attempts")  # while it is empty
        connection.execute(_WRITER_SETTINGS.encode())
        connection.prepare_threshold = 0
        plan = connection.execute(sql, {"job_id": ID, "resuming": "{INTERNAL}"}).fetchall()
    assert "attempts_job_id" in str(plan)
    assert "attempts_pkey" not in str(plan)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The plan's nodes."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def test_starts_and_ends_touch_no_index(databases: Databases, tmp_path_factory: pytest.TempPathFactory):
    """Every update finds room on its page."""
    count = 500
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("hot")) as service:
        with Calls(service.address, service.operator_token) as calls:
            calls.enqueue(*(new_job("hot", {"n": n}) for n in range(count)))
            claimed = calls.claim("hot", most=count, wait=5)
            assert len(claimed) == count
            for run in claimed[:50]:
                calls.report(run, "step")
            eventually_blocking(lambda: marked(url) == count, what="every row is marked running")
            for run in claimed[:200]:
                calls.complete(run, {"fine": True})
        service.stop()
        updates, hot = eventually_blocking(lambda: statistics(url, count + 200), what="the statistics are in")
    assert hot >= updates * 0.95


def marked(url: str) -> int:
    return int(execute(url, "SELECT count(*) FROM jobline.jobs WHERE state = 'running'")[0][0])


def statistics(url: str, at_least: int) -> tuple[int, int] | None:
    found = execute(url, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")
    updates, hot = found[0]
    return (updates, hot) if updates >= at_least else None
