"""All checks, in the order in which they are told.  A new one is a function and a row here."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_mail.cli.checks.certificates import check_certificates
from twisted_mail.cli.checks.clock import check_clock
from twisted_mail.cli.checks.files import check_disk, check_files
from twisted_mail.cli.checks.finding import Check
from twisted_mail.cli.checks.journey import check_round_trip
from twisted_mail.cli.checks.people import check_addresses
from twisted_mail.cli.checks.ports import check_ports
from twisted_mail.cli.checks.records import check_dns, check_reverse
from twisted_mail.cli.checks.relaying import check_relay
from twisted_mail.cli.checks.sending import check_spf
from twisted_mail.cli.checks.signatures import check_signatures
from twisted_mail.cli.checks.transport import check_transport
from twisted_mail.cli.checks.waiting import check_queue

CHECKS: Sequence[Check] = (
    Check("ports", "each port of the configuration answers", check_ports),
    Check("certificate", "its names, the days that it has left, who trusts it", check_certificates),
    Check("files", "owners and modes of data and keys", check_files),
    Check("disk", "space and inodes", check_disk),
    Check("clock", "whether it can be right, and is kept so", check_clock),
    Check("addresses", "postmaster and abuse of each domain", check_addresses),
    Check("dns", "MX, SPF, DMARC, SRV of each domain", check_dns),
    Check("signatures", "the DKIM keys of each domain are in DNS", check_signatures),
    Check("spf", "the SPF record of each domain lets this server send", check_spf),
    Check("transport", "what each domain says of TLS (MTA-STS) can be found by others", check_transport),
    Check("reverse", "the server's addresses are called by its name", check_reverse),
    Check("relay", "strangers' mail for other domains is refused", check_relay),
    Check("queue", "what waits to be sent, and for how long", check_queue),
    Check("try", "a message through submission and back by POP3", check_round_trip),
)

ROUND_TRIP = "try"
"""The one that needs an account."""
