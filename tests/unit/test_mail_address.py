"""Addresses of strangers: the mailbox that they stand for, or a refusal, and never anything beside it."""

from __future__ import annotations

from email.headerregistry import Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobline_worker.providers.messages.mail_address import MailAddress, Sender


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  ada@example.com\n", "ada@example.com"),
        ("ada.lovelace+notes@sub_domain.example", "ada.lovelace+notes@sub_domain.example"),
        ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
        ("ada@localhost", "ada@localhost"),
        ("ada lovelace@example.com", '"ada lovelace"@example.com'),
        ('"ada lovelace"@example.com', '"ada lovelace"@example.com'),
        (r'"a\"d\\a"@example.com', r'"a\"d\\a"@example.com'),
        ("ada..lovelace.@example.com", '"ada..lovelace."@example.com'),
        ("ada,eve@example.com", '"ada,eve"@example.com'),
        ("ada>@example.com", '"ada>"@example.com'),
        ("<ada@example.com", '"<ada"@example.com'),
        ("ada(eve)@example.com", '"ada(eve)"@example.com'),
        ("jürgen@exämple.de", "jürgen@xn--exmple-cua.de"),
        ("ada@EXÄMPLE.de", "ada@xn--exmple-cua.de"),
        ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
    ],
)
def test_an_address_becomes_the_mailbox_that_it_stands_for(text: str, spec: str) -> None:
    assert MailAddress.parse(text).spec == spec


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "@example.com",
        "ada@",
        "ada@ example.com",
        "ada@example..com",
        "ada@.",
        "ada@example.com>",
        "ada@example.com, eve",
        "ada@exa mple.com",
        "ada@example.com (note)",
        "a\r\nda@example.com",
        "ada\0@example.com",
        "ada\u2028@example.com",
        "ada@exa\nmple.com",
        "ada@münchen..de",
        "ada@\u200b",
        "x" * 250 + "@example.com",
        "ü" * 125 + "@example.com",
    ],
)
def test_what_no_mail_can_go_to_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="the address") as refused:
        MailAddress.parse(text)
    assert text not in str(refused.value)


@given(local=st.text(min_size=1, max_size=40), domain=st.text(min_size=1, max_size=40))
@example(local='"', domain="example.com")
@example(local="\\", domain="example.com")
@example(local='a"@eve.example,"b', domain="example.com")
def test_no_text_becomes_more_than_one_mailbox(local: str, domain: str) -> None:
    try:
        address = MailAddress.parse(f"{local}@{domain}")
    except ValueError:
        return
    assert address.domain.isascii()
    assert not set(address.domain) & set(" <>,;@\"'\\()\r\n\0")
    if local.isascii():
        # An independent reader finds the same two parts, and nothing left over.
        assert Address(addr_spec=address.spec) == Address(username=address.local, domain=address.domain)
    assert MailAddress.parse(address.spec) == address


@pytest.mark.parametrize(
    ("value", "name", "spec"),
    [
        ("shop@example.com", "", "shop@example.com"),
        ("Ada's Shop <shop@example.com>", "Ada's Shop", "shop@example.com"),
        ('"Lovelace, Ada" <shop@example.com>', "Lovelace, Ada", "shop@example.com"),
        ("Büro <shop@exämple.de>", "Büro", "shop@xn--exmple-cua.de"),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(value: str, name: str, spec: str) -> None:
    sender = Sender.parse(value)
    assert (sender.name, sender.address.spec) == (name, spec)


@pytest.mark.parametrize(
    "value", ["shop", "a@b.de, c@d.de", "<>", "Shop <shop>", "a@b.de\nBcc: eve@example.com", "a b@c"]
)
def test_a_sender_that_is_no_single_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected an e-mail address"):
        Sender.parse(value)
