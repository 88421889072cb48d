"""Outcomes are never lost and never sent twice on one stream without need."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.errors import JobFailure
from jobline.worker.outcome import Answer, OutcomeBuffer
from jobline.worker.results import Ending, Failed, GivenBack, PutOff, Stopped, Succeeded, fill_outcomes


def ending(job_id: str, result: str = "null", token: str = "t") -> Ending:
    return Ending(token, job_id, Succeeded(result))


def answer(
    buffer: OutcomeBuffer, job_id: str, status: pb.OutcomeStatus.ValueType, now: float = 0.0, detail: str = ""
) -> Answer:
    return buffer.answer("t", job_id, status, detail, now)


def ids(endings: list[Ending]) -> list[str]:
    return [each.job_id for each in endings]


def told(*endings: Ending) -> list[pb.Outcome]:
    message = pb.Outcomes()
    fill_outcomes(message, endings)
    return list(message.outcomes)


def test_runs_of_one_lease_that_ended_alike_one_after_the_other_share_an_outcome():
    failure = Failed(JobFailure("NO_LUCK", "no luck", retryable=True))
    endings = [
        *(ending(name) for name in "abc"),
        ending("d", token="u"),
        ending("e", "1", token="u"),
        *(Ending("u", name, failure) for name in "fg"),
        Ending("u", "h", Stopped()),
        Ending("u", "i", GivenBack("r" * 300)),
        Ending("u", "j", PutOff(1.5)),
        ending("k"),
    ]
    outcomes = told(*endings)
    assert ["".join(outcome.job_ids) for outcome in outcomes] == ["abc", "d", "e", "fg", "h", "i", "j", "k"]
    assert [outcome.lease_token for outcome in outcomes] == ["t", *"uuuuuu", "t"]
    kinds = ["completed"] * 3 + ["failed", "cancelled", "released", "snoozed", "completed"]
    assert [outcome.WhichOneof("result") for outcome in outcomes] == kinds
    assert (outcomes[2].completed.result_json, outcomes[3].failed.error.code) == ("1", "NO_LUCK")
    assert (len(outcomes[5].released.reason), outcomes[6].snoozed.delay.ToMilliseconds()) == (255, 1500)


@given(st.text())
def test_the_size_of_an_ending_is_never_less_than_its_bytes(text: str):
    token = "0" * 36
    for result in (Succeeded(text), Failed(JobFailure("NO_LUCK", text, retryable=False)), GivenBack(text)):
        each = Ending(token, token, result)
        assert pb.Outcomes(outcomes=told(each)).ByteSize() <= each.size


def test_everything_that_waits_goes_into_the_next_message_up_to_the_cap():
    buffer = OutcomeBuffer()
    for n in range(5):
        buffer.add(ending(str(n)))
    assert ids(buffer.take(0.0, most=3, most_bytes=10_000)) == ["0", "1", "2"]
    assert ids(buffer.take(0.0, most=3, most_bytes=10_000)) == ["3", "4"]


def test_bytes_cut_a_batch_but_a_single_large_outcome_still_travels():
    buffer = OutcomeBuffer()
    for n in range(3):
        buffer.add(ending(str(n), "1" * 600))
    assert ids(buffer.take(0.0, 100, most_bytes=1000)) == ["0"]
    assert ids(buffer.take(0.0, 100, most_bytes=10)) == ["1"]


def test_what_was_sent_and_not_answered_goes_again_first_after_a_reconnect():
    buffer = OutcomeBuffer()
    for n in range(3):
        buffer.add(ending(str(n)))
    buffer.take(0.0, 2, 10_000)
    answer(buffer, "0", pb.OUTCOME_STATUS_COMMITTED, 0.0)
    buffer.stream_ended()
    assert ids(buffer.take(0.0, 10, 10_000)) == ["1", "2"]


def test_retry_sends_the_outcome_again_after_a_growing_wait():
    buffer = OutcomeBuffer()
    buffer.add(ending("a"))
    buffer.take(0.0, 10, 10_000)
    assert not answer(buffer, "a", pb.OUTCOME_STATUS_RETRY, 0.0).settled
    assert not buffer.ready(0.1)
    assert ids(buffer.take(0.2, 10, 10_000)) == ["a"]
    answer(buffer, "a", pb.OUTCOME_STATUS_RETRY, 0.2)
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
        buffer.add(ending("a"))
        buffer.take(0.0, 10, 10_000)
        assert answer(buffer, "a", status).settled
        assert len(buffer) == 0


def test_an_outcome_that_the_service_refuses_becomes_a_failure_once():
    buffer = OutcomeBuffer()
    buffer.add(ending("a"))
    buffer.take(0.0, 10, 10_000)
    refused = answer(buffer, "a", pb.OUTCOME_STATUS_INVALID, detail="too deep")
    assert "too deep" in refused.complaint
    (again,) = buffer.take(0.0, 10, 10_000)
    assert isinstance(again.result, Failed)
    assert (again.result.failure.code, again.result.failure.retryable) == ("RESULT_REJECTED", False)
    assert answer(buffer, "a", pb.OUTCOME_STATUS_INVALID, 0.0).settled


def test_an_outcome_of_a_lost_lease_is_dropped_wherever_it_is():
    buffer = OutcomeBuffer()
    for job_id in ("sent", "later", "waiting"):
        buffer.add(ending(job_id))
    buffer.take(0.0, 2, 10_000)
    answer(buffer, "later", pb.OUTCOME_STATUS_RETRY, 0.0)
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
        self.buffer.add(ending(str(self.count)))
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
        status = pb.OUTCOME_STATUS_RETRY if retry else pb.OUTCOME_STATUS_COMMITTED
        assert answer(self.buffer, job_id, status, self.now).settled is not retry
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
