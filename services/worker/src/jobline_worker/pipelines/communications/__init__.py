"""The pipeline of the queue of messages: one message, handed over to whoever delivers on its channel."""

from jobline_worker.pipelines.communications.pipeline import SendMessage

__all__ = ["SendMessage"]
