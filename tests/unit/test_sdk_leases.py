"""What a worker may believe about its leases, on a clock of the test's."""

from jobline.v1 import work_service_pb2 as pb
from jobline.worker.leases import Leases
from jobline.worker.run import Delivery, Terms


def deliver(leases: Leases, job_id: str, now: float, token: str = "t", lease: float = 30.0) -> Delivery:
    delivery = Delivery(pb.Assignment(job_id=job_id, lease_token=token), Terms(lease=lease), now)
    leases.add(delivery, now)
    return delivery


def status(state: pb.LeaseState.ValueType, job_id: str = "", token: str = "t") -> pb.LeaseStatus:
    return pb.LeaseStatus(lease_token=token, job_id=job_id, state=state)


def test_jobs_that_share_a_token_travel_in_one_entry():
    leases = Leases()
    for job_id in ("a", "b"):
        deliver(leases, job_id, 0.0)
    deliver(leases, "c", 0.0, token="u")
    assert [(entry.lease_token, sorted(entry.job_ids)) for entry in leases.entries()] == [
        ("t", ["a", "b"]),
        ("u", ["c"]),
    ]


def test_a_lease_without_an_outcome_gets_its_receipt_after_a_second_and_once():
    leases = Leases()
    deliver(leases, "a", 0.0)
    assert leases.without_receipt(0.9) == []
    assert leases.without_receipt(1.0) == ["t"]
    leases.ask(["t"], 1.0)
    assert leases.without_receipt(1.1) == []
    leases.apply([status(pb.LEASE_STATE_HELD, "a")])
    assert leases.without_receipt(9.0) == []


def test_a_receipt_that_was_lost_with_its_stream_is_sent_again():
    leases = Leases()
    deliver(leases, "a", 0.0)
    leases.ask(["t"], 1.0)
    leases.stream_ended()
    assert leases.without_receipt(1.5) == ["t"]


def test_a_lease_that_was_never_confirmed_lapses_a_margin_before_the_receipt_deadline():
    leases = Leases()
    delivery = deliver(leases, "a", 0.0)
    assert leases.lapsed(8.9) == []
    assert leases.lapsed(9.0) == [delivery]
    assert not leases


def test_a_lease_shorter_than_the_receipt_deadline_lapses_before_its_own_end():
    leases = Leases()
    delivery = deliver(leases, "a", 0.0, lease=6.0)
    assert leases.lapsed(5.3) == []
    assert leases.lapsed(5.4) == [delivery]


def test_trust_is_counted_from_when_the_heartbeat_was_asked_for_not_from_its_answer():
    leases = Leases()
    deliver(leases, "a", 0.0)
    leases.ask_all(5.0)
    leases.apply([status(pb.LEASE_STATE_HELD, "a")])
    assert leases.lapsed(31.9) == []
    assert len(leases.lapsed(32.0)) == 1


def test_an_answer_to_two_heartbeats_extends_only_from_the_older():
    leases = Leases()
    deliver(leases, "a", 0.0)
    leases.ask_all(1.0)
    leases.ask_all(8.0)
    leases.apply([status(pb.LEASE_STATE_HELD, "a")])
    assert leases.lapsed(27.9) == []
    assert len(leases.lapsed(28.0)) == 1


def test_what_is_pushed_extends_nothing():
    leases = Leases()
    deliver(leases, "a", 0.0)
    leases.ask_all(10.0)
    leases.apply([status(pb.LEASE_STATE_HELD, "a")], is_answer=False)
    assert len(leases.lapsed(9.0)) == 1


def test_a_job_whose_outcome_is_not_answered_stays_listed_after_its_lease_lapsed():
    leases = Leases()
    delivery = deliver(leases, "a", 0.0)
    running = deliver(leases, "b", 0.0)
    delivery.ended = True
    assert leases.lapsed(100.0) == [running]
    assert leases.holds("t", "a")


def test_a_lost_lease_takes_out_the_job_that_is_named_and_no_other():
    leases = Leases()
    lost, _ = deliver(leases, "a", 0.0), deliver(leases, "b", 0.0)
    assert leases.apply([status(pb.LEASE_STATE_LOST, "a")]).lost == [lost]
    assert not leases.holds("t", "a")
    assert leases.holds("t", "b")


def test_a_status_without_a_job_speaks_of_every_job_of_its_token():
    leases = Leases()
    both = [deliver(leases, "a", 0.0), deliver(leases, "b", 0.0)]
    assert leases.apply([status(pb.LEASE_STATE_LOST)]).lost == both
    assert len(leases) == 0


def test_a_cancel_request_keeps_the_lease():
    leases = Leases()
    delivery = deliver(leases, "a", 0.0)
    assert leases.apply([status(pb.LEASE_STATE_CANCEL_REQUESTED, "a")]).cancelled == [delivery]
    assert leases.holds("t", "a")


def test_what_is_said_about_unknown_leases_is_ignored():
    leases = Leases()
    deliver(leases, "a", 0.0)
    changes = leases.apply([status(pb.LEASE_STATE_LOST, "x"), status(pb.LEASE_STATE_LOST, "a", token="other")])
    assert changes.lost == []
    assert leases.end("other", "a") is None


def test_a_run_that_nothing_interrupts_lapses_only_when_it_asks():
    leases = Leases()
    delivery = deliver(leases, "a", 0.0)
    delivery.uninterrupted = True
    assert leases.lapsed(100.0) == []
    assert leases.holds("t", "a")
    assert leases.lapsed(100.0, [delivery]) == [delivery]
