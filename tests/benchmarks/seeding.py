"""Jobs made by the database itself, by the million, before a queue service starts and reads them."""

from __future__ import annotations

import psycopg

from benchmarks.workload import KIND, QUEUE

__all__ = ["seed_finished", "seed_keyed", "seed_messages", "seed_pending"]

#: The payload of `benchmarks.workload`, made in SQL; `n` is its number.
_PAYLOAD = """jsonb_build_object(
    'recipient_name', 'Ada Lovelace ' || lpad(n::text, 6, '0'),
    'recipient_interest',
    'analytical engines, Bernoulli numbers, the poetical science of machines, weaving looms',
    'campaign', 'spring-newsletter', 'i', n, 'sent', n)"""

_COLUMNS = "id, queue, kind, producer, run_at, seq, payload, max_attempts, created_at, updated_at"
#: Each batch has ids and times of its own, as real ones have.
_VALUES = f"uuidv7(), %(queue)s, '{KIND}', 'bench', now(), %(first)s + n, {_PAYLOAD}, 3, now(), now()"

_PENDING = f"""INSERT INTO jobline.jobs ({_COLUMNS})
    SELECT {_VALUES} FROM generate_series(1, %(count)s) AS n"""

_FINISHED = f"""INSERT INTO jobline.jobs ({_COLUMNS}, state, attempt, result, started_at, finished_at, worker, session_id,
                                          lease_token)
    SELECT {_VALUES}, 'succeeded', 1, 'null', now(), now(), 'bench', gen_random_uuid(), gen_random_uuid()
    FROM generate_series(1, %(count)s) AS n"""

#: Every other job has the one key that is stuck, and holds if it runs; the others share the rest of the keys.
_KEYED = f"""INSERT INTO jobline.jobs ({_COLUMNS}, concurrency_key)
    SELECT uuidv7(), %(queue)s, '{KIND}', 'bench', now(), %(first)s + n,
           {_PAYLOAD} || jsonb_build_object('hold', n %% 2 = 0), 3, now(), now(),
           CASE WHEN n %% 2 = 0 THEN 'stuck' ELSE 'key ' || n / 2 %% (%(keys)s - 1) END
    FROM generate_series(1, %(count)s) AS n"""


#: Of 20 jobs of a business 14 were sent, 4 wait (one of them for tomorrow), 1 failed and 1 was cancelled.
_MESSAGES = """INSERT INTO jobline.jobs (
    id, queue, kind, owner, producer, priority, run_at, seq, payload, max_attempts, created_at, updated_at, state, attempt,
    started_at, finished_at, error_code, error_message, lease_token)
    SELECT uuidv7(), 'communications', 'send_message', 'business:business-' || n %% %(businesses)s, 'bench',
           10 * (n %% 3 - 1), made.at + CASE WHEN of_20 = 17 THEN interval '1 day' ELSE interval '0' END, n,
           jsonb_build_object('communication_id', 'communication-' || n / %(businesses)s, 'channel', 'email',
               'recipient_contact', 'ada@example.com', 'subject', 'Hello', 'body', body,
               'text', jsonb_build_object('channel', 'email', 'recipientContact', 'ada@example.com', 'body', body)::text),
           3, made.at, made.at, state, CASE WHEN state = 'failed' THEN 3 WHEN state = 'succeeded' THEN 1 ELSE 0 END,
           CASE WHEN state IN ('succeeded', 'failed') THEN made.at END,
           CASE WHEN state <> 'pending' THEN made.at + interval '3 seconds' END,
           CASE WHEN state = 'failed' THEN 'PROVIDER_ERROR' END,
           CASE WHEN state = 'failed' THEN 'SMTP error: the mailbox is full' END,
           CASE WHEN state IN ('succeeded', 'failed') THEN gen_random_uuid() END
    FROM generate_series(0, %(count)s - 1) AS n,
         LATERAL (SELECT n / %(businesses)s %% 20 AS of_20, 'The weaving looms ' || n AS body) AS each,
         LATERAL (SELECT CASE WHEN of_20 < 14 THEN 'succeeded' WHEN of_20 < 18 THEN 'pending' WHEN of_20 = 18 THEN 'failed'
                         ELSE 'cancelled' END AS state) AS became,
         LATERAL (SELECT now() - interval '1 day' + n * interval '100 milliseconds' AS at) AS made"""

_BUSINESSES = "INSERT INTO public.businesses (id) SELECT 'business-' || n FROM generate_series(0, %(count)s - 1) AS n"


def seed_messages(database_url: str, count: int, businesses: int) -> None:
    """`count` jobs of the communication queue, spread evenly over `business-0`, `business-1`, …"""
    _execute(database_url, _BUSINESSES, count=businesses)
    _execute(database_url, _MESSAGES, count=count, businesses=businesses)


def seed_pending(database_url: str, count: int, queue: str = QUEUE, *, first: int = 0) -> None:
    """`count` jobs that wait, numbered from `first` on in the order of their insertion."""
    _execute(database_url, _PENDING, queue=queue, count=count, first=first)


def seed_finished(database_url: str, count: int, queue: str = QUEUE) -> None:
    """`count` jobs that succeeded, older than all that are seeded after them."""
    _execute(database_url, _FINISHED, queue=queue, count=count, first=0)


def seed_keyed(database_url: str, count: int, queue: str, keys: int) -> None:
    """`count` jobs that wait under `keys` keys; half of them have the key `stuck`."""
    _execute(database_url, _KEYED, queue=queue, count=count, first=0, keys=keys)


def _execute(database_url: str, statement: str, **parameters: object) -> None:
    """Leaves a table that is vacuumed and analysed, as one is that grew over days."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(statement, parameters)
        connection.execute("VACUUM (ANALYZE) jobline.jobs")
