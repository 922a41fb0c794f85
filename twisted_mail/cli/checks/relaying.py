"""The server does not send strangers' mail to strangers: it is asked to, through its own port, and must refuse.

The dialogue ends before DATA, so there is no message; and the names are among those that can never exist (RFC 2606).
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_mail.cli.checks.finding import Finding, Situation, fault, ok
from twisted_mail.cli.dialogue import TCPWire
from twisted_mail.cli.reaching import host_of, unverified_context

PATIENCE = 5.0
"""Seconds for each answer, on top of the delay of the greeting."""
STRANGER = "relay-test@elsewhere.invalid"


def check_relay(situation: Situation) -> Iterator[Finding]:
    config = situation.config
    if config.file is None:
        yield ok("demo mode takes mail for all domains, and none leaves this machine")
        return
    address = next((each for each in config.listen.smtp if each.port), None)
    if address is None or "smtp" in config.proxy.listeners:
        yield ok("no port of smtp can be tried from here")
        return
    senders = [STRANGER, *(f"postmaster@{domain.name}" for domain in situation.domains[:1])]
    try:
        patience = PATIENCE + config.limits.greeting_delay
        wire = TCPWire(host_of(address), address.port or 0, unverified_context(), config.hostname, patience)
        try:
            taken = [sender for sender in senders if _takes(wire, sender, is_first=sender == senders[0])]
        finally:
            wire.close()
    except OSError:
        return  # the check of the ports tells it
    for sender in taken:
        yield fault(
            f"port {address.port} takes mail from {sender} for other domains from anybody: spammers find that in hours",
            "take out the filter of your own that allows it: without one, port 25 takes mail for its own domains only",
        )
    if not taken:
        yield ok(f"port {address.port} does not send mail of strangers to other domains")


def _takes(wire: TCPWire, sender: str, *, is_first: bool) -> bool:
    """Whether the server would send a message of *sender* elsewhere.  Raises OSError."""
    if is_first:
        _reply(wire)
        _say(wire, "EHLO relay-test.invalid")
    taken = _say(wire, f"MAIL FROM:<{sender}>") and _say(wire, f"RCPT TO:<{STRANGER}>")
    _say(wire, "RSET")
    return taken


def _say(wire: TCPWire, command: str) -> bool:
    wire.write(f"{command}\r\n".encode())
    return _reply(wire)


def _reply(wire: TCPWire) -> bool:
    """Whether it is positive (RFC 5321 §4.2.1).  Raises OSError."""
    while (line := wire.read_line())[3:4] == b"-":
        pass
    if not line:
        raise ConnectionError("the connection was closed")
    return line.startswith(b"2")
