"""Whose role counts in a business, what it may do there, and that the matrix is data: a change of it holds at once."""

from __future__ import annotations

import itertools
from typing import Any

import grpc
import pytest

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import communication_service_pb2 as pb
from support.communications import Business, new_message
from support.queue_calls import Calls, Refusal, refused
from support.queue_service import QueueServiceUnderTest

#: The matrix of the specification.
ACTIONS = ("view", "viewJobs", "retry", "cancel", "delete", "process", "create")
MATRIX = {
    "Admin": set(ACTIONS),
    "Manager": {"view", "viewJobs", "retry", "cancel", "create"},
    "Support": {"view", "viewJobs", "retry", "create"},
    "User": set(),
}
NUMBERS = {
    "view": pb.ACTION_VIEW,
    "viewJobs": pb.ACTION_VIEW_JOBS,
    "retry": pb.ACTION_RETRY,
    "cancel": pb.ACTION_CANCEL,
    "delete": pb.ACTION_DELETE,
    "process": pb.ACTION_PROCESS,
    "create": pb.ACTION_CREATE,
}
NO_JOB = "00000000-0000-7000-8000-000000000000"
#: Call → the right that it needs, and a request about the business.
CALLS: dict[str, tuple[str, Any]] = {
    "SubmitMessages": ("create", pb.SubmitMessagesRequest(messages=[new_message()])),
    "GetMessageStats": ("view", pb.GetMessageStatsRequest()),
    "GetMessageHealth": ("view", pb.GetMessageHealthRequest()),
    "ListMessages": ("viewJobs", pb.ListMessagesRequest()),
    "ExportMessages": ("viewJobs", pb.ExportMessagesRequest()),
    "GetMessage": ("viewJobs", pb.GetMessageRequest(id=NO_JOB)),
    "ListCommunicationMessages": ("viewJobs", pb.ListCommunicationMessagesRequest()),
    "ListOutbox": ("viewJobs", pb.ListOutboxRequest()),
    "ProcessMessages": ("process", pb.ProcessMessagesRequest()),
    "RetryMessage": ("retry", pb.RetryMessageRequest(id=NO_JOB)),
    "RetryFailedMessages": ("retry", pb.RetryFailedMessagesRequest()),
    "CancelMessage": ("cancel", pb.CancelMessageRequest(id=NO_JOB)),
    "DeleteMessage": ("delete", pb.DeleteMessageRequest(id=NO_JOB)),
}


def rights(calls: Calls, business_id: str) -> set[str]:
    """What these calls may do in a business."""
    return {action for action, number in NUMBERS.items() if _may(calls, business_id, number)}


def _may(calls: Calls, business_id: str, action: Any) -> bool:
    try:
        calls.communications.Authorize(pb.AuthorizeRequest(business_id=business_id, action=action))
    except grpc.RpcError as error:
        refusal = Refusal.of(error)
        assert (refusal.status, refusal.reason) == ("PERMISSION_DENIED", "FORBIDDEN")
        return False
    return True


def call(calls: Calls, name: str, request: Any, business_id: str) -> None:
    about = type(request)()
    about.CopyFrom(request)
    about.business_id = business_id
    answer = getattr(calls.communications, name)(about)
    if name in ("ExportMessages", "ListCommunicationMessages"):
        list(answer)


# ---- whose role ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", MATRIX)
def test_the_role_of_the_token_has_the_rights_of_the_matrix(business: Business, role: str):
    person = business.person("somebody", businesses={business.id: role})
    assert rights(person, business.id) == MATRIX[role]


@pytest.mark.parametrize("role", MATRIX)
def test_a_members_role_has_the_same_rights(business: Business, role: str):
    business.set_member("member", role)
    assert rights(business.person("member"), business.id) == MATRIX[role]


@pytest.mark.parametrize(
    ("role", "as_if"),
    [
        ("admin", "Admin"),
        ("MANAGER", "Manager"),
        ("sUPPORT", "Support"),
        ("Boss", "User"),
        ("", "User"),
        (" Admin", "User"),
        ("ADM\u0130N", "User"),  # a dotted capital I, which some locales lower to i
    ],
)
def test_roles_compare_without_regard_to_case_and_an_unknown_one_is_a_user(business: Business, role: str, as_if: str):
    person = business.person("somebody", businesses={business.id: role})
    assert rights(person, business.id) == MATRIX[as_if]


