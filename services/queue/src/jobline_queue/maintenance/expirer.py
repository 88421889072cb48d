"""Removes pending jobs whose queue's `expires_after` has passed."""

from __future__ import annotations

import logging

from jobline_queue.dispatch.acts import RemoveJob
from jobline_queue.dispatch.finisher import Finisher
from jobline_queue.dispatch.term import Term

logger = logging.getLogger(__name__)


class Expirer:
    def __init__(self, term: Term, finisher: Finisher) -> None:
        self._term = term
        self._finisher = finisher

    def run_once(self) -> int:
        """How many jobs have expired since the last round."""
        dispatcher = self._term.dispatcher
        dispatcher.expire()
        expired, dispatcher.expired = dispatcher.expired, []
        for job in expired:
            self._finisher.put(RemoveJob(job.id, "expired", "system", _log_refusal, "older than expires_after"))
        return len(expired)


def _log_refusal(error: Exception | None) -> None:
    if error is not None:
        logger.warning("an expired job could not be removed now: %s", error)
