"""E-mail through SendGrid's v3 API: `POST {url}/v3/mail/send` with a bearer key, 202 when the mail is taken.

Our Message-ID goes along as a header (it is not among those that SendGrid keeps for itself) and the job's id as a custom
argument, which comes back in SendGrid's events. SendGrid itself does not drop a message that it gets twice; the
receiver's mail program can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from jobline_worker.providers.http import Answer
from jobline_worker.providers.messages import SEND_SECONDS, Message, Receipt
from jobline_worker.providers.messages.api import MessageApi, fields
from jobline_worker.providers.messages.mail import message_id, subject_line
from jobline_worker.providers.messages.mail_address import MailAddress, Sender

__all__ = ["SendGridAccount", "SendGridMessenger"]

#: SendGrid refuses mails without a subject; the surface allows them.
_NO_SUBJECT = "(no subject)"


@dataclass(frozen=True)
class SendGridAccount:
    url: str
    api_key: str = field(repr=False)


class SendGridMessenger:
    """One SendGrid account. `timeout` is the limit of one message in seconds."""

    def __init__(
        self, client: httpx.AsyncClient, account: SendGridAccount, sender: Sender, timeout: float = SEND_SECONDS
    ) -> None:
        self._client = client
        self._account = account
        self._sender = sender
        self._api = MessageApi(client, "SendGrid", (account.api_key,), timeout)

    async def send(self, message: Message) -> Receipt:
        """Returns once SendGrid has taken the message. Raises DeliveryError."""
        try:
            recipient = MailAddress.parse(message.recipient)
        except ValueError as error:
            raise self._api.failed(str(error)) from error
        request = self._client.build_request(
            "POST",
            f"{self._account.url}/v3/mail/send",
            json=self._mail(message, recipient),
            headers={"Authorization": f"Bearer {self._account.api_key}"},
        )
        answer = await self._api.ask(request)
        # No other status will do: a wrong address in the setting is answered 200 by many a web page.
        if answer.status != HTTPStatus.ACCEPTED:
            raise self._api.refused(answer, _said(answer))
        return Receipt("sendgrid", answer.headers.get("x-message-id") or message_id(message, self._sender))

    def _mail(self, message: Message, recipient: MailAddress) -> dict[str, Any]:
        sender = {"email": self._sender.address.spec}
        if self._sender.name:
            sender["name"] = self._sender.name
        return {
            "personalizations": [{"to": [{"email": recipient.spec}]}],
            "from": sender,
            "subject": subject_line(message.subject) or _NO_SUBJECT,
            "content": [{"type": "text/plain", "value": message.body}],
            "headers": {"Message-ID": message_id(message, self._sender)},
            "custom_args": {"job_id": message.job_id},
        }


def _said(answer: Answer) -> str:
    """SendGrid's words: the texts of `errors[].message`."""
    errors = fields(answer).get("errors")
    listed = errors if isinstance(errors, list) else []
    texts = [error.get("message") for error in listed if isinstance(error, dict)]
    return "; ".join(text for text in texts if isinstance(text, str) and text)
