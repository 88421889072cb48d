"""Queue policies: a wrong file stops the start and says where."""

import pytest

from jobline_queue.core.policy import CancelMode, Order, PolicyError, Rate, load_policies


def test_the_built_in_policies_are_those_of_the_specification():
    policies = load_policies()
    assert set(policies) == {"email_default", "communications", "amb-jobs", "ingestion", "vectorization"}
    email = policies["email_default"]
    assert (email.max_running, email.timeout, email.max_attempts, email.step_tries) == (1, 180.0, 1, 3)
    assert (email.step_backoff, email.cancel, email.expires_after) == ((1.0, 2.0), CancelMode.PENDING_ONLY, 86400.0)
    communications = policies["communications"]
    assert (communications.max_running, communications.timeout) == (10, 600.0)
    assert communications.backoff == (60.0, 300.0, 900.0, 3600.0)
    assert policies["amb-jobs"].cancel is CancelMode.BOUNDARY
    assert policies["vectorization"].max_running_per_key == 1
    assert policies["ingestion"].retention == 7 * 86400.0
    assert {(policy.lease, policy.receipt, policy.paused) for policy in policies.values()} == {(30.0, 10.0, False)}


def test_a_file_is_laid_over_the_built_in_policies_key_by_key():
    policies = load_policies('[queues.email_default]\ntimeout = "5m"\n[queues.mine]\nrate = "60/min"\norder = "fair"\n')
    assert (policies["email_default"].timeout, policies["email_default"].max_running) == (300.0, 1)
    assert (policies["mine"].rate, policies["mine"].order) == (Rate(60, 60.0), Order.FAIR)
    assert (policies["mine"].max_attempts, policies["mine"].max_running) == (3, 0)


def test_owners_of_a_fair_queue_have_weights():
    policies = load_policies('[queues.mine]\norder = "fair"\nweights = { "business:acme" = 3 }\n')
    assert policies["mine"].weights == {"business:acme": 3}
    with pytest.raises(PolicyError, match=r'queues\.mine\.weights: expected order = "fair"'):
        load_policies('[queues.mine]\nweights = { "business:acme" = 3 }\n')


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("colour = 1", "unknown key"),
        ("max_running = 0", "integer from 1"),
        ("max_running = true", "integer from 1"),
        ('max_running = "3"', "integer from 1"),
        ("max_running_per_key = -1", "integer from 1"),
        ("max_attempts = 101", "integer from 1 to 100"),
        ("step_tries = 1.5", "integer from 1"),
        ("timeout = 180", "duration such as"),
        ('timeout = "3 minutes"', "duration"),
        ('timeout = ""', "duration"),
        ('timeout = "-1s"', "duration"),
        ('lease = "0s"', "duration from 0.5 to 3600 seconds"),
        ('lease = "2h"', "duration from 0.5 to 3600 seconds"),
        ('receipt = "1ms"', "duration from"),
        ('expires_after = "1000d"', "duration from"),
        ('backoff = "1s"', "list of durations"),
        ("backoff = []", "list of durations"),
        ("backoff = [1]", "duration such as"),
        ('step_backoff = ["1x"]', "duration"),
        ('cancel = "later"', "one of now, boundary, pending_only"),
        ('order = "lifo"', "one of fifo, fair"),
        ("weights = 3", "table of owners"),
        ('weights = { "user:a" = 0 }', "integer from 1 to 1000"),
        ('weights = { "user:a" = 1.5 }', "integer from 1 to 1000"),
        ("retry_resumes = 1", "true or false"),
        ('paused = "no"', "true or false"),
        ('rate = "60"', "a rate such as"),
        ('rate = "0/min"', "a rate such as"),
        ('rate = "5/day"', "a rate such as"),
    ],
)
def test_a_bad_value_is_refused_with_the_file_the_key_and_what_was_expected(line: str, expected: str):
    with pytest.raises(PolicyError) as refusal:
        load_policies(f"[queues.mine]\n{line}\n", "policies.toml")
    key = line.partition(" ")[0]
    assert f"policies.toml: queues.mine.{key}: " in str(refusal.value)
    assert expected in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[queues", "expected TOML"),
        ("[queue.mine]\n", "unknown key 'queue'"),
        ("queues = 3\n", "queues: expected"),
        ("[queues]\nmine = 3\n", "queues.mine: expected a table"),
        ('[queues."Big Queue"]\n', "queues.Big Queue: expected a queue name"),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, expected: str):
    with pytest.raises(PolicyError, match=r"^policies\.toml: ") as refusal:
        load_policies(text, "policies.toml")
    assert expected in str(refusal.value)
