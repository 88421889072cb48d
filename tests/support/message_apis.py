"""SendGrid and Twilio as far as their documentation says how they answer, for `provider_servers.serve`.

Each checks what the real one checks: path, authentication, the form of the request. What it has taken is in `taken`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from support.provider_servers import Reply, Request

__all__ = ["SendGrid", "Twilio"]


@dataclass
class SendGrid:
    key: str
    taken: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        if (request.method, request.path) != ("POST", "/v3/mail/send"):
            return self.refusal(404, "not found")
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, "The provided authorization grant is invalid, expired, or revoked")
        if request.headers.get("content-type") != "application/json":
            return self.refusal(415, "Content-Type should be application/json.")
        mail = request.json()
        for name in ("personalizations", "from", "subject", "content"):
            if not mail.get(name):
                return self.refusal(400, f"The {name} parameter is required.")
        self.taken.append(mail)
        return Reply(202, headers={"x-message-id": f"sg-{len(self.taken)}"})

    @staticmethod
    def refusal(status: int, *messages: str) -> Reply:
        errors = [{"message": message, "field": None, "help": "https://sendgrid.example/help"} for message in messages]
        return Reply(status, json.dumps({"errors": errors}).encode())


@dataclass
class Twilio:
    sid: str
    token: str
    taken: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        if (request.method, request.path) != ("POST", f"/2010-04-01/Accounts/{self.sid}/Messages.json"):
            return self.refusal(404, 20404, "The requested resource was not found")
        pair = base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return self.refusal(401, 20003, "Authenticate")
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return self.refusal(415, 20415, "Unsupported media type")
        sent = parse_qs(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        form = {name: values[0] for name, values in sent.items() if len(values) == 1}
        if "From" not in form and "MessagingServiceSid" not in form:
            return self.refusal(400, 21603, "A 'From' phone number is required.")
        if not form.get("To") or not form.get("Body"):
            return self.refusal(400, 21604, "A 'To' phone number is required.")
        self.taken.append(form)
        return Reply(201, json.dumps({"sid": f"SM{len(self.taken):032x}", "status": "queued"}).encode())

    @staticmethod
    def refusal(status: int, code: int, message: str) -> Reply:
        body = {"code": code, "message": message, "more_info": "https://twilio.example/docs", "status": status}
        return Reply(status, json.dumps(body).encode())
