"""Which network addresses an outbound fetch may reach (fault catalogue, F28).

A page's address comes from a search engine or a redirect, so it is hostile: it may name this machine, the cloud's
metadata service or the database next door. The rule is about addresses, never about names: a name is resolved once,
every address it has must be public, and the connection is then made to exactly such an address.

`ipaddress.is_global` is the base (the IANA special-purpose registries). It looks at the outer address only and lags
behind the registries, so here an IPv6 address must lie in 2000::/3, and every IPv4 address that is carried inside an
IPv6 one (v4-mapped, v4-compatible, NAT64, 6to4, Teredo) must be public too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

__all__ = ["Address", "AllowList", "is_public", "port_allowed"]

Address = IPv4Address | IPv6Address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = IPv6Network("::/96")
#: Special-purpose blocks that this Python's is_global lets through.
_MORE_SPECIAL = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("3fff::/20"),
)


def is_public(address: Address) -> bool:
    """Whether the address, and every IPv4 address inside it, is a public unicast address."""
    if isinstance(address, IPv6Address):
        carrier = address.ipv4_mapped is not None or address in _NAT64 or address in _V4_COMPATIBLE
        if not carrier and not (address in _GLOBAL_UNICAST and _is_plain_public(address)):
            return False
        return all(_is_plain_public(inner) for inner in _carried(address))
    return _is_plain_public(address)


def port_allowed(port: int) -> bool:
    """80, 443 and the unprivileged ports: never a mail, SSH or other system service."""
    return port in (80, 443) or 1023 < port < 65536


def _is_plain_public(address: Address) -> bool:
    if any(address in block for block in _MORE_SPECIAL if block.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address in _NAT64 or address in _V4_COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


@dataclass(frozen=True)
class AllowList:
    """Hosts and networks that fetches may reach although they are private (JOBLINE_ALLOW_PRIVATE_URLS)."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> AllowList:
        """Reads `localhost, 10.1.0.0/16, 192.168.1.5`. Raises ValueError for an item that is neither."""
        hosts, networks = set(), []
        for item in filter(None, (part.strip() for part in text.split(","))):
            try:
                networks.append(ip_network(item.strip("[]")))
            except ValueError:
                if not all(character.isalnum() or character in "-_." for character in item):
                    raise ValueError(f"expected host names, addresses or CIDRs, got {item!r}") from None
                hosts.add(_plain_host(item))
        return cls(frozenset(hosts), tuple(networks))

    def covers(self, host: str, address: Address) -> bool:
        """Whether the operator has allowed the host by name, or the address (seen through v4-mapping)."""
        if _plain_host(host) in self.hosts:
            return True
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any(seen in network for seen in (address, mapped) if seen is not None for network in self.networks)


def _plain_host(host: str) -> str:
    return host.rstrip(".").lower()


def parse_address(text: str) -> Address | None:
    """The address of a resolver's answer, without its scope; None when it is not an address."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
