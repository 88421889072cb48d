"""`send_message`: one hand-over of one message, and nothing that an earlier attempt could have left behind.

It is a single step. Choosing the provider is no step of its own, because outputs of finished steps outlive a failed
attempt, and the next one must go by the settings of its own day. The receipt is the output of the step, so a run that is
lost after it was stored does not send again. There are no tries inside of a run: the job's attempts, minutes apart, are
the retries that people see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jobline.worker import JobFailure, PermanentError, Run, TransientError, pipeline, step
from jobline_worker.providers.messages import Message, Messenger
from jobline_worker.providers.storable import storable

__all__ = ["SendMessage"]


@pipeline("send_message")
class SendMessage:
    """Sends each message by the messenger of its channel. The result is `{"provider", "message_id"}`."""

    def __init__(self, messengers: Mapping[str, Messenger]) -> None:
        self._messengers = messengers

    @step(uninterrupted=True)
    async def send(self, run: Run) -> dict[str, Any]:
        """Not interrupted once it has begun: a provider that has half a message may deliver it, and nobody would know.

        Nor is the job given back by a worker that has to leave meanwhile: the run counts as lost, like that of a worker
        that was killed.
        """
        message = _message(run)
        messenger = self._messengers.get(message.channel)
        if messenger is None:
            raise _invalid("channel")
        await run.confirm()
        return asdict(await messenger.send(message))

    def failure(self, step: str, error: BaseException) -> JobFailure:
        """The provider's own words. An error that is a fault of ours may say anything, so only its kind is told."""
        match error:
            case TransientError() | PermanentError():
                return JobFailure(error.code, str(error), isinstance(error, TransientError))
            case _:
                return JobFailure("INTERNAL", f"internal error ({type(error).__name__})", True)


def _message(run: Run) -> Message:
    """What the payload says. Raises PermanentError that names the field which is missing or of the wrong type."""
    return Message(
        job_id=run.id,
        channel=_text(run.payload, "channel"),
        recipient=_text(run.payload, "recipient_contact"),
        subject="" if run.payload.get("subject") is None else _text(run.payload, "subject"),
        body=_text(run.payload, "body"),
    )


def _text(payload: Mapping[str, object], field: str) -> str:
    value = payload.get(field)
    if not isinstance(value, str):
        raise _invalid(field)
    return storable(value)


def _invalid(field: str) -> PermanentError:
    return PermanentError(f"the payload has no {field} that a message can have", code="INVALID_PAYLOAD")
