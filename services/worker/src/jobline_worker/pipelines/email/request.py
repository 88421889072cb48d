"""What a user submitted for one recipient: the payload of a `generate_email` job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobline.worker import PermanentError

__all__ = ["EmailRequest"]


@dataclass(frozen=True)
class EmailRequest:
    """Values are as submitted, blanks around them included."""

    name: str
    interest: str
    template: str

    @classmethod
    def from_payload(cls, payload: Mapping[str, object]) -> EmailRequest:
        """Reads a job's payload. Raises PermanentError that names the field which is missing or not a text."""
        values = []
        for field in ("recipient_name", "recipient_interest", "email_template"):
            value = payload.get(field)
            if not isinstance(value, str) or not value.strip():
                raise PermanentError(f"the payload's {field} must be a text that is not blank", code="INVALID_PAYLOAD")
            values.append(value)
        return cls(*values)
