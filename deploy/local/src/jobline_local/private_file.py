"""Small JSON files that only their owner may read, replaced in one step so that a reader never sees half of one."""

import json
import os
from pathlib import Path
from typing import Any


def write_private_json(path: Path, content: Any) -> None:
    """Writes `content` to `path` with mode 0600, durably and atomically."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
