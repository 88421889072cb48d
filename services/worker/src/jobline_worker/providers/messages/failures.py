"""How a failed delivery reads. Support staff see these sentences next to the message, and tools look for their start.

Every one is worth another attempt: the job's own budget decides when it is enough, not the provider's opinion of today.
"""

from __future__ import annotations

from jobline.worker import TransientError
from jobline_worker.providers.errors import excerpt

__all__ = ["DeliveryError", "DeliveryFailed", "DeliveryTimeout"]

#: What a job's `lastError` can hold, in characters.
_MAX_LENGTH = 1000


class DeliveryError(TransientError):
    """The provider did not say that it has taken the message. It may have taken it all the same."""


class DeliveryFailed(DeliveryError):
    """`{provider} error: {said}`: one line of at most 1000 characters without control characters or `secrets`."""

    def __init__(self, provider: str, said: str, *secrets: str) -> None:
        prefix = f"{provider} error: "
        super().__init__(prefix + excerpt(said, *secrets, length=_MAX_LENGTH - len(prefix)))


class DeliveryTimeout(DeliveryError):
    """No final word within the limit. Clients look for this very text."""

    def __init__(self) -> None:
        super().__init__("Connection timeout")
