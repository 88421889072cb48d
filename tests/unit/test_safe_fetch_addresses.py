"""Which addresses a fetch may reach (F28): the table of disguises."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_worker.providers.pages.addresses import AllowList, is_public, port_allowed


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_public_is_refused_in_every_disguise(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_a_public_address_is_allowed_also_when_it_is_carried_in_another(address: str) -> None:
    assert is_public(ip_address(address))


@settings(deadline=None)
@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_private_address_becomes_public_by_being_wrapped(address: object) -> None:
    inner = int(ip_address(str(address)))
    for prefix in ("::ffff:0:0", "64:ff9b::", "::"):
        assert not is_public(ip_address(int(ip_address(prefix)) + inner))
    assert not is_public(ip_address((0x2002 << 112) + (inner << 80) + 1))


@pytest.mark.parametrize(
    ("port", "allowed"),
    [(80, True), (443, True), (1024, True), (65535, True), (0, False), (22, False), (25, False), (1023, False)],
)
def test_only_web_ports_and_unprivileged_ports_are_fetched(port: int, allowed: bool) -> None:
    assert port_allowed(port) is allowed


def test_the_allow_list_takes_hosts_addresses_and_networks() -> None:
    allow = AllowList.parse("Intra.Example., 10.1.0.0/16 , 192.168.1.5,[::1]")
    private = ip_address("10.2.0.1")
    assert allow.covers("intra.example", private)
    assert allow.covers("INTRA.example.", private)
    assert not allow.covers("other.intra.example", private)
    assert allow.covers("x", ip_address("10.1.2.3"))
    assert allow.covers("x", ip_address("::ffff:10.1.2.3"))
    assert allow.covers("x", ip_address("::1"))
    assert not allow.covers("x", private)


@pytest.mark.parametrize("text", ["http://host/", "10.1.0.0/99", "a b", "10.1.2.3/8", "*"])
def test_an_allow_list_item_that_is_neither_host_nor_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected host names, addresses or CIDRs"):
        AllowList.parse(text)
