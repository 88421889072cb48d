"""Estimates hold as often as they say, over hours of mixed load."""

from __future__ import annotations

import pytest

from support.simulated_day import HOUR, SimulatedDay, shares


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nine_of_ten_jobs_end_by_the_p90_that_somebody_was_told(seed: int):
    day = SimulatedDay(seed, 2.5 * HOUR, score_every=10.0)
    day.run()
    told, p50_held, p90_held = shares(day.told)
    assert told > 400
    assert 0.85 <= p90_held <= 0.95
    assert 0.4 <= p50_held <= 0.6
    assert sum(day.untold.values()) < 0.05 * told
