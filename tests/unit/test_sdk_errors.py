"""Every refusal of the contract has its own exception."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata

from jobline import errors
from jobline.v1 import error_reason_pb2

FIRST_REASON_OF_RUNS = 60


def rpc_error(status: grpc.StatusCode, *details: object, message: str = "no") -> AioRpcError:
    rich = status_pb2.Status(code=status.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        rich.details.append(packed)
    trailing = Metadata(("grpc-status-details-bin", rich.SerializeToString()))
    return AioRpcError(status, Metadata(), trailing, details=message)


def test_every_reason_of_a_call_has_an_exception():
    names = {
        value.name.removeprefix("ERROR_REASON_")
        for value in error_reason_pb2.ErrorReason.DESCRIPTOR.values
        if 0 < value.number < FIRST_REASON_OF_RUNS
    }
    assert names == set(errors._BY_REASON)


@pytest.mark.parametrize("reason", sorted(errors._BY_REASON))
def test_the_reason_decides_whatever_the_status(reason: str):
    info = error_details_pb2.ErrorInfo(reason=reason, domain="jobline", metadata={"state": "running"})
    error = errors.from_rpc_error(rpc_error(grpc.StatusCode.UNKNOWN, info))
    assert type(error) is errors._BY_REASON[reason]
    assert error.reason == reason


def test_violations_name_the_fields():
    violation = error_details_pb2.BadRequest.FieldViolation(field="jobs[3].kind", description="must be set")
    error = errors.from_rpc_error(
        rpc_error(
            grpc.StatusCode.INVALID_ARGUMENT,
            error_details_pb2.ErrorInfo(reason="INVALID_FIELD", domain="jobline"),
            error_details_pb2.BadRequest(field_violations=[violation]),
        )
    )
    assert isinstance(error, errors.InvalidField)
    assert error.violations == (errors.FieldViolation("jobs[3].kind", "must be set"),)


def test_a_wrong_state_tells_which_state_the_job_is_in():
    info = error_details_pb2.ErrorInfo(reason="ILLEGAL_TRANSITION", domain="jobline", metadata={"state": "running"})
    error = errors.from_rpc_error(rpc_error(grpc.StatusCode.FAILED_PRECONDITION, info))
    assert isinstance(error, errors.WrongState)
    assert error.state == "running"


def test_an_error_tells_how_long_the_service_asks_to_wait():
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    assert errors.from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE, retry)).retry_after == 1.5
    assert errors.from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE)).retry_after == 0.0


def test_a_reason_of_another_domain_is_not_taken_for_ours():
    info = error_details_pb2.ErrorInfo(reason="STALE_LEASE", domain="example.org")
    assert type(errors.from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE, info))) is errors.Unavailable


def test_a_call_cut_off_by_a_server_that_stops_is_a_service_that_was_not_there():
    assert type(errors.from_rpc_error(rpc_error(grpc.StatusCode.CANCELLED))) is errors.Unavailable


def test_details_that_cannot_be_read_leave_the_status_to_decide():
    broken = AioRpcError(
        grpc.StatusCode.NOT_FOUND, Metadata(), Metadata(("grpc-status-details-bin", b"\xff\xff")), details="gone"
    )
    error = errors.from_rpc_error(broken)
    assert isinstance(error, errors.NotFound)
    assert str(error) == "gone"
