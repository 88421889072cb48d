"""What the two faces of a database queue share: how they are connected, and what becomes of one that is thrown away."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from jobline.calls import DEFAULT_DEADLINE, Calls
from jobline.channel import grpc_loop
from jobline.database_queue.desk import Desk
from jobline.runtime import Settings

__all__ = ["Face"]

_WHY_A_TOKEN = "a database queue needs an operator's service token; start `jobline up`, or set it"


class Face:
    """A queue object: its desk in the gRPC loop."""

    def __init__(
        self,
        addresses: str | Sequence[str] | None = None,
        token: str | None = None,
        *,
        deadline: float = DEFAULT_DEADLINE,
    ) -> None:
        """Raises SettingsError when neither an argument, nor a setting, nor an embedded stack says where to go."""
        self._loop = grpc_loop()
        self._desk = Desk(_calls(addresses, token), deadline)
        # Renewing the leases of an object that is gone would keep its jobs from everybody.
        weakref.finalize(self, self._loop.post, self._desk.abandon).atexit = False


def _calls(addresses: str | Sequence[str] | None, token: str | None) -> Calls:
    settings = Settings()
    if not addresses:
        addresses = settings.queue_addresses()
    if not token:
        token = settings.require("JOBLINE_TOKEN", settings.endpoints.operator_token, _WHY_A_TOKEN)
    return Calls((addresses,) if isinstance(addresses, str) else addresses, token)
