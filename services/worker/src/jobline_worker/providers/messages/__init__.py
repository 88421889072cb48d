"""Handing one message to a customer over to whoever delivers it: a mail server, an HTTP API, or our own outbox.

One folder for all channels, because everything but the dialect is shared: what a message is, what a receipt is, how a
failure reads, and which words of a provider may be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["EMAIL", "SEND_SECONDS", "SMS", "TEXT_CHANNELS", "Message", "Messenger", "Receipt"]

EMAIL = "email"
SMS = "sms"

#: The channels that go to a phone or a messenger.
TEXT_CHANNELS = (SMS, "whatsapp", "messenger")

#: The limit of one hand-over in seconds, from the first packet to the provider's last word.
SEND_SECONDS = 30.0


@dataclass(frozen=True)
class Message:
    """What is to be sent. `job_id` names it towards the provider, the same on every attempt; `subject` may be empty."""

    job_id: str
    channel: str
    recipient: str
    subject: str
    body: str


@dataclass(frozen=True)
class Receipt:
    """Who has taken the message, and what that provider calls it."""

    provider: str
    message_id: str


class Messenger(Protocol):
    async def send(self, message: Message) -> Receipt:
        """Hands the message over once. Raises DeliveryError, whose text is fit for people; it may be tried again."""
        ...
