"""A name server in memory, for tests of what may be connected to."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["PUBLIC_HOST", "Resolver", "names"]

#: A name that leads to loopback, where the servers of the tests live. Tests allow it by name.
PUBLIC_HOST = "public.test"

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


def names(**answers: Sequence[str]) -> Resolver:
    """Knows public.test (loopback) and what else it is told, by the first label."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        known = {"public": ["127.0.0.1"], **answers}
        label = host.split(".")[0]
        if label not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known[label]

    return resolve
