"""Picking listen ports.

Between the pick and the moment when a server listens, the system does not know that the port is meant for somebody.
"""

import socket
import subprocess
import sys
from contextlib import ExitStack, suppress

from jobline_local.ports import free_port

PICK = "from jobline_local.ports import free_port; print(*(free_port() for _ in range(16)))"
"""More ports than a stack takes."""


def test_a_process_picks_no_port_twice_though_nothing_listens_yet() -> None:
    picked = [free_port() for _ in range(300)]
    assert len(set(picked)) == len(picked)


def test_processes_that_start_side_by_side_pick_different_ports() -> None:
    processes = [subprocess.Popen([sys.executable, "-c", PICK], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    picked = [port for process in processes for port in process.communicate(timeout=60)[0].split()]
    assert len(picked) == 64
    assert len(set(picked)) == len(picked)


def test_a_taken_port_is_passed_over() -> None:
    last = free_port()
    following = range(last + 1, last + 6)
    with ExitStack() as listening:
        for port in following:
            with suppress(OSError):  # somebody else has taken it: as good
                listening.enter_context(socket.create_server(("127.0.0.1", port)))
        assert free_port() not in following
