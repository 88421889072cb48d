"""Runs the kit against a worker of the caller's: `python -m conformance --worker "node my-worker.mjs"`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description="Try a worker against the worker protocol.")
    parser.add_argument(
        "--worker", help="its command line, started in this folder; without it, the workers of the table"
    )
    arguments, rest = parser.parse_known_args()
    if arguments.worker:
        os.environ["CONFORMANCE_WORKER"] = arguments.worker
    tests = sorted(str(path) for path in HERE.glob("test_worker_*.py"))
    root = HERE.parents[1]
    return int(pytest.main(["--rootdir", str(root), "-c", str(root / "pyproject.toml"), *tests, *rest]))


if __name__ == "__main__":
    sys.exit(main())