def test_the_token_goes_before_the_membership(business: Business):
    business.set_member("both", "Admin")
    assert rights(business.person("both", businesses={business.id: "Support"}), business.id) == MATRIX["Support"]
    assert rights(business.person("both", businesses={"another": "Support"}), business.id) == MATRIX["Admin"]


def test_a_role_in_one_business_gives_none_in_another(business: Business, service: QueueServiceUnderTest):
    other = Business(service)
    person = business.person("somebody", businesses={business.id: "Admin", other.id: "Support"})
    assert (rights(person, business.id), rights(person, other.id)) == (MATRIX["Admin"], MATRIX["Support"])
    assert rights(business.calls, other.id) == set()
    other.close()


@pytest.mark.parametrize(("role", "as_if"), [("admin", "Admin"), ("manager", None), ("support", None), ("user", None)])
def test_only_the_platforms_admin_counts_everywhere(business: Business, role: str, as_if: str | None):
    assert rights(business.person("somebody", role=role), business.id) == (MATRIX[as_if] if as_if else set())
    lowered = business.person("somebody", role=role, businesses={business.id: "User"})
    assert rights(lowered, business.id) == (MATRIX[as_if] if as_if else set())


def test_service_tokens_count_as_roles_of_their_own(business: Business, service: QueueServiceUnderTest):
    expected = {
        service.operator_token: MATRIX["Admin"],
        service.producer_token: MATRIX["Manager"],
        service.gateway_token: set(),
    }
    for token, allowed in expected.items():
        assert rights(business.service_calls(token), business.id) == allowed
    with refused("FORBIDDEN"):
        business.service_calls(service.worker_token).communications.GetMessageStats(
            pb.GetMessageStatsRequest(business_id=business.id)
        )


def test_an_anonymous_session_has_no_role(business: Business):
    assert rights(business.person("", session="s"), business.id) == set()


# ---- in which order -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "role"), list(itertools.product(CALLS, MATRIX)))
def test_every_call_needs_its_right(business: Business, name: str, role: str):
    action, request = CALLS[name]
    person = business.person("somebody", businesses={business.id: role})
    if action not in MATRIX[role]:
        with refused("FORBIDDEN"):
            call(person, name, request, business.id)
    elif getattr(request, "id", ""):
        with refused("JOB_NOT_FOUND"):
            call(person, name, request, business.id)
    elif action == "process":
        with refused("WORKER_UNAVAILABLE"):  # this service knows none
            call(person, name, request, business.id)
    else:
        call(person, name, request, business.id)
    assert len(business.list()) == (name == "SubmitMessages" and action in MATRIX[role])


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("business_id", ["nobody's", "", "a\0b", "x" * 256, "%", "' OR true --"])
def test_a_business_that_is_none_is_not_found_by_anybody(business: Business, name: str, business_id: str):
    for calls in (business.operator, business.person("somebody", businesses={business_id: "Admin"})):
        with refused("BUSINESS_NOT_FOUND") as seen:
            call(calls, name, CALLS[name][1], business_id)
        assert seen[0].status == "NOT_FOUND"


def test_the_business_goes_before_the_right_and_the_right_before_the_fields(business: Business):
    bad = pb.SubmitMessagesRequest(messages=[pb.NewMessage()])
    nobody = business.person("somebody")
    with refused("BUSINESS_NOT_FOUND"):
        call(nobody, "SubmitMessages", bad, "nobody's")
    with refused("FORBIDDEN"):
        call(nobody, "SubmitMessages", bad, business.id)
    with refused("INVALID_FIELD"):
        call(business.calls, "SubmitMessages", bad, business.id)


@pytest.mark.parametrize("action", [0, 8, -1])
def test_authorize_asks_about_an_action_of_the_seven(business: Business, action: Any):
    with refused("INVALID_FIELD") as seen:
        business.calls.communications.Authorize(pb.AuthorizeRequest(business_id=business.id, action=action))
    assert seen[0].fields == ("action",)


# ---- the matrix as data -------------------------------------------------------------------------------------------------


