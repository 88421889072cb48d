"""Templates: what they make of a message when it is stored, and which variables do not fill them."""

from __future__ import annotations

import json

import pytest

from jobline.v1 import communication_service_pb2 as pb
from support.communications import Business, claim_message
from support.queue_calls import refused
from support.queue_service import QueueServiceUnderTest


def template(service: QueueServiceUnderTest, business_id: str | None, subject: str | None, body: str) -> str:
    rows = service.execute(
        "INSERT INTO communication_template (business_id, subject, body) VALUES (%s, %s, %s) RETURNING id",
        business_id,
        subject,
        body,
    )
    return str(rows[0][0])


def texts(business: Business, message: pb.Message) -> tuple[str | None, str]:
    """Subject and body as they will be sent."""
    payload = json.loads(business.operator.job(message.id).payload_json)
    return payload["subject"], payload["body"]


def test_the_common_template_is_filled_and_the_payload_shows_what_was_given(business: Business):
    variables = '{"message":"<b>{{subject}}</b>","subject":"Offer: 1.50","unused":true}'
    message = business.send(body=None, template_id="notice", template_variables_json=variables)
    assert texts(business, message) == ("Offer: 1.50", "<b>{{subject}}</b>")
    assert message.payload == (
        f'{{"channel":"email","recipientContact":"ann@example.org","templateId":"notice","templateVariables":{variables}}}'
    )


def test_numbers_and_booleans_are_filled_in_as_they_were_written(business: Business, service: QueueServiceUnderTest):
    name = template(service, business.id, None, "{{ a }}|{{b}}|{{c}}|{{d}}|{{}}|{x}")
    message = business.send(
        body=None, template_id=name, template_variables_json='{"a":1.50,"b":-0,"c":1e3,"d":false,"x":""}'
    )
    assert texts(business, message) == (None, "1.50|-0|1e3|false|{{}}|{x}")


def test_a_later_change_of_a_template_does_not_alter_a_waiting_message(
    business: Business, service: QueueServiceUnderTest
):
    name = template(service, business.id, "Old", "Old")
    message = business.send(body=None, template_id=name)
    service.execute("UPDATE communication_template SET subject = 'New', body = 'New' WHERE id = %s", name)
    assert json.loads(claim_message(business.operator).payload_json)["body"] == "Old"
    assert texts(business, message) == ("Old", "Old")


def test_a_given_body_and_subject_win_over_those_of_the_template(business: Business):
    message = business.send(body="Mine", template_id="notice")
    assert texts(business, message) == (None, "Mine")
    variables = '{"subject":"Theirs","message":"Theirs"}'
    message = business.send(body=None, subject="Mine", template_id="notice", template_variables_json=variables)
    assert texts(business, message) == ("Mine", "Theirs")


def test_a_business_has_its_own_template_before_a_common_one_and_never_anothers(
    business: Business, service: QueueServiceUnderTest
):
    service.execute(
        "INSERT INTO communication_template (id, business_id, body) VALUES ('notice', %s, 'Ours')", business.id
    )
    other = Business(service)
    theirs = template(service, other.id, None, "Theirs")
    assert texts(business, business.send(body=None, template_id="notice")) == (None, "Ours")
    for name in (theirs, "nobody's", "", "x" * 256, "a\0b"):
        with refused("INVALID_FIELD") as seen:
            business.send(body=None, template_id=name)
        assert seen[0].fields == ("messages[0].template_id",)
        assert "must be the id of a template of this business" in seen[0].message
    other.close()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("", "must have a value for subject"),
        ('{"subject":"s"}', "must have a value for message"),
        ("[]", "must be an object"),
        ("null", "must be an object"),
        ("{", "must be an object"),
        ('{"subject":null,"message":"m"}', "must be an object"),
        ('{"subject":["s"],"message":"m"}', "must be an object"),
        ('{"subject":{"a":1},"message":"m"}', "must be an object"),
        ('{"subject":NaN,"message":"m"}', "must be an object"),
        ('{"subject":1e999,"message":"m"}', "must be an object"),
        ('{"subject":"\\u0000","message":"m"}', "must be an object"),
        ('{"subject":"\\ud800","message":"m"}', "must be an object"),
        ('{"subject":"s","message":""}', "must give the template"),
        ('{"subject":"s","message":"' + "m" * 10_001 + '"}', "must give the template"),
        ('{"subject":"' + "s" * 256 + '","message":"m"}', "must give the template"),
        ('{"subject":"s","message":"m","x":"' + "x" * 65_536 + '"}', "must be at most 65536 characters"),
        ('{"subject":' + "[" * 5000 + "]" * 5000 + "}", "must be an object"),
    ],
)
def test_variables_that_do_not_fill_the_template_are_refused(business: Business, variables: str, expected: str):
    with refused("INVALID_FIELD") as seen:
        business.send(body=None, template_id="notice", template_variables_json=variables)
    assert seen[0].fields == ("messages[0].template_variables_json",)
    assert expected in seen[0].message
    assert business.list() == []
