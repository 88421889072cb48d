"""Where the monitor is served."""

from __future__ import annotations

__all__ = ["API", "ASSETS", "BASE", "SESSION", "leads_back"]

BASE = "/admin/queue-monitor"
API = f"{BASE}/api"
ASSETS = f"{BASE}/assets"
SESSION = "/admin/session"

MAX_ADDRESS = 2048


def leads_back(address: str) -> str:
    """`address` where it is one of the monitor's pages, with its query; else the monitor's first page.

    It comes from the browser, and whoever writes a link could lead people elsewhere with it.
    """
    own = address == BASE or address.startswith(f"{BASE}?")
    return address if own and len(address) <= MAX_ADDRESS and address.isascii() and address.isprintable() else BASE
