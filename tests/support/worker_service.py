"""The real worker service as a process, and work for it."""

from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from jobline.v1 import email_service_pb2
from jobline.v1.email_service_pb2_grpc import EmailServiceStub
from jobline_local.ports import free_port
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest

__all__ = ["WorkerService", "submit"]


class WorkerService(ProgramUnderTest):
    """The worker service on a free port."""

    def __init__(self, queue_address: str, token: str, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        environ = clean_environ(
            JOBLINE_QUEUE_ADDRESS=queue_address,
            JOBLINE_TOKEN=token,
            JOBLINE_WORKER_PORT=str(self.port),
            JOBLINE_DATA_DIR=str(folder),
            **settings,
        )
        super().__init__(("-m", "jobline_worker", "serve"), environ, folder, "worker")

    def is_healthy(self, service: str = "") -> bool:
        """Whether the service of that name serves; the empty name is the process itself."""
        with grpc.insecure_channel(self.address) as channel:
            check = health_pb2.HealthCheckRequest(service=service)
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(check, timeout=1)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def submit(service: QueueServiceUnderTest) -> str:
    """One e-mail for one recipient, to be written by a worker; the item's id."""
    recipient = email_service_pb2.EmailRecipient(recipient_name="Ada Lovelace", recipient_interest="computing")
    request = email_service_pb2.SubmitEmailsRequest(
        items=[recipient], email_template="Dear {{name}}, your work on {{interest}} is great.", user_id="somebody"
    )
    metadata = (("authorization", f"Bearer {service.operator_token}"),)
    with grpc.insecure_channel(service.address) as channel:
        return str(EmailServiceStub(channel).SubmitEmails(request, metadata=metadata).queue_item_ids[0])
