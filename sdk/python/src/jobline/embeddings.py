"""How many numbers a vector has. The queue service stores vectors of that length, the worker service makes them."""

from __future__ import annotations

from jobline.runtime import Settings

__all__ = ["DEFAULT_DIMENSIONS", "DIMENSIONS_SETTING", "MAX_DIMENSIONS", "read_dimensions"]

DIMENSIONS_SETTING = "JOBLINE_EMBEDDING_DIMENSIONS"
DEFAULT_DIMENSIONS = 1536
#: What pgvector's HNSW index can hold.
MAX_DIMENSIONS = 2000


def read_dimensions(settings: Settings) -> int:
    """Raises SettingsError for anything but a whole number from 1 to MAX_DIMENSIONS."""
    return settings.parse(DIMENSIONS_SETTING, DEFAULT_DIMENSIONS, _dimensions)


def _dimensions(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_DIMENSIONS:
        raise ValueError(f"expected a whole number from 1 to {MAX_DIMENSIONS}, got {text!r}")
    return int(text)
