"""What twisted.names answers, in plain words and values."""

from __future__ import annotations

from typing import Any

_REASONS = {
    "DNSServerError": "SERVFAIL",
    "DNSQueryRefusedError": "REFUSED",
    "DNSFormatError": "FORMERR",
    "DNSNotImplementedError": "NOTIMP",
    "DNSQueryTimeoutError": "no answer in time",
    "TimeoutError": "no answer in time",
}


def reason(error: Exception) -> str:
    """Why there is no answer: the code of the response (RFC 1035 §4.1.1), where one came."""
    name = type(error).__name__
    return _REASONS.get(name, name)


def host_name(name: Any) -> str:
    """A `dns.Name` in lower case, without the last dot; empty for the root."""
    octets: bytes = name.name
    return octets.decode("ascii", "replace").lower().rstrip(".")