def test_a_changed_right_holds_from_the_next_call_and_leaves_an_event(
    business: Business, service: QueueServiceUnderTest
):
    person = business.person("somebody", businesses={business.id: "Manager"})
    change = "UPDATE role_permissions SET allowed = %s WHERE role = 'Manager' AND action = 'delete'"
    try:
        service.execute(change, True)
        assert rights(person, business.id) == {*MATRIX["Manager"], "delete"}
        service.execute(change, True)  # changes nothing, so it is no event
    finally:
        service.execute(change, False)
    assert rights(person, business.id) == MATRIX["Manager"]
    events = service.execute(
        "SELECT queue, actor, detail FROM jobline.events WHERE name = 'right_changed' ORDER BY id DESC LIMIT 2"
    )
    assert events == [
        ("communications", "sql", "Manager delete: yes → no"),
        ("communications", "sql", "Manager delete: no → yes"),
    ]


def test_an_operator_can_add_a_role_and_take_one_away(business: Business, service: QueueServiceUnderTest):
    auditor = business.person("somebody", businesses={business.id: "AUDITOR"})
    assert rights(auditor, business.id) == set()
    service.execute("INSERT INTO role_permissions (role, action, allowed) VALUES ('Auditor', 'viewJobs', true)")
    assert rights(auditor, business.id) == {"viewJobs"}
    service.execute("DELETE FROM role_permissions WHERE role = 'Auditor'")
    assert rights(auditor, business.id) == set()
    events = service.execute("SELECT detail FROM jobline.events WHERE detail LIKE 'Auditor %%' ORDER BY id")
    assert events == [("Auditor viewJobs: none → yes",), ("Auditor viewJobs: yes → none",)]


# ---- businesses and members ---------------------------------------------------------------------------------------------


def test_a_business_that_a_token_names_is_stored_without_a_role(service: QueueServiceUnderTest, business: Business):
    caller = account_pb.Caller(sub="somebody", businesses={"named-by-a-token": "Manager"})
    business.person("somebody").accounts.EnsureCaller(account_pb.EnsureCallerRequest(caller=caller))
    assert rights(business.person("other"), "named-by-a-token") == set()
    assert service.execute("SELECT name FROM businesses WHERE id = 'named-by-a-token'") == [("",)]


def test_storing_a_business_again_changes_its_name(service: QueueServiceUnderTest, business: Business):
    store = business.operator.accounts.StoreBusiness
    request = account_pb.StoreBusinessRequest(id=f"{business.id}/é", name="First")
    assert store(request).created
    request.name = "Second"
    assert not store(request).created
    assert service.execute("SELECT name FROM businesses WHERE id = %s", request.id) == [("Second",)]


def test_a_membership_ends_at_once_and_each_change_names_who_made_it(
    service: QueueServiceUnderTest, business: Business
):
    for role in ("Support", "Admin", "Admin", ""):
        business.set_member("ann", role)
        assert rights(business.person("ann"), business.id) == (MATRIX[role] if role else set())
    business.set_member("ann", "")
    events = service.execute(
        "SELECT actor, detail FROM jobline.events WHERE name = 'member_changed' AND detail LIKE %s ORDER BY id",
        f"ann in {business.id}: %",
    )
    assert events == [
        ("service:operator", f"ann in {business.id}: {change}")
        for change in ("none → Support", "Support → Admin", "Admin → none")
    ]


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"id": "a\0"}, "id"),
        ({"id": "a", "name": "n" * 256}, "name"),
        ({"id": "a", "name": "\0"}, "name"),
    ],
)
def test_a_bad_business_is_refused(business: Business, request_fields: dict[str, str], field: str):
    with refused("INVALID_FIELD") as seen:
        business.operator.accounts.StoreBusiness(account_pb.StoreBusinessRequest(**request_fields))
    assert seen[0].fields == (field,)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"business_id": ""}, "business_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "u" * 256}, "user_id"),
        ({"user_id": "\0"}, "user_id"),
        ({"role": "r" * 65}, "role"),
        ({"role": "\0"}, "role"),
    ],
)
def test_a_bad_membership_is_refused(business: Business, change: dict[str, str], field: str):
    fields = {"business_id": business.id, "user_id": "ann", "role": "Admin", **change}
    with refused("INVALID_FIELD") as seen:
        business.operator.accounts.SetMember(account_pb.SetMemberRequest(**fields))
    assert seen[0].fields == (field,)


def test_a_membership_needs_a_business(business: Business):
    with refused("BUSINESS_NOT_FOUND"):
        business.operator.accounts.SetMember(
            account_pb.SetMemberRequest(business_id="nobody's", user_id="ann", role="Admin")
        )
