"""What RQ reads from the environment when it is imported; to be set before that, and handed down to the horses."""

from __future__ import annotations

import os
import time


def prepare() -> None:
    """Keeps RQ's keys apart from those of others on the same Redis, and has it read cron strings in UTC.

    RQ takes a cron string for local time, in which an hour is left out and another one comes twice a year.
    """
    os.environ |= {"RQ_KEY_PREFIX": "jobline-chores", "TZ": "UTC"}
    time.tzset()
