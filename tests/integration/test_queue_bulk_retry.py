"""Thousands of failed messages retried at once: in few statements, beside everybody else's acts, each job once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from jobline.v1 import communication_service_pb2 as pb
from support.communications import KIND, QUEUE, Business, status_of
from support.queue_calls import new_job, refused
from support.queue_service import QueueServiceUnderTest, queue_service

MANY = 5000

#: Jobs of an outage, past the service: it holds live jobs only.
COPIES = """
INSERT INTO jobline.jobs
SELECT (jsonb_populate_record(j, jsonb_build_object('id', gen_random_uuid(), 'seq', j.seq - n))).*
FROM jobline.jobs j, generate_series(1, %s) n WHERE j.id = %s
"""
#: One row for each statement that changes jobs.
COUNT_STATEMENTS = """
CREATE TABLE statements (what text);
CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO statements VALUES (TG_OP); RETURN NULL; END $$;
CREATE TRIGGER count_statement AFTER UPDATE ON jobline.jobs FOR EACH STATEMENT EXECUTE FUNCTION count_statement()
"""
#: The database takes no retry of one job.
REFUSE_ONE = """
CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse_one BEFORE UPDATE ON jobline.jobs FOR EACH ROW
    WHEN (OLD.id = '{}' AND NEW.state = 'pending') EXECUTE FUNCTION refuse_one()
"""
RETRIED = """
SELECT count(*), count(DISTINCT e.job_id), count(DISTINCT j.seq), bool_and(j.state = 'pending' AND e.from_state = 'failed')
FROM jobline.events e JOIN jobline.jobs j ON j.id = e.job_id WHERE e.name = 'retried'
"""


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[QueueServiceUnderTest]:
    """One of the test's own: its jobs are many, and go with their database."""
    with queue_service(fresh_database, tmp_path) as running:
        yield running


@pytest.fixture
def business(service: QueueServiceUnderTest) -> Business:
    return Business(service)


def fail_many(business: Business, service: QueueServiceUnderTest, count: int = MANY) -> str:
    """The business has so many failed jobs; the id of the one that failed last."""
    message = business.send_failing()
    service.execute(COPIES, count - 1, message.id)
    return message.id


def test_thousands_are_retried_in_few_statements(business: Business, service: QueueServiceUnderTest):
    fail_many(business, service)
    service.execute(COUNT_STATEMENTS)
    done = business.retry_failed(expected_count=MANY)
    assert (done.count, len(done.sample)) == (MANY, 10)
    assert service.execute(RETRIED) == [(MANY, MANY, MANY, True)]
    assert service.execute("SELECT count(*) <= 20 FROM statements") == [(True,)]
    runs = business.operator.claim(QUEUE, kinds=[KIND], most=10)
    assert [run.attempt for run in runs] == [1] * 10


def test_others_are_answered_while_thousands_are_retried(business: Business, service: QueueServiceUnderTest):
    fail_many(business, service)
    rounds = 0
    with ThreadPoolExecutor(1) as pool:
        retrying = pool.submit(business.retry_failed)
        while not retrying.done():
            (job_id,) = business.operator.enqueue(new_job("test"))
            business.operator.cancel(job_id)
            rounds += not retrying.done()
    assert retrying.result().count == MANY
    assert rounds >= 3


def test_two_who_retry_the_same_thousands_at_once_retry_each_once(business: Business, service: QueueServiceUnderTest):
    fail_many(business, service)
    request = pb.RetryFailedMessagesRequest(business_id=business.id)
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(business.calls.communications.RetryFailedMessages, (request, request))
        assert sum(answer.count for answer in answers) == MANY
    assert service.execute(RETRIED) == [(MANY, MANY, MANY, True)]
    assert (business.stats().pending, business.stats().failed) == (MANY, 0)


def test_nobody_waits_for_a_failed_job_that_somebody_has_locked(business: Business, service: QueueServiceUnderTest):
    locked = fail_many(business, service, 20)
    with psycopg.connect(service.database_url) as stranger:
        stranger.execute("SELECT FROM jobline.jobs WHERE id = %s FOR UPDATE", [locked])
        assert business.retry_failed().count == 19
        with refused("DATABASE_UNAVAILABLE"):
            business.retry(locked)
        assert (business.status(locked), "one by one" in service.log) == ("failed", False)
    assert status_of(business.retry(locked)) == "pending"


def test_a_job_that_the_database_refuses_stays_failed_and_the_others_are_retried(
    business: Business, service: QueueServiceUnderTest
):
    bad = fail_many(business, service, 20)
    service.execute(REFUSE_ONE.format(bad))
    done = business.retry_failed()
    assert (done.count, business.status(bad)) == (19, "failed")
    assert bad not in [each.id for each in done.sample]
    assert service.execute(RETRIED) == [(19, 19, 19, True)]
