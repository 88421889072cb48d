"""Cuts records into the chunks in which they travel: a job's records are more than one message may hold.

They are cut when the next message is to be sent, in the event loop: a chunk is as large as one may be only for a record that
needs it, so that a chunk of a hundred thousand little ones keeps nobody waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["MAX_RECORD", "SEVERAL", "chunks"]

#: Bytes of one JSON array, as the contract has it (`InputChunk`).
MAX_CHUNK = 512 * 1024
#: Bytes of one value: it must fit into an array of its own.
MAX_RECORD = MAX_CHUNK - len("[]")
#: Bytes of several values together.
SEVERAL = 128 * 1024


def chunks(records: Iterable[bytes]) -> Iterator[str]:
    """JSON arrays of the values in `records`, in their order: each as JSON in UTF-8, of at most MAX_RECORD bytes."""
    held: list[bytes] = []
    size = 0
    for record in records:
        if held and size + len(record) > SEVERAL:
            yield _array(held)
            held, size = [], 0
        held.append(record)
        size += len(record) + len(",")
    if held:
        yield _array(held)


def _array(values: Iterable[bytes]) -> str:
    return f"[{b','.join(values).decode()}]"
