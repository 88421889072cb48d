"""A server that dies while a call waits for its answer: what it sent last and the reset of the connection come together.

gRPC must not overlook the second of the two (`jobline/__init__.py`). The server here speaks just enough HTTP/2 for that.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import grpc
import pytest

from jobline.channel import grpc_loop, open_channel

#: Empty SETTINGS, and a WINDOW_UPDATE of one byte, which nobody answers.
SETTINGS = bytes.fromhex("000000040000000000")
WINDOW_UPDATE = bytes.fromhex("00000408000000000000000001")
QUESTION = b"what a call asks"
#: Now and then the client reads before the reset has come: one round of eight, on a machine at rest.
ROUNDS = 20


@contextlib.contextmanager
def dying_server() -> Iterator[str]:
    """The address of a server that dies of every call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening,), daemon=True).start()
        host, port = listening.getsockname()
        yield f"{host}:{port}"


def _serve(listening: socket.socket) -> None:
    for _ in range(ROUNDS):
        connection, _ = listening.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with connection:
            connection.sendall(SETTINGS)
            received = b""
            while QUESTION not in received and (more := connection.recv(65536)):
                received += more
            connection.sendall(WINDOW_UPDATE)


async def call(address: str) -> None:
    async with open_channel(address) as channel:
        await channel.unary_unary("/any/Call")(QUESTION, timeout=10)


def test_a_call_ends_when_its_connection_is_reset_right_behind_other_bytes() -> None:
    with dying_server() as address:
        for _ in range(ROUNDS):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                grpc_loop().wait(call(address))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
