"""The PROXY header: each case whole, octet by octet, and with octets following."""

from __future__ import annotations

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.proxyheader import Client, HeaderReader, ProxyError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def block(command: int, family: int, addresses: bytes, more: bytes = b"") -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses + more)) + addresses + more


def inet(source: str, destination: str, ports: tuple[int, int] = (56324, 25)) -> bytes:
    return ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + struct.pack("!HH", *ports)


V4 = inet("192.0.2.1", "198.51.100.1")
V6 = inet("2001:db8::1", "2001:db8::2")
LONGEST = f"PROXY TCP6 {'ffff:' * 7}ffff {'ffff:' * 7}ffff 65535 65535\r\n".encode()

GOOD: dict[bytes, Client | None] = {
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n": Client("192.0.2.1", 56324),
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": Client("255.255.255.255", 65535),
    b"PROXY TCP6 2001:db8::1 2001:DB8::2 0 25\r\n": Client("2001:db8::1", 0),
    LONGEST: Client("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff::1 whatever 65535\r\n": None,
    block(0x21, 0x11, V4): Client("192.0.2.1", 56324),
    block(0x21, 0x21, V6): Client("2001:db8::1", 56324),
    block(0x21, 0x11, V4, b"\x04\0\x03\0\0\0" + b"\xee" * 3000): Client("192.0.2.1", 56324),
    block(0x21, 0x11, V4, bytes(65_535 - len(V4))): Client("192.0.2.1", 56324),
    block(0x20, 0x00, b""): None,
    block(0x20, 0x11, V4): None,
    block(0x20, 0xFF, b"whatever"): None,
    block(0x21, 0x00, b""): None,
    block(0x21, 0x31, bytes(216)): None,
}
BAD = (
    b"EHLO client.example\r\n",
    b"\x16\x03\x01\x02\0\x01",  # TLS
    b"proxy TCP4 192.0.2.1 198.51.100.1 56324 25\r\n",
    b" PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n",
    b"PROXY\r\n",
    b"PROXY \r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY TCP5 192.0.2.1 198.51.100.1 56324 25\r\n",
    b"PROXY TCP4  192.0.2.1 198.51.100.1 56324 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 \r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 1\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 56324 25\r\n",
    b"PROXY TCP4 192.0.2.1 mail.example 56324 25\r\n",
    b"PROXY TCP4 192.0.02.1 198.51.100.1 56324 25\r\n",
    b"PROXY TCP4 192.0.2.1 2001:db8::1 56324 25\r\n",
    b"PROXY TCP6 192.0.2.1 198.51.100.1 56324 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 99999\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 056324 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 \xb2 25\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\n\r\n",
    b"PROXY TCP4 192.0.2.1\0 198.51.100.1 56324 25\r\n",
    b"PROXY " + b"x" * 200,
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    SIGNATURE[:-1] + b"\r",
    block(0x11, 0x11, V4),
    block(0x22, 0x11, V4),
    block(0x31, 0x11, V4),
    block(0x21, 0x11, V4[:-1]),
    block(0x21, 0x21, V6[:-1]),
    block(0x21, 0x11, b""),
    block(0x21, 0x12, V4),
    block(0x21, 0x32, bytes(216)),
    block(0x21, 0x31, bytes(215)),
    block(0x21, 0x41, V4),
)


def read(octets: bytes, size: int) -> tuple[HeaderReader, bytes]:
    """In pieces of *size*; the reader and all that follows the header.  What follows is not fed any more."""
    reader = HeaderReader()
    for start in range(0, len(octets), size):
        rest = reader.feed(octets[start : start + size])
        if reader.finished:
            return reader, rest + octets[start + size :]
        assert rest == b""
    return reader, b""


class HeaderTests(TestCase):
    def test_good_headers_tell_the_client_in_pieces_of_any_size(self) -> None:
        for octets, client in GOOD.items():
            for size in (1, 7, 100_000):
                for following in (b"", b"EHLO client.example\r\n", b"PROXY UNKNOWN\r\n"):
                    reader, rest = read(octets + following, size)
                    self.assertTrue(reader.finished, octets[:60])
                    self.assertEqual((client, following), (reader.client, rest), octets[:60])

    def test_incomplete_headers_are_waited_for(self) -> None:
        for octets in GOOD:
            reader, _ = read(octets[:-1], 1000)
            self.assertFalse(reader.finished)

    def test_anything_else_is_refused(self) -> None:
        for octets in BAD:
            for size in (1, 100_000):
                self.assertRaises(ProxyError, read, octets, size)

    def test_what_cannot_become_a_header_is_refused_at_its_first_wrong_octet(self) -> None:
        for octets in (b"E", b"PROXX", b"\r\n\r\n\0\r\nQUIX"):
            reader = HeaderReader()
            reader.feed(octets[:-1])
            self.assertRaises(ProxyError, reader.feed, octets[-1:])


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(0, 65_535), st.binary(max_size=50), st.integers(1, 60))
def test_every_client_is_told_in_both_versions(
    host: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, following: bytes, size: int
) -> None:
    addresses = inet(str(host), str(host), (port, 25))
    for octets in (
        f"PROXY TCP{host.version} {host} {host} {port} 25\r\n".encode(),
        block(0x21, 0x11 if host.version == 4 else 0x21, addresses),
    ):
        reader, rest = read(octets + following, size)
        assert (reader.client, rest) == (Client(str(host), port), following)


@given(
    st.binary(max_size=200)
    | st.binary(max_size=100).map(lambda octets: b"PROXY " + octets)
    | st.binary(max_size=300).map(lambda octets: SIGNATURE + octets),
    st.integers(1, 300),
)
def test_whatever_comes_is_a_header_an_error_or_too_short_whatever_the_pieces(octets: bytes, size: int) -> None:
    outcomes = []
    for pieces in (size, len(octets) + 1):
        try:
            reader, rest = read(octets, pieces)
            outcomes.append((reader.finished, reader.client, rest))
        except ProxyError:
            outcomes.append((None, None, b""))
    assert outcomes[0] == outcomes[1]
