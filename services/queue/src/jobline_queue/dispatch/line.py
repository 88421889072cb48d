"""Things in the order of their ranks: what every order of the dispatcher is made of.

A list of sorted chunks. What comes last is appended, what comes first is cut off in one slice, and everything between is a
binary search and a short move in one chunk; so it costs 8 bytes a thing and next to nothing where jobs come and go in
order. (`sortedcontainers.SortedKeyList` keeps every rank in a second list, takes from the front one by one, and weighs
700 bytes when it holds one job: too much where a queue has a million concurrency keys.)

Costs, for n things: add and remove O(log n) and a move of at most CHUNK pointers, first and take O(1) a thing,
before O(log n + n / CHUNK), which is 10 µs for a million.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, ClassVar, Generic, Protocol, TypeVar

#: The most things of a chunk; a full one is halved.
CHUNK = 2000
#: So many things are found one by one sooner than by a look through their chunk.
FEW = 16


class Ranked(Protocol):
    @property
    def rank(self) -> Any:
        """Comparable, different from that of any other thing, and the same as long as the thing is in a line."""


T = TypeVar("T", bound=Ranked)


class Line(Generic[T]):
    """Lowest rank first."""

    __slots__ = ("_chunks", "_size")
    #: A subclass may sort by something else.
    _rank_of: ClassVar[attrgetter[Any]] = attrgetter("rank")

    def __init__(self) -> None:
        #: None is empty.
        self._chunks: list[list[T]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._chunks)

    @property
    def first(self) -> T | None:
        return self._chunks[0][0] if self._chunks else None

    def add(self, thing: T) -> None:
        self._size += 1
        chunks = self._chunks
        if not chunks:
            chunks.append([thing])
            return
        rank_of = self._rank_of
        rank = rank_of(thing)
        if rank_of(chunks[-1][-1]) < rank:
            at = len(chunks) - 1
            chunks[at].append(thing)
        else:
            at = self._chunk_of(rank)
            insort(chunks[at], thing, key=rank_of)
        if len(chunks[at]) > CHUNK:
            chunks.insert(at + 1, chunks[at][CHUNK // 2 :])
            del chunks[at][CHUNK // 2 :]

    def remove(self, thing: T) -> bool:
        """Takes a thing out; False when it was not in."""
        if thing is self.first:
            self.take(1)
            return True
        rank = self._rank_of(thing)
        at = self._chunk_of(rank)
        if at == len(self._chunks):
            return False
        chunk = self._chunks[at]
        index = bisect_left(chunk, rank, key=self._rank_of)
        if chunk[index] is not thing:
            return False
        del chunk[index]
        if not chunk:
            del self._chunks[at]
        self._size -= 1
        return True

    def remove_all(self, things: Sequence[T]) -> None:
        """Takes out things that are in, given by rank: neighbours in one go."""
        rank_of = self._rank_of
        start = 0
        while start < len(things):
            at = self._chunk_of(rank_of(things[start]))
            chunk = self._chunks[at]
            end = bisect_right(things, rank_of(chunk[-1]), start, key=rank_of)
            if end - start < FEW:
                for thing in things[start:end]:
                    self.remove(thing)
            else:
                gone = set(things[start:end])
                self._chunks[at : at + 1] = [kept] if (kept := [thing for thing in chunk if thing not in gone]) else []
                self._size -= len(gone)
            start = end

    def take(self, most: int) -> list[T]:
        """Takes out the first `most` things, or all there are."""
        taken: list[T] = []
        while self._chunks and len(taken) < most:
            chunk = self._chunks[0]
            part = chunk[: most - len(taken)]
            taken += part
            del chunk[: len(part)]
            if not chunk:
                del self._chunks[0]
        self._size -= len(taken)
        return taken

    def at(self, index: int) -> T:
        """The thing behind so many others. Raises IndexError when there are not more."""
        for chunk in self._chunks:
            if index < len(chunk):
                return chunk[index]
            index -= len(chunk)
        raise IndexError(index)

    def before(self, rank: Any) -> int:
        """How many things have a lower rank."""
        return self.before_each((rank,))[0]

    def before_each(self, ranks: Sequence[Any]) -> list[int]:
        """The same for each of many ranks, given in ascending order, in one pass."""
        chunks = self._chunks
        counts = []
        at = passed = 0
        for rank in ranks:
            start, at = at, self._chunk_of(rank, at)
            passed += sum(map(len, chunks[start:at]))
            counts.append(passed + bisect_left(chunks[at], rank, key=self._rank_of) if at < len(chunks) else passed)
        return counts

    def _chunk_of(self, rank: Any, start: int = 0) -> int:
        """The first chunk from `start` that has not only lower ranks; as often as not that one."""
        rank_of = self._rank_of
        if start < len(self._chunks) and not rank_of(self._chunks[start][-1]) < rank:
            return start
        return bisect_left(self._chunks, rank, start, key=lambda chunk: rank_of(chunk[-1]))
