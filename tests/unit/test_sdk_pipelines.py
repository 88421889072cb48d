"""Declaring pipelines and running them, through the executor that a worker uses."""

import asyncio
import threading
from typing import Any

import pytest

from jobline.worker import (
    CancelReason,
    CancelToken,
    JobFailure,
    Json,
    PermanentError,
    Run,
    Snooze,
    TransientError,
    TriesExhausted,
    pipeline,
    step,
)
from jobline.worker.pipeline import bind
from jobline.worker.results import Failed, GivenBack, Lost, PutOff, Stopped
from jobline.worker.run import Terms
from jobline.worker.testing import local_run


@pipeline("greet")
class Greet:
    """Three steps; the middle one only for the polite."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @step
    async def find(self, run: Run) -> Json:
        self.calls.append("find")
        return {"name": run.payload["name"]}

    @step(when=lambda self, run: run.payload.get("polite", False))
    async def bow(self, run: Run) -> Json:
        self.calls.append("bow")
        return {"depth": 3}

    @step
    def compose(self, run: Run) -> Json:
        self.calls.append("compose")
        return f"Hello {run.outputs['find']['name']}"


async def test_steps_run_in_the_order_of_their_definition_and_the_last_output_is_the_result():
    ran = await local_run(Greet(), {"name": "Ada", "polite": True})
    assert ran.result == "Hello Ada"
    assert list(ran.steps) == ["find", "bow", "compose"]
    assert [progress.step for progress in ran.progress] == ["find", "bow", "compose"]


async def test_a_step_whose_condition_is_false_is_not_entered_at_all():
    greet = Greet()
    ran = await local_run(greet, {"name": "Ada"})
    assert greet.calls == ["find", "compose"]
    assert "bow" not in [progress.step for progress in ran.progress]


async def test_a_run_goes_on_after_the_steps_that_an_earlier_run_finished():
    greet = Greet()
    ran = await local_run(greet, {"name": "Ada"}, finished={"find": {"name": "Grace"}})
    assert greet.calls == ["compose"]
    assert ran.result == "Hello Grace"


async def test_a_cancel_takes_effect_at_the_next_step_boundary():
    greet = Greet()
    ran = await local_run(greet, {"name": "Ada"}, cancel_after="find")
    assert ran.outcome == Stopped()
    assert greet.calls == ["find"]


async def test_a_run_that_has_little_time_left_may_give_its_job_back():
    @pipeline("careful")
    async def careful(run: Run) -> Json:
        run.stopping.raise_if_set()
        return "all of it"

    stopping = CancelToken()
    assert (await local_run(careful, {}, stopping=stopping)).result == "all of it"
    stopping.fire(CancelReason.SHUTDOWN)
    assert isinstance((await local_run(careful, {}, stopping=stopping)).outcome, GivenBack)


async def test_a_step_that_is_not_announced_reports_nothing_by_itself():
    @pipeline("quiet")
    class Quiet:
        @step(announced=False)
        async def hush(self, run: Run) -> Json:
            return run.step

        @step
        async def speak(self, run: Run) -> Json:
            run.progress(1, 2)
            return run.outputs["hush"]

    ran = await local_run(Quiet(), {})
    assert ran.result == "hush"
    assert [(progress.step, progress.current) for progress in ran.progress] == [("speak", 0), ("speak", 1)]


async def test_a_cancel_that_arrives_with_the_last_step_still_cancels_the_job():
    ran = await local_run(Greet(), {"name": "Ada"}, cancel_after="compose")
    assert ran.outcome == Stopped()


async def test_a_cancel_that_arrives_while_a_pipeline_of_one_function_runs_cancels_the_job():
    @pipeline("noop")
    async def noop(run: Run) -> Json:
        run.cancelled.fire(CancelReason.REQUESTED)

    assert (await local_run(noop, {})).outcome == Stopped()


async def test_a_plain_function_runs_in_a_thread_of_its_own():
    threads: list[int] = []

    @pipeline("threaded")
    class Threaded:
        @step
        def only(self, run: Run) -> Json:
            threads.append(threading.get_ident())

    await local_run(Threaded(), {})
    assert threads[0] != threading.get_ident()


async def test_a_pipeline_may_be_one_function_whose_output_is_not_stored():
    @pipeline("noop", prefetch=256)
    async def noop(run: Run) -> Json:
        return {"seen": run.payload}

    ran = await local_run(noop, [1, 2])
    assert ran.result == {"seen": [1, 2]}
    assert ran.steps == {}
    assert ran.progress == []


def raising(error: BaseException, **hooks: Any) -> object:
    async def only(self: object, run: Run) -> Json:
        raise error

    return pipeline("raising")(type("Raising", (), {"only": step(only), **hooks}))()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TransientError("away"), JobFailure("PROVIDER_ERROR", "away", True)),
        (TransientError("away", code="AWAY"), JobFailure("AWAY", "away", True)),
        (PermanentError("no"), JobFailure("PROVIDER_ERROR", "no", False)),
        (TimeoutError("timeout: late"), JobFailure("TIMEOUT", "timeout: late", True)),
        (KeyError("x"), JobFailure("INTERNAL", "KeyError: 'x'", True)),
    ],
)
async def test_an_error_becomes_the_failure_of_its_kind(error: Exception, failure: JobFailure):
    assert (await local_run(raising(error), {})).failure == failure


async def test_the_pipeline_may_put_a_failure_into_its_own_words():
    def failure(self: object, step: str, error: BaseException) -> JobFailure:
        return JobFailure("MINE", f"{step}: {error}", False)

    ran = await local_run(raising(ValueError("bad"), failure=failure), {})
    assert ran.failure == JobFailure("MINE", "only: bad", False)


async def test_a_failure_hook_that_raises_leaves_the_plain_failure():
    def failure(self: object, step: str, error: BaseException) -> JobFailure:
        raise RuntimeError("the hook is broken")

    ran = await local_run(raising(PermanentError("no"), failure=failure), {})
    assert ran.failure == JobFailure("PROVIDER_ERROR", "no", False)


async def test_snooze_puts_the_job_off():
    assert (await local_run(raising(Snooze(90)), {})).outcome == PutOff(90)


async def test_a_step_that_awaits_something_cancelled_fails_instead_of_ending_the_worker():
    ran = await local_run(raising(asyncio.CancelledError()), {})
    assert ran.failure.code == "INTERNAL"


async def test_a_step_past_its_own_limit_fails_with_a_timeout():
    @pipeline("slow")
    class Slow:
        @step(timeout=0.01)
        async def crawl(self, run: Run) -> Json:
            await asyncio.Event().wait()

    failure = (await local_run(Slow(), {})).failure
    assert failure == JobFailure("TIMEOUT", "timeout: step 'crawl' exceeded 0.01 seconds", True)


async def test_a_transient_error_is_tried_as_often_as_the_policy_says_and_no_more():
    calls: list[int] = []

    @pipeline("flaky")
    class Flaky:
        @step
        async def ask(self, run: Run) -> Json:
            async def call() -> None:
                calls.append(1)
                raise TransientError("busy")

            with pytest.raises(TriesExhausted) as caught:
                await run.attempt(call)
            return [str(caught.value), caught.value.tries]

    ran = await local_run(Flaky(), {}, tries=3)
    assert len(calls) == 3
    assert ran.result == ["busy after 3 attempts", 3]


async def test_a_call_that_recovers_returns_its_answer():
    answers = iter([TransientError("busy"), TimeoutError(), "fine"])

    @pipeline("recovers")
    class Recovers:
        @step
        async def ask(self, run: Run) -> Json:
            async def call() -> str:
                answer = next(answers)
                if isinstance(answer, Exception):
                    raise answer
                return answer

            return await run.attempt(call)

    assert (await local_run(Recovers(), {})).result == "fine"


async def test_a_try_that_takes_too_long_is_a_timeout_that_says_so():
    @pipeline("hangs")
    class Hangs:
        @step
        async def ask(self, run: Run) -> Json:
            await run.attempt(asyncio.Event().wait, timeout=0.01)

    failure = (await local_run(Hangs(), {}, tries=2)).failure
    assert failure.message == "timeout: no answer within 0.01 seconds after 2 attempts"
    assert failure.retryable


def test_the_waits_between_tries_are_the_policys_and_the_last_repeats():
    terms = Terms(step_tries=5, step_backoff=(1.0, 2.0))
    assert [terms.backoff_after(tries) for tries in (1, 2, 3, 4)] == [1.0, 2.0, 2.0, 2.0]
    assert Terms().backoff_after(1) == 0.0


async def test_a_result_that_json_cannot_hold_fails_the_job_for_good():
    @pipeline("odd")
    async def odd(run: Run) -> Json:
        return float("nan")

    failure = (await local_run(odd, {})).failure
    assert failure.code == "INTERNAL"
    assert not failure.retryable


async def test_a_result_over_its_cap_is_refused_before_it_travels():
    @pipeline("large")
    async def large(run: Run) -> Json:
        return "x" * 1024 * 1024

    assert (await local_run(large, {})).failure.code == "TOO_LARGE"


async def test_a_step_output_over_its_cap_is_used_but_not_stored():
    @pipeline("large")
    class Large:
        @step
        async def make(self, run: Run) -> Json:
            return "x" * 300_000

        @step
        async def use(self, run: Run) -> Json:
            return len(run.outputs["make"])

    ran = await local_run(Large(), {})
    assert ran.result == 300_000
    assert list(ran.steps) == ["use"]


async def test_progress_keeps_what_is_left_out_and_refuses_what_makes_no_sense():
    @pipeline("counts")
    class Counts:
        @step
        async def count(self, run: Run) -> Json:
            run.progress(total=3)
            run.progress(current=2, message="m" * 300)
            with pytest.raises(ValueError, match="current"):
                run.progress(current=4)

    last = (await local_run(Counts(), {})).progress[-1]
    assert (last.step, last.current, last.total, len(last.message)) == ("count", 2, 3, 255)


async def test_a_message_over_its_cap_is_cut_and_marked():
    ran = await local_run(raising(PermanentError("é" * 2000)), {})
    assert len(ran.failure.message) == 1000
    assert ran.failure.message.endswith("…")


@pytest.mark.parametrize("code", ["", "lower", "WITH SPACE", "X" * 65])
def test_a_code_that_the_contract_would_refuse_is_refused_at_once(code: str):
    with pytest.raises(ValueError, match="code"):
        TransientError("message", code=code)


def test_a_class_without_steps_is_no_pipeline():
    with pytest.raises(TypeError, match="no @step"):
        pipeline("empty")(type("Empty", (), {}))


def test_a_pipeline_class_must_be_instantiated_before_it_is_given_to_a_worker():
    with pytest.raises(TypeError, match="instance"):
        bind(Greet)


async def test_the_outcome_of_a_local_run_is_typed():
    ran = await local_run(raising(PermanentError("no")), {})
    assert isinstance(ran.outcome, Failed)
    with pytest.raises(AssertionError, match="did not succeed"):
        _ = ran.result


@pipeline("send")
class Send:
    """Looks once more right before it does what cannot be undone."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    @step
    async def compose(self, run: Run) -> Json:
        return "Dear Ada"

    @step(uninterrupted=True)
    async def send(self, run: Run) -> Json:
        await run.confirm()
        self.sent.append(run.outputs["compose"])
        return "sent"


async def test_a_run_that_holds_its_lease_goes_on_when_it_asks():
    send = Send()
    assert (await local_run(send, {})).result == "sent"


async def test_a_run_that_lost_its_lease_stops_where_it_asks():
    send = Send()
    ran = await local_run(send, {}, holds_lease=False)
    assert ran.outcome == Lost()
    assert send.sent == []


async def test_a_cancel_before_a_step_that_nothing_interrupts_keeps_it_from_beginning():
    send = Send()
    assert (await local_run(send, {}, cancel_after="compose")).outcome == Stopped()
    assert send.sent == []


async def test_a_cancel_that_comes_after_the_last_step_that_nothing_interrupts_changes_nothing():
    assert (await local_run(Send(), {}, cancel_after="send")).result == "sent"
