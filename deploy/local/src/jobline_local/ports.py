"""Listen ports: which are free, and an error that names the setting when one is not."""

import errno
import itertools
import os
import socket

from jobline_local.errors import StackError

_CANDIDATES = range(15_000, 30_000)
"""Below the ports that systems lend to outgoing connections (32768 and up on Linux, 49152 on macOS), so that a port
picked here is still free a moment later, and free again when a killed server comes back to it."""

_STRIDE = 9_271
"""The candidates' number over the golden ratio, and prime to it: processes whose ids are close begin far apart, so that
their walks do not soon meet (Fibonacci hashing: D. Knuth, The Art of Computer Programming, vol. 3, section 6.4)."""

_next = itertools.cycle(_CANDIDATES)
"""Walks on with every pick: a port is in no one's use until its server listens, so picking must remember."""
next(itertools.islice(_next, os.getpid() * _STRIDE % len(_CANDIDATES), None))


def free_port(host: str = "127.0.0.1") -> int:
    """A port on `host` that nothing listens on, and that this process has not picked before.

    Raises:
        StackError: 200 ports in a row were taken.
    """
    for port in itertools.islice(_next, 200):
        if _bind_error(host, port) is None:
            return port
    raise StackError(f"found no free port on {host} between {_CANDIDATES.start} and {_CANDIDATES.stop}")


def resolve_port(setting: str, host: str, port: int) -> int:
    """The configured port, or a free one for 0.

    Raises:
        StackError: naming `setting` (or JOBLINE_HOST) when the address cannot be listened on.
    """
    failure = _bind_error(host, port)
    if failure is None:
        return port or free_port(host)
    if failure.errno == errno.EADDRINUSE:
        raise StackError(f"{setting}: port {port} on {host} is already in use; set another port, or 0 for a free one")
    if failure.errno == errno.EACCES:
        raise StackError(f"{setting}: this user may not listen on port {port}; set a port from 1024 on")
    raise StackError(f"JOBLINE_HOST: cannot listen on {host!r}: {failure.strerror or failure}")


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # The servers set it too: a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None
