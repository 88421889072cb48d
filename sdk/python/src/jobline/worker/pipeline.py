"""How a pipeline is declared: `@pipeline` on a class of `@step` methods, or on one function.

The decorators only record facts and check them while the module is imported, where a mistake is cheap. The class stays
an ordinary class that the application instantiates with its providers, and a test may call its methods directly.

    @pipeline("generate_email")
    class GenerateEmail:
        def __init__(self, llm: LanguageModel) -> None: ...

        @step
        async def template_parser(self, run: Run) -> Json: ...

        @step(when=lambda self, run: run.outputs["template_parser"]["template_type"] == "research")
        async def arxiv_helper(self, run: Run) -> Json: ...
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from jobline.worker.errors import JobFailure

if TYPE_CHECKING:
    from jobline.worker.run import Run

__all__ = ["BoundPipeline", "BoundStep", "Json", "bind", "pipeline", "step"]

#: What `json.loads` returns and `json.dumps` takes.
Json: TypeAlias = Any

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_KIND = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SPEC = "__jobline_pipeline__"
_STEP = "__jobline_step__"


@dataclass(frozen=True, slots=True)
class _StepOptions:
    timeout: float | None
    when: Callable[[Any, Run], bool] | None
    uninterrupted: bool
    announced: bool


@dataclass(frozen=True, slots=True)
class _PipelineSpec:
    kind: str
    prefetch: int
    queues: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoundStep:
    """One step of a pipeline, ready to be called with a Run."""

    name: str
    call: Callable[[Run], Awaitable[Json] | Json]
    is_async: bool
    #: Seconds for the whole step, its tries and waits included.
    timeout: float | None
    when: Callable[[Run], bool] | None
    #: Neither a cancel, a lost lease nor a shutdown interrupts it, and its run is told of even then.
    uninterrupted: bool = False
    #: Whether its beginning is reported as progress.
    announced: bool = True


@dataclass(frozen=True, slots=True)
class BoundPipeline:
    """A pipeline with its providers: what the executor runs."""

    kind: str
    prefetch: int
    queues: tuple[str, ...]
    steps: tuple[BoundStep, ...]
    #: Whether the outputs of steps are stored. A pipeline of one function has a single, anonymous, unstored step.
    durable: bool
    result: Callable[[Run], Json] | None
    failure: Callable[[str, BaseException], JobFailure] | None


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    *,
    timeout: float | None = None,
    when: Callable[[Any, Run], bool] | None = None,
    uninterrupted: bool = False,
    announced: bool = True,
) -> Callable[[F], F]: ...
def step(
    function: F | None = None,
    /,
    *,
    timeout: float | None = None,
    when: Callable[[Any, Run], bool] | None = None,
    uninterrupted: bool = False,
    announced: bool = True,
) -> F | Callable[[F], F]:
    """Makes a method a step. Steps run in the order of their definition; the method's name is the step's name.

    `timeout` limits the whole step, in seconds; past it the step fails with StepTimeout. A step whose `when(self, run)`
    is false is not entered at all. An `async def` runs in the worker's loop, a plain `def` in a thread of its pool.

    `uninterrupted` is for a step that hands something over which cannot be taken back: once it has begun, only its own
    `timeout` interrupts it, and the end of the process. A cancel, a lost lease or a shutdown is seen when it has ended: no
    other step begins. If none is left, or the step failed, the run's outcome is told all the same, so that the service
    can note what came of a run that was void. A worker that shuts down and cannot wait for the end of the step any longer
    does not give the job back, as if nothing had been done: it leaves the lease to lapse, and the run counts as lost.

    The beginning of a step is reported as progress, 0 of 0, unless it is not `announced`: for a step whose progress is
    stored by the service that it calls.
    """
    if timeout is not None and timeout <= 0:
        raise ValueError(f"timeout: expected more than 0 seconds, got {timeout!r}")

    def mark(method: F) -> F:
        if not 1 <= len(method.__name__) <= 64:
            raise ValueError(f"a step's name has 1 to 64 characters, got {method.__name__!r}")
        setattr(method, _STEP, _StepOptions(timeout, when, uninterrupted, announced))
        return method

    return mark if function is None else mark(function)


def pipeline(kind: str, *, prefetch: int = 0, queues: tuple[str, ...] = ()) -> Callable[[T], T]:
    """Declares which kind of job a class of steps, or one function of a Run, runs.

    `prefetch` is how many more jobs than it can run at once a worker may hold for short jobs; `queues` names where such
    jobs come from (default: any queue). A queue is prefetched only as far as every pipeline that may serve it allows.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"kind: expected 1 to 64 characters of A-Z, a-z, 0-9, '_', '-' and '.', got {kind!r}")
    if not 0 <= prefetch <= 10_000:
        raise ValueError(f"prefetch: expected 0 to 10000 jobs, got {prefetch!r}")

    def declare(target: T) -> T:
        steps = tuple(_step_names(target)) if isinstance(target, type) else ()
        if isinstance(target, type) and not steps:
            raise TypeError(f"{target.__name__} has no @step method")
        setattr(target, _SPEC, _PipelineSpec(kind, prefetch, queues, steps))
        return target

    return declare


def bind(target: object) -> BoundPipeline:
    """The pipeline that `target`, an instance of a @pipeline class or a @pipeline function, stands for."""
    spec = getattr(target, _SPEC, None)
    if spec is None or isinstance(target, type):
        raise TypeError(f"expected an instance of a @pipeline class or a @pipeline function, got {target!r}")
    if not spec.steps:
        assert callable(target)
        return BoundPipeline(
            spec.kind, spec.prefetch, spec.queues, (_anonymous(target),), durable=False, result=None, failure=None
        )
    return BoundPipeline(
        spec.kind,
        spec.prefetch,
        spec.queues,
        tuple(_bound_step(target, name) for name in spec.steps),
        durable=True,
        result=getattr(target, "result", None),
        failure=getattr(target, "failure", None),
    )


def _step_names(cls: type) -> list[str]:
    """The steps of a class and its bases, each at the place where it was first defined."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        names |= {name: None for name, value in vars(base).items() if hasattr(value, _STEP)}
    return list(names)


def _anonymous(function: Callable[..., Any]) -> BoundStep:
    return BoundStep("", function, inspect.iscoroutinefunction(function), None, None)


def _bound_step(instance: object, name: str) -> BoundStep:
    method = getattr(instance, name)
    options: _StepOptions = getattr(method, _STEP)
    when = options.when
    enters = (lambda run: bool(when(instance, run))) if when else None
    is_async = inspect.iscoroutinefunction(method)
    return BoundStep(name, method, is_async, options.timeout, enters, options.uninterrupted, options.announced)
