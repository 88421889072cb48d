"""SMS, WhatsApp and Messenger through Twilio: `POST {url}/2010-04-01/Accounts/{sid}/Messages.json`, a form and basic auth.

Twilio's Messages API has no place for an id of ours: neither an idempotency key nor a field of free use is documented.
So a run that was lost after Twilio had taken the message may send it a second time.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

import httpx

from jobline_worker.providers.http import Answer
from jobline_worker.providers.messages import SEND_SECONDS, SMS, TEXT_CHANNELS, Message, Receipt
from jobline_worker.providers.messages.api import MessageApi, fields
from jobline_worker.providers.messages.mail_address import LINE_BREAKERS

__all__ = ["TwilioAccount", "TwilioMessenger", "read_senders"]

_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")

#: The key of the sender that serves every channel without one of its own.
_ANY = ""


@dataclass(frozen=True)
class TwilioAccount:
    """`senders` is what `read_senders` reads; without one, Twilio has to know whom a message is from."""

    url: str
    sid: str
    token: str = field(repr=False)
    senders: Mapping[str, str] = field(default_factory=dict)


class TwilioMessenger:
    """One Twilio account. `timeout` is the limit of one message in seconds."""

    def __init__(self, client: httpx.AsyncClient, account: TwilioAccount, timeout: float = SEND_SECONDS) -> None:
        pair = base64.b64encode(f"{account.sid}:{account.token}".encode()).decode("ascii")
        self._client = client
        self._account = account
        self._authorization = f"Basic {pair}"
        self._api = MessageApi(client, "Twilio", (account.token, pair), timeout)

    async def send(self, message: Message) -> Receipt:
        """Returns once Twilio has queued the message. Raises DeliveryError."""
        request = self._client.build_request(
            "POST",
            f"{self._account.url}/2010-04-01/Accounts/{quote(self._account.sid, safe='')}/Messages.json",
            data={
                "To": _prefixed(message.channel, message.recipient.strip()),
                "Body": message.body,
                **self._sender(message.channel),
            },
            headers={"Authorization": self._authorization},
        )
        answer = await self._api.ask(request)
        if not 200 <= answer.status < 300:
            raise self._api.refused(answer, _said(answer))
        sid = fields(answer).get("sid")
        if isinstance(sid, str) and sid:
            return Receipt("twilio", sid)
        # 201 is "created": whatever else it says, trying again might send a second one. Any other answer without a sid was
        # not Twilio's: a wrong address in the setting must not count as sent.
        if answer.status == HTTPStatus.CREATED:
            return Receipt("twilio", "")
        raise self._api.failed(f"HTTP {answer.status} without the sid of a message")

    def _sender(self, channel: str) -> dict[str, str]:
        sender = self._account.senders.get(channel) or self._account.senders.get(_ANY)
        if not sender:
            return {}
        if _SERVICE.fullmatch(sender):
            return {"MessagingServiceSid": sender}
        return {"From": _prefixed(channel, sender)}


def read_senders(value: str) -> dict[str, str]:
    """Reads JOBLINE_TWILIO_FROM: `sender` for every channel and `channel:sender` for one, comma-separated.

    A sender is a number, a name or a messaging service. Raises ValueError that says what was expected.
    """
    senders: dict[str, str] = {}
    for entry in value.split(","):
        before, colon, after = entry.strip().partition(":")
        channel, sender = (before, after.strip()) if colon else (_ANY, before)
        known = channel in (_ANY, *TEXT_CHANNELS) and bool(channel) == bool(colon)
        if not known or not sender or channel in senders or LINE_BREAKERS.search(sender):
            raise ValueError(
                "expected a number or messaging service, and at most one channel:sender "
                f"for each of {', '.join(TEXT_CHANNELS)}, comma-separated"
            )
        senders[channel] = sender
    return senders


def _prefixed(channel: str, address: str) -> str:
    """The address in Twilio's spelling, which names the channel of all but phone numbers."""
    prefix = "" if channel == SMS else f"{channel}:"
    return address if address.startswith(prefix) else prefix + address


def _said(answer: Answer) -> str:
    """Twilio's words: `message`, and the number under which its documentation explains it."""
    told = fields(answer)
    message, code = told.get("message"), told.get("code")
    if not isinstance(message, str) or not message:
        return ""
    return f"{message} (code {code})" if isinstance(code, int) else message
