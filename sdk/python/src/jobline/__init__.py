"""Jobline for Python programs: a client, the worker runtime, and what the services share."""

import os

# gRPC's C core reports every ordinary goodbye of a connection on standard error; its errors are raised anyway.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# Without the "event engine", asyncio's poller reads the sockets itself instead of being told by further threads: a call costs
# 0.2 ms and a quarter of its CPU less. gRPC calls such switches experiments, and may drop this one: then it is ignored.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
