"""Looks at the lists of several users as fast as it can, and keeps what they said at one and the same moment.

Two lists are two calls. They are of one moment when the first user's list is the same before and after the second's: no
item of the first moved meanwhile, and then none did that the first user's list depends on.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from support.rest_stack import User

__all__ = ["Item", "ListWatch", "watching"]

Item = dict[str, Any]


class ListWatch:
    """What was seen so far.

    `lists` has each answer of each user, `moments` the items of all users together where they are of one moment,
    `processing` how many items were, by SQL, at each look.
    """

    def __init__(self, users: Sequence[User], database_url: str) -> None:
        self.lists: list[list[Item]] = []
        self.moments: list[list[Item]] = []
        self.processing: list[int] = []
        self._first, *self._others = users
        self._database_url = database_url
        self._looked = threading.Condition()
        self._looks = 0
        self._stopped = False

    def stop(self) -> None:
        with self._looked:
            self._stopped = True
            self._looked.notify_all()

    def wait_for_a_look(self) -> None:
        """Returns when the look that is under way has ended; at once when the watch has."""
        with self._looked:
            enough = self._looks + 1
            self._looked.wait_for(lambda: self._stopped or self._looks >= enough, timeout=30)

    def run(self) -> None:
        try:
            with psycopg.connect(self._database_url, autocommit=True) as connection:
                while not self._stopped:
                    self._look(connection)
        finally:
            self.stop()

    def _look(self, connection: psycopg.Connection[tuple[int]]) -> None:
        before = self._first.items()
        others = [user.items() for user in self._others]
        after = self._first.items()
        self.lists += [before, *others, after]
        if before == after:
            self.moments.append([*before, *itertools.chain.from_iterable(others)])
        count = b"SELECT count(*) FROM public.queue_items WHERE status = 'processing'"
        ((processing,),) = connection.execute(count).fetchall()
        self.processing.append(processing)
        with self._looked:
            self._looks += 1
            self._looked.notify_all()


@contextlib.contextmanager
def watching(users: Sequence[User], database_url: str) -> Iterator[ListWatch]:
    """Watches while the block lasts. Raises what the watcher met."""
    watch = ListWatch(users, database_url)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(watch.run)
        try:
            yield watch
        finally:
            watch.stop()
        running.result()
