"""What a service's log says of answers that could not be sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import grpc
import pytest
from grpc import aio

from jobline.server import MAX_ANSWER, open_server
from support.eventually import eventually

LOGGER = "grpc._cython.cygrpc"


class Answers(grpc.GenericRpcHandler):
    """A method that answers more than may be sent, and one that says two things at once."""

    def service(self, details: Any) -> Any:
        methods = {"/test.Answers/TooLarge": self.too_large, "/test.Answers/AtOnce": self.at_once}
        return grpc.stream_stream_rpc_method_handler(methods[details.method])

    async def too_large(self, requests: Any, context: Any) -> None:
        await context.write(bytes(MAX_ANSWER + 1))

    async def at_once(self, requests: Any, context: Any) -> None:
        await asyncio.gather(context.write(b"one"), context.write(b"two"))


async def logged(method: str, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    server = open_server("127.0.0.1", 0, [])
    server.server.add_generic_rpc_handlers((Answers(),))
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.stream_stream(method)()
            with contextlib.suppress(aio.AioRpcError):
                await call.read()
            await eventually(lambda: said(caplog), what="gRPC logged it")
    finally:
        await server.stop(0)
    (record,) = said(caplog)
    return record


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


async def test_an_answer_that_could_not_be_sent_is_a_warning_of_one_line(caplog: pytest.LogCaptureFixture):
    record = await logged("/test.Answers/TooLarge", caplog)
    assert (record.levelno, record.levelname) == (logging.WARNING, "WARNING")
    assert record.exc_info is None
    assert "[/test.Answers/TooLarge]: the caller is gone, or the answer too large for it" in record.getMessage()


async def test_a_wrong_use_of_a_call_remains_an_error_with_its_traceback(caplog: pytest.LogCaptureFixture):
    record = await logged("/test.Answers/AtOnce", caplog)
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "TOO_MANY_OPERATIONS" in str(record.exc_info[1])
