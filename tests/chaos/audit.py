"""Has the database itself write down what happens to jobs and leases, in the transactions in which it happens.

Rows at the end tell how a job ended, not everything that was true on the way. Triggers keep the way: each line carries
the transaction, the writing session and the clock, and is there exactly if its transaction was committed. Numbers of
lines follow cause and effect, because whoever acts on a commit begins after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

__all__ = ["Entry", "Transaction", "install", "read_log"]

_INSTALL = """
CREATE SCHEMA chaos;
-- Names a session: process numbers are used again.
CREATE FUNCTION chaos.session() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    name text := current_setting('chaos.session', true);
BEGIN
    IF name IS NULL OR name = '' THEN
        name := set_config('chaos.session', gen_random_uuid()::text, false);
    END IF;
    RETURN name;
END $$;
CREATE TABLE chaos.log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    session text NOT NULL DEFAULT chaos.session(),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    what    text NOT NULL,
    subject uuid,
    data    jsonb NOT NULL
);

CREATE FUNCTION chaos.on_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO chaos.log (what, subject, data) VALUES ('job removed', OLD.id, jsonb_build_object('from', OLD.state));
        RETURN NULL;
    END IF;
    INSERT INTO chaos.log (what, subject, data) VALUES (
        CASE TG_OP WHEN 'INSERT' THEN 'job stored' ELSE 'job changed' END, NEW.id,
        jsonb_build_object(
            'from', CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, 'to', NEW.state, 'queue', NEW.queue,
            'key', NEW.concurrency_key, 'owner', NEW.owner, 'priority', NEW.priority,
            'run_at', extract(epoch FROM NEW.run_at)::float8, 'seq', NEW.seq, 'attempt', NEW.attempt,
            'old_token', CASE WHEN TG_OP = 'UPDATE' THEN OLD.lease_token END, 'token', NEW.lease_token,
            'tag', NEW.labels ->> 'tag'));
    RETURN NULL;
END $$;
CREATE TRIGGER stored AFTER INSERT OR DELETE ON jobline.jobs FOR EACH ROW EXECUTE FUNCTION chaos.on_job();
CREATE TRIGGER changed AFTER UPDATE ON jobline.jobs FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.lease_token IS DISTINCT FROM NEW.lease_token
          OR OLD.attempt <> NEW.attempt OR OLD.seq <> NEW.seq)
    EXECUTE FUNCTION chaos.on_job();

CREATE FUNCTION chaos.on_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO chaos.log (what, subject, data) VALUES ('lease removed', OLD.token, '{}');
        RETURN NULL;
    END IF;
    INSERT INTO chaos.log (what, subject, data) VALUES (
        CASE TG_OP WHEN 'INSERT' THEN 'lease granted' ELSE 'lease shortened' END, NEW.token,
        jsonb_build_object(
            'epoch', NEW.epoch, 'queue', NEW.queue, 'worker', NEW.worker, 'session', NEW.session_id,
            'granted_at', extract(epoch FROM NEW.granted_at)::float8, 'jobs', NEW.job_ids));
    RETURN NULL;
END $$;
CREATE TRIGGER granted AFTER INSERT OR DELETE ON jobline.leases FOR EACH ROW EXECUTE FUNCTION chaos.on_lease();
CREATE TRIGGER shortened AFTER UPDATE ON jobline.leases FOR EACH ROW
    WHEN (OLD.job_ids IS DISTINCT FROM NEW.job_ids) EXECUTE FUNCTION chaos.on_lease();

CREATE FUNCTION chaos.on_other() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.log (what, data) VALUES (TG_ARGV[0], to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER raised AFTER UPDATE ON jobline.epoch FOR EACH ROW EXECUTE FUNCTION chaos.on_other('epoch raised');
CREATE TRIGGER paused AFTER INSERT OR UPDATE ON jobline.queues FOR EACH ROW EXECUTE FUNCTION chaos.on_other('queue changed');
"""

#: Within a transaction what ends counts before what begins, whatever the order in which the triggers fired.
_ORDER = {
    word: number
    for number, word in enumerate(
        ("epoch raised", "queue changed", "job stored", "job changed", "job removed", "lease removed", "lease shortened",
         "lease granted")
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log. `at` is in epoch seconds; `data` is what the trigger wrote."""

    id: int
    at: float
    what: str
    subject: str
    data: dict[str, Any]

    def __str__(self) -> str:
        shown = {key: value for key, value in self.data.items() if value is not None and key != "jobs"}
        return f"{self.at:.3f} {self.what} {self.subject[:13]} " + " ".join(f"{k}={v}" for k, v in shown.items())


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one transaction changed, in an order in which it can be replayed."""

    session: str
    entries: tuple[Entry, ...]


def install(database_url: str) -> None:
    """Call after the migration, before anything is stored."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_INSTALL)


def read_log(database_url: str) -> Iterator[Transaction]:
    """Every committed transaction that changed something, by its first line."""
    lines: dict[int, list[Entry]] = {}
    sessions: dict[int, str] = {}
    query = """SELECT id, tx::text::bigint, session, extract(epoch FROM at)::float8, what, coalesce(subject::text, ''), data
               FROM chaos.log ORDER BY id"""
    with psycopg.connect(database_url) as connection, connection.cursor("log") as cursor:
        cursor.itersize = 10_000
        for number, tx, session, at, what, subject, data in cursor.execute(query):
            sessions[tx] = session
            lines.setdefault(tx, []).append(Entry(number, at, what, subject, data))
    for tx, entries in lines.items():
        yield Transaction(sessions[tx], tuple(sorted(entries, key=lambda entry: (_ORDER[entry.what], entry.id))))
