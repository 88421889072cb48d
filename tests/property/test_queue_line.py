"""The sorted line that every order is made of, beside a plain sorted list."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobline_queue.dispatch import line
from jobline_queue.dispatch.line import Line


@dataclass(eq=False)
class Thing:
    rank: int


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "CHUNK", 8)
    monkeypatch.setattr(line, "FEW", 3)


ACTS = st.lists(
    st.tuples(st.sampled_from(("add", "add", "add", "remove", "remove_all", "take")), st.integers(0, 200)), max_size=120
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTS)
def test_a_line_is_a_sorted_list(acts: list[tuple[str, int]]):
    tested: Line[Thing] = Line()
    model: list[Thing] = []
    for act, number in acts:
        if act == "add" and all(thing.rank != number for thing in model):
            thing = Thing(number)
            tested.add(thing)
            model = sorted([*model, thing], key=lambda each: each.rank)
        elif act == "remove" and model:
            thing = model.pop(number % len(model))
            assert tested.remove(thing)
            assert not tested.remove(thing)
        elif act == "remove_all":
            gone = model[number % 5 :: 1 + number % 3][: number % 11]
            tested.remove_all(gone)
            model = [thing for thing in model if thing not in gone]
        elif act == "take":
            most = number % 12
            assert tested.take(most) == model[:most]
            del model[:most]
        assert list(tested) == model
        assert len(tested) == len(model)
        assert tested.first is (model[0] if model else None)
        assert tested.before(number) == sum(thing.rank < number for thing in model)
        ranks = range(number, 220, 9)
        assert tested.before_each(ranks) == [sum(thing.rank < rank for thing in model) for rank in ranks]


def test_a_thing_that_is_not_in_is_told_from_one_of_its_rank():
    tested: Line[Thing] = Line()
    for rank in range(20):
        tested.add(Thing(rank))
    assert not tested.remove(Thing(0))
    assert not tested.remove(Thing(7))
    assert not tested.remove(Thing(99))
    assert len(tested) == 20
