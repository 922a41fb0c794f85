r"""The PROXY protocol, versions 1 and 2: who the client is, told by a proxy before the connection's first octet.

(haproxy.org/download/3.0/doc/proxy-protocol.txt)  A line of text, `PROXY TCP4 192.0.2.1 198.51.100.1 56324 25`, or
binary: signature, version and command, family, length, addresses, further fields.  Pure and strict: only a proxy that
is trusted is listened to at all, and it makes no mistakes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

_BEGIN_1 = b"PROXY "
_BEGIN_2 = b"\r\n\r\n\0\r\nQUIT\n"
_MAX_LINE = 107
"""Octets of a version 1 header with its CRLF (§2.1)."""
_FIXED_2 = 16
"""Octets of a version 2 header before the addresses (§2.2)."""

_PORT = r"(?:0|[1-9][0-9]{0,4})"
_LINE = re.compile(rf"PROXY (TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) ({_PORT}) ({_PORT})")
_UNKNOWN = re.compile(r"PROXY UNKNOWN(?: .*)?", re.DOTALL)

# family and transport -> octets of one address, of all that stands in front of further fields
_INET = {0x11: (4, 12), 0x21: (16, 36)}
_NO_ADDRESS: Mapping[int, int] = {0x00: 0, 0x31: 216}  # unspecified; unix sockets


class ProxyError(Exception):
    """Not a header: the connection is of no use.  The text is for the log."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where the connection that the proxy passes on comes from."""

    host: str
    port: int


class HeaderReader:
    """Reads one header out of pieces of any size."""

    def __init__(self) -> None:
        self._octets = b""
        self.finished = False
        self.client: Client | None = None
        """None: the proxy speaks for itself (a health check), or does not know."""

    def feed(self, data: bytes) -> bytes:
        """The octets behind the header, empty before it is `finished`.  Raises ProxyError."""
        octets = self._octets = self._octets + data
        if octets[: len(_BEGIN_1)] == _BEGIN_1[: len(octets)]:
            return self._read_line(octets)
        if octets[: len(_BEGIN_2)] == _BEGIN_2[: len(octets)]:
            return self._read_binary(octets)
        raise ProxyError("the connection does not begin with a PROXY header")

    def _read_line(self, octets: bytes) -> bytes:
        line, end, rest = octets[:_MAX_LINE].partition(b"\r\n")
        if not end:
            if len(octets) >= _MAX_LINE:
                raise ProxyError(f"the PROXY header has no end within {_MAX_LINE} octets")
            return b""
        self.client = _client_of_line(line)
        self.finished = True
        return rest + octets[_MAX_LINE:]

    def _read_binary(self, octets: bytes) -> bytes:
        if len(octets) < _FIXED_2:
            return b""
        size = _FIXED_2 + int.from_bytes(octets[14:16])
        if len(octets) < size:
            return b""
        self.client = _client_of_block(octets[12], octets[13], octets[_FIXED_2:size])
        self.finished = True
        return octets[size:]


def _client_of_line(line: bytes) -> Client | None:
    text = line.decode("ascii", "replace")
    if _UNKNOWN.fullmatch(text):
        return None
    match = _LINE.fullmatch(text)
    if match is None:
        raise ProxyError("the PROXY header is malformed")
    family, *hosts, source_port, destination_port = match.groups()
    try:
        source, _ = (ipaddress.ip_address(host) for host in hosts)
    except ValueError as error:
        raise ProxyError("an address in the PROXY header is malformed") from error
    versions = {ipaddress.ip_address(host).version for host in hosts}
    if versions != {int(family[-1])} or max(int(source_port), int(destination_port)) > 65_535:
        raise ProxyError("the PROXY header contradicts itself")
    return Client(str(source), int(source_port))


def _client_of_block(version_and_command: int, family: int, block: bytes) -> Client | None:
    if version_and_command == 0x20:  # LOCAL: whatever follows is not looked at
        return None
    if version_and_command != 0x21:
        raise ProxyError(f"unknown version or command of the PROXY protocol: {version_and_command:#x}")
    if family in _INET:
        octets, needed = _INET[family]
        if len(block) < needed:
            raise ProxyError("the addresses in the PROXY header are cut off")
        host = ipaddress.ip_address(block[:octets])
        return Client(str(host), int.from_bytes(block[2 * octets : 2 * octets + 2]))
    if len(block) < _NO_ADDRESS.get(family, len(block) + 1):
        raise ProxyError(f"the PROXY header tells of a connection that is none of TCP: {family:#x}")
    return None
