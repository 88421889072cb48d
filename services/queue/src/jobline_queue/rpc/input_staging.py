"""Takes in the input of one call: checks each chunk as it comes and stores it before the next one is read.

Chunks are packed into parts as large as a chunk may be, so a thousand tiny ones are no thousand rows, and no call keeps
more than a part and a chunk in memory. Everything is stored under an id of the staging's own: two calls that say the same,
at once or after each other, cannot touch each other's rows, nor those of a job that exists.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from typing import Any

import orjson

from jobline_queue.core.errors import InvalidField, TooLarge, invalid
from jobline_queue.core.job_input import MAX_CHUNK_BYTES, MAX_INPUT_BYTES, InputPart, InputStore, StagedInput
from jobline_queue.core.json_text import check_json, flat
from jobline_queue.dispatch.hooks import InputCheck

logger = logging.getLogger(__name__)

_WHITE_SPACE = b" \t\n\r"


class InputStaging:
    """The input of one call on its way in.

    `values` is the name under which refusals number the values of the whole call (`records[17]`); without it they number
    the chunks, and the values in them (`chunks[2]`, `chunks[2][17]`).
    """

    def __init__(self, store: InputStore, check: InputCheck | None, values: str = "") -> None:
        self._store = store
        self._check = check
        self._values = values
        self._id = str(uuid.uuid4())
        self._digest = hashlib.sha256()
        self._chunks = self._bytes = 0
        self._parts = self._staged_items = self._items = 0
        #: The texts of values that wait for a full part, a comma before each chunk's. Bytes, for a list of tiny texts would
        #: take many times their size.
        self._pending = bytearray()

    async def add(self, text: str) -> None:
        """Takes the next chunk. Raises InvalidField or TooLarge."""
        values = self._checked(text)
        encoded = text.encode()
        self._bytes += len(encoded)
        if self._bytes > MAX_INPUT_BYTES:
            raise TooLarge(f"{self._values or 'chunks'}: expected at most {MAX_INPUT_BYTES} bytes in all")
        if len(self._pending) + len(encoded) > MAX_CHUNK_BYTES:
            await self._flush()
        self._pending += b"," + encoded.strip(_WHITE_SPACE)[1:-1]
        self._digest.update(b"," + orjson.dumps(values, option=orjson.OPT_SORT_KEYS)[1:-1])
        self._chunks += 1
        self._items += len(values)

    async def finish(self) -> StagedInput:
        """Stores what is left. Raises InvalidField when there was no chunk."""
        if not self._items:
            raise invalid(self._values or "chunks", "expected 1 or more values")
        await self._flush()
        return StagedInput(self._id, self._parts, self._items, self._digest.hexdigest())

    async def discard(self) -> None:
        """Removes what was stored and is no job's. What cannot be removed now, the sweep finds later."""
        try:
            await self._store.discard(self._id)
        except Exception as error:
            logger.warning("a staged input could not be removed now: %s", type(error).__name__)

    async def _flush(self) -> None:
        if self._pending:
            items = self._items - self._staged_items
            part = InputPart(self._parts, self._staged_items, items, f"[{self._pending[1:].decode()}]")
            await self._store.stage(self._id, part)
            self._parts += 1
            self._staged_items = self._items
            self._pending.clear()

    def _checked(self, text: str) -> list[Any]:
        name = f"{self._values}[{self._items}]" if self._values else f"chunks[{self._chunks}]"
        try:
            values = check_json(name, text, MAX_CHUNK_BYTES)
        except InvalidField as error:
            if not self._values:
                raise
            raise invalid(self._culprit(text), error.problems[0].expected) from None
        if not isinstance(values, list) or not values:
            raise invalid(name, "expected a JSON array of 1 or more values")
        if self._check is not None:
            first, path = (self._items, self._values) if self._values else (0, name)
            self._check(values, first, path)
        return values

    def _culprit(self, text: str) -> str:
        """The name of the first value for which a chunk was refused; where that cannot be told, of the chunk's first one.

        Looked for in ever smaller halves, which costs little more than the check of the chunk itself.
        """
        try:
            values = json.loads(text, object_pairs_hook=lambda pairs: tuple(flat(pairs)))
        except (ValueError, RecursionError):
            values = None
        number = self._items
        if isinstance(values, list) and not _passes(values):
            while len(values) > 1:
                half = len(values) // 2
                if _passes(values[:half]):
                    number, values = number + half, values[half:]
                else:
                    values = values[:half]
        return f"{self._values}[{number}]"


def _passes(values: list[Any]) -> bool:
    try:
        check_json("", json.dumps(values), MAX_INPUT_BYTES)
    except (InvalidField, RecursionError):
        return False
    return True
