"""Nothing to do: what the queue service, the worker service and the gateway of `jobline up` use all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import psutil

from benchmarks.house import House
from benchmarks.samples import Sample
from benchmarks.workload import Sizes
from support.processes import StackUnderTest, running_stack
from support.stack import scratch_data_dir

__all__ = ["idle_cpu"]

_MODULES = {"queue service": "jobline_queue", "worker": "jobline_worker", "gateway": "jobline_gateway"}
#: What starting left to do is done by then.
_SETTLE = 5.0


def idle_cpu(_house: House, sizes: Sizes) -> Sample:
    """In percent of one core; the stack has servers of its own."""
    with scratch_data_dir() as data, running_stack(data.root, data.root.parent) as stack:
        services = _services(stack)
        asyncio.run(asyncio.sleep(_SETTLE))
        before = _seconds(services)
        asyncio.run(asyncio.sleep(sizes.idle))
        after = _seconds(services)
        stack.stop()
    used = {name: 100 * (after[name] - before[name]) / sizes.idle for name in services}
    return Sample({("together", "%"): sum(used.values()), **{(name, "%"): value for name, value in used.items()}})


def _services(stack: StackUnderTest) -> Mapping[str, psutil.Process]:
    found = {
        name: process for process in stack.family() for name, module in _MODULES.items() if module in process.cmdline()
    }
    if len(found) != len(_MODULES):
        raise RuntimeError(f"expected the processes {list(_MODULES)}, found {list(found)}")
    return found


def _seconds(services: Mapping[str, psutil.Process]) -> Mapping[str, float]:
    times = {name: process.cpu_times() for name, process in services.items()}
    return {name: each.user + each.system for name, each in times.items()}
