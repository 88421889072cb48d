"""The e-mail as a mail program sees it: everything that was given, and nothing that was smuggled in."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobline_worker.providers.messages import Message
from jobline_worker.providers.messages.mail import compose
from jobline_worker.providers.messages.mail_address import MailAddress, Sender

JOB = "019aa5b2-7c1e-7000-8000-000000000001"
SENDER = Sender(MailAddress("shop", "example.com"), "Ada's Shop")
HEADERS = ["Date", "From", "To", "Subject", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def written(subject: str = "Hello", body: str = "Hi", recipient: str = "ada@example.org") -> bytes:
    message = Message(JOB, "email", recipient, subject, body)
    return compose(message, SENDER, MailAddress.parse(recipient)).as_bytes(policy=policy.SMTP)


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


def lines_of(text: str) -> list[str]:
    return re.split("\r\n|\r|\n", text)


def test_a_mail_has_sender_recipient_subject_date_and_an_id_that_follows_from_the_job() -> None:
    mail = read(written(subject="Your order", body="It is on its way.\nBye"))
    assert mail["From"] == "Ada's Shop <shop@example.com>"
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "Your order"
    assert mail["Message-ID"] == f"<{JOB}@example.com>"
    assert parsedate_to_datetime(mail["Date"]).tzinfo is not None
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "It is on its way.\r\nBye\r\n"


def test_a_mail_without_a_subject_has_no_subject_line() -> None:
    assert "Subject" not in read(written(subject=""))
    assert "Subject" not in read(written(subject=" \r\n\t "))


@pytest.mark.parametrize(
    "subject",
    [
        "Grüße aus Köln",
        "注文の確認",
        "👩‍👩‍👧 family",
        "x" * 255,
        "word " * 50 + "end",
        "ü" * 255,
        "Re: two  blanks   inside",
        "=?utf-8?q?Hello=0D=0ABcc=3A_eve=40example=2Ecom?=",
        "=?utf-8?b?SGVsbG8=?= and more",
        'semi;colon, comma <angle> "quotes" \\ @',
        "ends in =?",
    ],
)
def test_a_subject_is_read_exactly_as_it_was_given(subject: str) -> None:
    content = written(subject=subject)
    assert read(content)["Subject"] == subject
    assert all(len(line) <= 78 for line in content.split(b"\r\n"))


@pytest.mark.parametrize(
    "injected", ["\r\nBcc: eve@example.com", "\nBcc: eve@example.com", "\rBcc: eve", "\r\n\r\nbody"]
)
def test_line_breaks_in_a_subject_become_spaces(injected: str) -> None:
    mail = read(written(subject=f"Hello{injected}"))
    assert mail.keys() == HEADERS
    assert mail["Subject"] == f"Hello{CONTROLS.sub(' ', injected)}"


@given(subject=st.text(max_size=255), body=st.text(max_size=2000))
@example(subject="a\u2028Bcc: eve@example.com", body="\n.\n\r\n.\r\nQUIT\r\n")
@example(subject="\x0bBcc: eve@example.com", body="\x85\x0c\x1e\u2029")
@example(subject="=?utf-8?q?=0A?=", body="\0")
@example(subject="=", body="x" * 2000)
@example(subject="a" * 66 + " b", body=" \t\nFrom me\n \n")
def test_no_text_adds_a_header_or_changes_the_other_text(subject: str, body: str) -> None:
    content = written(subject, body)
    head, _, _ = content.partition(b"\r\n\r\n")
    mail = read(content)
    assert set(mail.keys()) <= set(HEADERS)
    assert len(set(mail.keys())) == len(mail.keys())
    assert not set(content.replace(b"\r\n", b"")) & set(b"\r\n\0")
    assert content.isascii()
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert all(line[:1] == b" " or b":" in line for line in head.split(b"\r\n"))
    assert mail.get("Subject", "") == CONTROLS.sub(" ", subject).strip()
    decoded = mail.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert lines_of(decoded.decode("utf-8")) in (lines_of(body), [*lines_of(body), ""])


@given(local=st.text(min_size=1, max_size=64))
@example(local='a,b@evil.example"')
@example(local="a" * 200)
@example(local="very long quoted part " * 9)
def test_a_recipient_stays_one_line_and_one_mailbox(local: str) -> None:
    try:
        address = MailAddress.parse(f"{local}@example.org")
    except ValueError:
        return
    mail = compose(Message(JOB, "email", "", "Hello", "Hi"), SENDER, address)
    content = mail.as_bytes(policy=policy.SMTPUTF8)
    assert content.count(b"\r\nTo: ") == 1
    assert f"\r\nTo: {address.spec}\r\n".encode() in content
    assert set(read(content).keys()) == set(HEADERS)
