"""Jobline for Python programs: a client, the worker runtime, and what the services share."""

import os

# gRPC's C core reports every ordinary goodbye of a connection on standard error; its errors are raised anyway.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# Without the "event engine", asyncio's poller reads a server's sockets itself instead of being told by further threads: a
# call costs the service a quarter less CPU. Channels keep it: that poller overlooks a reset that comes right behind other
# bytes, and the call that waits for an answer waits until its deadline. (A server finds out by what it writes next.)
# gRPC calls such switches experiments, and may drop this one: then it is ignored.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")

# gRPC's fork handlers run in a forked child before its program does, and crash about one in twenty when the parent has gRPC
# threads. Nothing here uses gRPC after a fork. Like the others this is read when grpc is imported, and not after.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
