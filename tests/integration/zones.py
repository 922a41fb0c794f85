"""A DNS server of the test's own, on a loopback port (UDP and TCP): a table of records, and nothing leaves the machine.

    with Zones({"example.net": {"MX": ["10 mx.example.net."], "TXT": ["v=spf1 -all"]},
                "mx.example.net": {"A": ["192.0.2.1"]},
                reverse("192.0.2.1"): {"PTR": ["mx.example.net."]},
                "broken.example": Trouble.FAILS}) as zones:
        server = new_server(zones.settings)

A name that is neither in the table nor above one that is does not exist (NXDOMAIN); CNAMEs are followed.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Mapping, Sequence
from enum import Enum
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

from tests.integration.process import free_port

TTL = 60
UDP_SIZE = 512
"""Octets; longer answers are cut off, and must be asked for over TCP."""


class Trouble(Enum):
    """What a name answers that answers nothing."""

    FAILS = dns.rcode.SERVFAIL
    IS_SILENT = None


Records = Mapping[str, Mapping[str, Sequence[str]] | Trouble]


def reverse(address: str) -> str:
    """The name in which the PTR records of an IP address are."""
    return dns.reversename.from_address(address).to_text(omit_final_dot=True)


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads = True  # what a client leaves open ends with the test


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Zones:
    """A running server; its `records` may be changed at any time (resolvers remember them for a minute)."""

    def __init__(self, records: Records | None = None) -> None:
        self.records: dict[str, Mapping[str, Sequence[str]] | Trouble] = dict(records or {})
        self.asked: list[str] = []
        """Every question as `TXT example.net`, in order."""
        self.port = free_port()
        zones = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                octets, connection = self.request
                if answer := zones.answer(octets, UDP_SIZE):
                    connection.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, struct.error):
                    while head := self.rfile.read(2):
                        octets = self.rfile.read(*struct.unpack("!H", head))
                        if answer := zones.answer(octets, 65_535):
                            self.wfile.write(struct.pack("!H", len(answer)) + answer)

        address = ("127.0.0.1", self.port)
        self._servers: list[socketserver.BaseServer] = [
            _Datagrams(address, Datagram),
            _Streams(address, Stream),
        ]
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in self._servers
        ]

    @property
    def settings(self) -> str:
        """The section of mailserver.toml with which a server asks here."""
        return f'[dns]\nservers = ["127.0.0.1:{self.port}"]\n'

    def __enter__(self) -> Zones:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, octets: bytes, size: int) -> bytes:
        """A response of at most *size* octets; empty where there shall be none."""
        query = dns.message.from_wire(octets)
        response = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(f"{kind} {name}")
        rcode = self._fill(response, name, kind)
        if rcode is None:
            return b""
        response.set_rcode(rcode)
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> dns.rcode.Rcode | None:
        """The records of *name*, following CNAMEs; the answer is the rcode, None for silence."""
        for _ in range(10):
            found = self.records.get(name)
            if isinstance(found, Trouble):
                return found.value
            if found is None:
                above = any(other.endswith(f".{name}") for other in self.records)
                return dns.rcode.NOERROR if above or response.answer else dns.rcode.NXDOMAIN
            through = "CNAME" if "CNAME" in found and kind != "CNAME" else kind
            if values := found.get(through):
                texts = [_quoted(value) for value in values] if through in ("TXT", "SPF") else values
                response.answer.append(dns.rrset.from_text_list(name + ".", TTL, "IN", through, list(texts)))
            if through == kind:
                return dns.rcode.NOERROR
            name = found[through][0].removesuffix(".").lower()
        return dns.rcode.SERVFAIL


def _quoted(text: str) -> str:
    """A text as strings of a TXT record, 255 characters each."""
    pieces = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)
