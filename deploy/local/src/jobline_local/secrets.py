"""Passwords and service tokens of one data directory: made once, kept across restarts, mode 0600.

The secret that signs user tokens is not among them: a development secret exists for that.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jobline_local.errors import StackError
from jobline_local.private_file import write_private_json
from jobline_local.settings import ROLES


def _random() -> str:
    """192 bits in the alphabet of URLs, so that no place that embeds it has to escape it."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Secrets:
    """What the stack's parts prove themselves to each other with."""

    postgres_superuser: str = field(default_factory=_random)
    postgres: str = field(default_factory=_random)
    valkey: str = field(default_factory=_random)
    tokens: Mapping[str, str] = field(default_factory=lambda: {role: _random() for role in ROLES})


def load_or_create(path: Path) -> Secrets:
    """Reads the secrets at `path`, or generates and stores them.

    Raises:
        StackError: the file is there but is not what this module writes.
    """
    try:
        return Secrets(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        created = Secrets()
        write_private_json(path, asdict(created))
        return created
    except (ValueError, TypeError) as error:
        raise StackError(f"{path}: not a secrets file of Jobline ({error}); `make clean` starts anew") from error
