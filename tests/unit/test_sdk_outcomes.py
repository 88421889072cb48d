"""Outcomes are never lost and never sent twice on one stream without need."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.outcome import OutcomeBuffer


def outcome(job_id: str, result: str = "null") -> pb.Outcome:
    return pb.Outcome(job_id=job_id, lease_token="t", completed=pb.Completed(result_json=result))


def ack(job_id: str, status: pb.OutcomeStatus.ValueType, detail: str = "") -> pb.OutcomeAck:
    return pb.OutcomeAck(job_id=job_id, lease_token="t", status=status, detail=detail)


def ids(outcomes: list[pb.Outcome]) -> list[str]:
    return [o.job_id for o in outcomes]


def test_everything_that_waits_goes_into_the_next_message_up_to_the_cap():
    buffer = OutcomeBuffer()
    for n in range(5):
        buffer.add(outcome(str(n)))
    assert ids(buffer.take(0.0, most=3, most_bytes=10_000)) == ["0", "1", "2"]
    assert ids(buffer.take(0.0, most=3, most_bytes=10_000)) == ["3", "4"]


def test_bytes_cut_a_batch_but_a_single_large_outcome_still_travels():
    buffer = OutcomeBuffer()
    for n in range(3):
        buffer.add(outcome(str(n), "1" * 600))
    assert ids(buffer.take(0.0, 100, most_bytes=1000)) == ["0"]
    assert ids(buffer.take(0.0, 100, most_bytes=10)) == ["1"]


def test_what_was_sent_and_not_answered_goes_again_first_after_a_reconnect():
    buffer = OutcomeBuffer()
    for n in range(3):
        buffer.add(outcome(str(n)))
    buffer.take(0.0, 2, 10_000)
    buffer.answer(ack("0", pb.OUTCOME_STATUS_COMMITTED), 0.0)
    buffer.stream_ended()
    assert ids(buffer.take(0.0, 10, 10_000)) == ["1", "2"]


def test_retry_sends_the_outcome_again_after_a_growing_wait():
    buffer = OutcomeBuffer()
    buffer.add(outcome("a"))
    buffer.take(0.0, 10, 10_000)
    assert not buffer.answer(ack("a", pb.OUTCOME_STATUS_RETRY), 0.0).settled
    assert not buffer.ready(0.1)
    assert ids(buffer.take(0.2, 10, 10_000)) == ["a"]
    buffer.answer(ack("a", pb.OUTCOME_STATUS_RETRY), 0.2)
    assert not buffer.ready(0.6)
    assert buffer.ready(0.7)


def test_every_final_answer_settles():
    for status in (
        pb.OUTCOME_STATUS_COMMITTED,
        pb.OUTCOME_STATUS_ALREADY_COMMITTED,
        pb.OUTCOME_STATUS_STALE,
        pb.OUTCOME_STATUS_CANCELLED,
    ):
        buffer = OutcomeBuffer()
        buffer.add(outcome("a"))
        buffer.take(0.0, 10, 10_000)
        assert buffer.answer(ack("a", status), 0.0).settled
        assert len(buffer) == 0


def test_an_outcome_that_the_service_refuses_becomes_a_failure_once():
    buffer = OutcomeBuffer()
    buffer.add(outcome("a"))
    buffer.take(0.0, 10, 10_000)
    refused = buffer.answer(ack("a", pb.OUTCOME_STATUS_INVALID, "too deep"), 0.0)
    assert "too deep" in refused.complaint
    (failed,) = buffer.take(0.0, 10, 10_000)
    assert failed.failed.error.code == "RESULT_REJECTED"
    assert not failed.failed.error.retryable
    assert buffer.answer(ack("a", pb.OUTCOME_STATUS_INVALID), 0.0).settled


def test_an_outcome_of_a_lost_lease_is_dropped_wherever_it_is():
    buffer = OutcomeBuffer()
    for job_id in ("sent", "later", "waiting"):
        buffer.add(outcome(job_id))
    buffer.take(0.0, 2, 10_000)
    buffer.answer(ack("later", pb.OUTCOME_STATUS_RETRY), 0.0)
    for job_id in ("sent", "later", "waiting"):
        buffer.drop("t", job_id)
    assert len(buffer) == 0


class OutcomesAreNeverLost(RuleBasedStateMachine):
    """Whatever the network does: every outcome is kept until it is settled, and sent at most once a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = OutcomeBuffer()
        self.open: set[str] = set()
        self.on_this_stream: set[str] = set()
        self.count = 0
        self.now = 0.0

    @rule()
    def a_run_ends(self) -> None:
        self.count += 1
        self.buffer.add(outcome(str(self.count)))
        self.open.add(str(self.count))

    @rule(most=st.integers(1, 5), most_bytes=st.integers(1, 300))
    def a_message_is_composed(self, most: int, most_bytes: int) -> None:
        self.now += 10
        taken = ids(self.buffer.take(self.now, most, most_bytes))
        assert not self.on_this_stream & set(taken)
        self.on_this_stream |= set(taken)

    @rule(retry=st.booleans(), data=st.data())
    def an_answer_arrives(self, retry: bool, data: st.DataObject) -> None:
        if not self.on_this_stream:
            return
        job_id = data.draw(st.sampled_from(sorted(self.on_this_stream)))
        self.on_this_stream.discard(job_id)
        answer = self.buffer.answer(
            ack(job_id, pb.OUTCOME_STATUS_RETRY if retry else pb.OUTCOME_STATUS_COMMITTED), self.now
        )
        assert answer.settled is not retry
        if not retry:
            self.open.discard(job_id)

    @rule()
    def the_stream_ends(self) -> None:
        self.buffer.stream_ended()
        self.on_this_stream.clear()

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.buffer) == len(self.open)


TestOutcomesAreNeverLost = OutcomesAreNeverLost.TestCase
