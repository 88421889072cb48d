"""A process that was forked from one that used gRPC."""

from __future__ import annotations

import subprocess
import sys

from support.processes import clean_environ

_PROGRAM = """
import os
from jobline.client import JoblineClient
client = JoblineClient("127.0.0.1:1", "a-token")
if os.fork() == 0:
    for made in (lambda: client, lambda: JoblineClient("127.0.0.1:1", "a-token")):
        try:
            made().list_queues()
        except RuntimeError as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_child_is_told_instead_of_waiting_for_ever():
    done = subprocess.run(
        (sys.executable, "-c", _PROGRAM), env=clean_environ(), capture_output=True, text=True, timeout=60, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("forked" in line and "'spawn'" in line for line in lines)
