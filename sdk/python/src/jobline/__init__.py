"""Jobline for Python programs: a client, the worker runtime, and what the services share."""

import os

# gRPC's C core reports every ordinary goodbye of a connection on standard error; its errors are raised anyway.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
