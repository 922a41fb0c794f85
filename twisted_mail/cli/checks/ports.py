"""Every port of the configuration answers, and with what its service says first."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok
from twisted_mail.cli.dialogue import TCPWire
from twisted_mail.cli.reaching import host_of, unverified_context
from twisted_mail.config import ALL_TLS, Config, ListenAddress
from twisted_mail.printable import printable

PATIENCE = 5.0
"""Seconds to wait for a greeting, on top of the delay that the server has been told to make."""

_GREETINGS = {
    "smtp": b"220",
    "submission": b"220",
    "submissions": b"220",
    "lmtp": b"220",
    "pop3": b"+OK",
    "pop3s": b"+OK",
}
"""Service of [listen] -> what its first line begins with.  Others wait for the client to speak."""


def check_ports(situation: Situation) -> list[Finding]:
    listening = list(_listening(situation.config))
    with ThreadPoolExecutor(max(1, len(listening))) as threads:
        findings = list(threads.map(lambda each: _check(situation, *each), listening))
    if findings and all(finding.remedy == situation.start for finding in findings):
        return [fault("none of its ports answers: the server does not run", situation.start)]
    return findings


def _listening(config: Config) -> Iterator[tuple[str, ListenAddress]]:
    for listen in fields(config.listen):
        if listen.name not in ALL_TLS or config.tls.certificate is not None:
            for address in getattr(config.listen, listen.name):
                yield listen.name, address


def _check(situation: Situation, name: str, address: ListenAddress) -> Finding:
    config = situation.config
    what = f"{name} at {address.text}"
    if name in config.proxy.listeners:
        return ok(f"{what} is for the proxies in front of it, and was not tried")
    if address.kind == "unix":
        return _check_path(what, address, situation.start)
    if not address.port:
        return advice(f"{what} cannot be tried from here, because its port is not in the configuration")
    try:
        line = _first_line(config, name, address)
    except ssl.SSLError as error:
        return fault(f"{what} does not speak TLS ({error.reason or error})", "journalctl -u twisted-mail")
    except OSError as error:
        return fault(f"{what} does not answer ({error.strerror or error})", situation.start)
    expected = _GREETINGS.get(name, b"")
    if not line.startswith(expected):
        said = f'says "{_shown(line)}"' if line else "closes the connection"
        return fault(f"{what} {said} instead of a greeting", f"ss -ltnp 'sport = {address.port}'")
    return ok(f"{what} answers")


def _first_line(config: Config, name: str, address: ListenAddress) -> bytes:
    """Empty also for services that wait for the client.  Raises OSError."""
    patience = PATIENCE + config.limits.greeting_delay
    wire = TCPWire(host_of(address), address.port or 0, unverified_context(), config.hostname, patience)
    try:
        if name in ALL_TLS:
            wire.start_tls()
        return wire.read_line() if name in _GREETINGS else b""
    finally:
        wire.close()


def _check_path(what: str, address: ListenAddress, start: str) -> Finding:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PATIENCE)
        try:
            probe.connect(address.path)
        except OSError as error:
            return fault(f"{what} does not answer ({error.strerror or error})", start)
    return ok(f"{what} answers")


def _shown(line: bytes) -> str:
    return printable(line[:60].decode("ascii", "replace").rstrip())
