"""gRPC reads its switches when it is imported, so `jobline`, which sets them, comes first in every program."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.processes import clean_environ

PROGRAMS = ("jobline.cli.main", "jobline_local.up", "jobline_queue.app", "jobline_worker.app", "jobline_gateway.app")
ORDER = """
import importlib, os, sys
importlib.import_module(sys.argv[1])
names = list(sys.modules)
print(names.index("jobline") < names.index("grpc"), os.environ["GRPC_ENABLE_FORK_SUPPORT"])
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_switches_gRPCs_fork_handlers_off_before_it_imports_gRPC(program: str):
    argv = (sys.executable, "-c", ORDER, program)
    told = subprocess.run(argv, env=clean_environ(), capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == ["True", "false"]
