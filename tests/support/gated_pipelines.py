"""Pipelines whose runs go on when the test says so."""

import asyncio

from jobline.worker import Json, Run, pipeline, step
from support.eventually import eventually

__all__ = ["Gate", "GatePipeline", "SendPipeline"]


class Gate:
    """A pipeline whose runs wait until the test lets them go on."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.runs: list[Run] = []
        self.at_once = self.most_at_once = 0

    async def entered(self, count: int = 1) -> None:
        await eventually(lambda: len(self.runs) >= count, what=f"{count} runs have begun")

    async def pass_through(self, run: Run) -> None:
        self.runs.append(run)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1


@pipeline("gate")
class GatePipeline(Gate):
    @step
    async def wait(self, run: Run) -> Json:
        await self.pass_through(run)
        return run.payload

    @step
    async def finish(self, run: Run) -> Json:
        return {"seen": run.outputs["wait"]}


@pipeline("send")
class SendPipeline(Gate):
    """Cannot be interrupted while it sends, and asks right before."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.ask = asyncio.Event()
        self.sent: list[Json] = []

    @step
    async def prepare(self, run: Run) -> Json:
        self.asked.set()
        await self.ask.wait()
        await run.confirm()
        return None

    @step(uninterrupted=True)
    async def send(self, run: Run) -> Json:
        await self.pass_through(run)
        self.sent.append(run.payload)
        return "sent"
