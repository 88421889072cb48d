"""How long a worker waits before it connects again, and to which address."""

import statistics

from jobline.worker.transport import Reconnect


def waits(reconnect: Reconnect, count: int, held_lease: float | None = None) -> list[float]:
    return [reconnect.after(0.0, held_lease, inactive=False) for _ in range(count)]


def test_addresses_are_tried_in_turn():
    reconnect = Reconnect(["a:1", "b:1"])
    seen = []
    for _ in range(3):
        seen.append(reconnect.address)
        reconnect.after(0.0, None, inactive=False)
    assert seen == ["a:1", "b:1", "a:1"]


def test_waits_stay_below_a_ceiling_that_doubles_up_to_half_a_minute():
    for _ in range(20):
        ceilings = [min(30.0, 0.2 * 2**n) for n in range(12)]
        assert all(wait <= ceiling for wait, ceiling in zip(waits(Reconnect(["a:1"]), 12), ceilings, strict=True))


def test_waits_are_spread_so_that_a_fleet_does_not_return_at_once():
    tenth = [waits(Reconnect(["a:1"]), 10)[-1] for _ in range(200)]
    assert statistics.pstdev(tenth) > 3


def test_while_jobs_are_held_no_wait_exceeds_a_third_of_their_lease():
    assert all(wait <= 3.0 for wait in waits(Reconnect(["a:1"]), 50, held_lease=9.0))


def test_a_stream_that_lived_for_a_while_starts_the_waits_anew():
    reconnect = Reconnect(["a:1"])
    waits(reconnect, 20)
    assert reconnect.after(Reconnect.HEALTHY_AFTER, None, inactive=False) <= 0.2


def test_no_wait_is_long_while_a_standby_answers_that_will_take_over():
    reconnect = Reconnect(["dead:1", "standby:1"])
    waits(reconnect, 20)
    answers = [True, *[False, True] * 50]
    assert all(reconnect.after(0.0, None, inactive=answer) <= 2.0 for answer in answers)
    assert any(wait > 2.0 for wait in waits(reconnect, 50)), "nobody answers any more"


def test_a_standby_is_left_at_once_as_long_as_there_is_another_address():
    reconnect = Reconnect(["a:1", "b:1", "c:1"])
    assert [reconnect.after(0.0, None, inactive=True) for _ in range(2)] == [0.0, 0.0]
    many = [Reconnect(["a:1"]).after(0.0, None, inactive=True) for _ in range(20)]
    assert any(wait > 0 for wait in many)
