"""What the active service has in mind, in lines for its log: asked for by SIGUSR1 when jobs do not move as they should.

`jobline jobs explain` answers for one job. This is the other half: what the claimer waits for, and how the dispatcher counts
the room of every session and of every queue that is not at rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobline_queue.dispatch.claimer import Claimer
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.queue_state import QueueState
from jobline_queue.dispatch.session import Session

#: The last line.
END = "state: that is all"


def inspect(dispatcher: Dispatcher, claimer: Claimer) -> Iterator[str]:
    """One line each. No payloads, no owners: a log is read by many."""
    now, looks = dispatcher.clock.now(), claimer.looks
    at = looks.next_at
    awaited = "a wake-up only" if at is None else f"a wake-up, or {at - now:+.3f} s from now"
    yield f"state: epoch {dispatcher.epoch}, {len(dispatcher.jobs)} live jobs, {dispatcher.held_back} held back"
    yield f"state: the claimer looked {now - looks.at:.3f} s ago and waits for {awaited}"
    for name, state in sorted(dispatcher.queues.items()):
        if state.paused or state.taken or state.delayed or state.ready:
            yield f"state: queue {name}: {_queue(state, now)}"
    for session in dispatcher.sessions.values():
        yield f"state: session {session.name} {session.id}: {_session(session)}"
    yield END


def _queue(state: QueueState, now: float) -> str:
    rate = f", {state.rate.available(now)} starts left of its rate" if state.rate else ""
    return (
        f"{'paused' if state.paused else 'not paused'}, {state.ready} due, {state.delayed} delayed, "
        f"{state.running} running, {len(state.picked)} being claimed{rate}"
    )


def _session(session: Session) -> str:
    flags = {
        "not attached": not session.attached,
        "draining": session.draining,
        "silent": session.silent,
        "stalled": session.stalled_since is not None,
    }
    queues = [
        f"{queue} {session.held.get(queue, 0)} held"
        + (f" ({ending} ending)" if (ending := session.ending.get(queue, 0)) else "")
        + f" of {session.capacity.get(queue, 0)}"
        for queue in sorted(session.queues)
    ]
    words = [name for name, is_so in flags.items() if is_so] or ["attached"]
    return f"{', '.join(words)}; {len(session.outbox.assignments)} unsent; {', '.join(queues)}"
