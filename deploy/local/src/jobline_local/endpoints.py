"""`endpoints.json`: how everything on this machine finds a running stack."""

import json
from dataclasses import asdict
from pathlib import Path

from jobline.runtime import Endpoints
from jobline_local.private_file import write_private_json


def publish(endpoints: Endpoints, path: Path) -> None:
    """Writes them to `path`, readable by the owner only."""
    write_private_json(path, asdict(endpoints))


def ready_document(endpoints: Endpoints) -> str:
    """The same for scripts: one JSON object."""
    return json.dumps({"gateway": endpoints.gateway, "queue": endpoints.queue, "worker": endpoints.worker})


def ready_line(endpoints: Endpoints) -> str:
    """What `jobline up` prints once everything answers."""
    return f"ready gateway={endpoints.gateway} queue={endpoints.queue} worker={endpoints.worker}"
