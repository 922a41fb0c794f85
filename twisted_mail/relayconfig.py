"""The [relay] section of the configuration: mail to other domains, with what differs for some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twisted_mail import values
from twisted_mail.settings import setting, table

_DURATIONS = values.list_of(values.duration, '"5 minutes", "1 hour"', empty=False)


@dataclass(frozen=True, slots=True)
class RelayDomain:
    """[relay.domains."example.net"]: what differs for recipients there.  None: as [relay] has it."""

    retry: tuple[int, ...] | None = setting(values.or_inherited(_DURATIONS), None)
    give_up_after: int | None = setting(values.or_inherited(values.duration), None)
    delay_report_after: int | None = setting(values.or_inherited(values.delay), None)
    connections: int | None = setting(values.or_inherited(values.count), None)


@dataclass(frozen=True, slots=True)
class RelaySender:
    """[relay.senders."example.org"]: where mail of that domain's users goes, whatever the smarthost of the others."""

    smarthost: str = setting(values.client_endpoint, "")
    """A client endpoint string; empty: deliver to MX."""
    smarthost_user: str = setting(values.text, "")
    smarthost_password_file: str | None = setting(values.optional_path, "")


@dataclass(frozen=True, slots=True)
class Relay:
    """Mail to other domains."""

    enabled: bool = setting(values.flag, True)
    """False: users may write to our own domains only."""
    smarthost: str = setting(values.client_endpoint, "")
    """A client endpoint string; empty: deliver to MX."""
    smarthost_user: str = setting(values.text, "")
    smarthost_password_file: str | None = setting(values.optional_path, "")
    retry: tuple[int, ...] = setting(_DURATIONS, ["5 minutes", "15 minutes", "30 minutes", "1 hour", "4 hours"])
    """Seconds between attempts; the last repeats."""
    give_up_after: int = setting(values.duration, "5 days")
    delay_report_after: int = setting(values.delay, "4 hours")
    """Seconds; 0: only those hear of a delay who asked for that."""
    connections: int = setting(values.count, 200)
    """In all."""
    connections_per_destination: int = setting(values.count, 20)
    """To one domain's servers, or a smarthost."""
    dane: bool = setting(values.flag, True)
    """What signed DNS says of certificates holds (policy/dane), where a resolver can be believed."""
    mta_sts: bool = setting(values.flag, True)
    """What domains say of TLS by MTA-STS (policy/sts) is asked for, and holds."""
    domains: Mapping[str, RelayDomain] = table(RelayDomain, values.domain)
    """Of recipients, in lower-case A-labels."""
    senders: Mapping[str, RelaySender] = table(RelaySender, values.domain)
    """Domains of envelope senders, likewise."""
