"""What each service says to EHLO, in the real configuration's terms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.smtp.dialogue import NOW
from twisted_mail.config import Config, Limits
from twisted_mail.offering import session_options
from twisted_mail.smtp.extensions import EXTENSIONS, Situation, offer
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.server import last_release

EVERYWHERE = {
    *("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "REQUIRETLS", "DELIVERBY"),
    *("NO-SOLICITING", "LIMITS", "HELP"),
}
CONFIG = Config(hostname="mail.example.org", file="mailserver.toml")


def words(service: str, *, sends: bool = True, config: Config = CONFIG) -> set[str]:
    """Over TLS, without AUTH, which is the House's business."""
    options = session_options(config, service, tls_available=True, sends=sends)
    situation = Situation(options, tls=True, last_release=last_release(options, NOW))
    return {line[4:].split()[0] for line in offer(situation).hello.decode().splitlines()[1:]}


def test_another_server_hears_what_is_kept_for_everybody() -> None:
    assert words("smtp") == {*EVERYWHERE, "DSN"}


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_users_hear_all_words(service: str) -> None:
    assert words(service) == {*EVERYWHERE, "DSN", "BINARYMIME", "FUTURERELEASE", "MT-PRIORITY"}
    others = {"STARTTLS", "AUTH", "EXPN", "XCLIENT"}  # before TLS, with mechanisms, to proxies
    assert words(service) | others == {row.keyword for row in EXTENSIONS}


def test_programs_here_hear_what_users_do_but_for_what_only_users_may() -> None:
    assert words("lmtp") == {*EVERYWHERE, "DSN", "BINARYMIME"}


def test_server_that_sends_nothing_on_cannot_hold_nor_report_to_strangers() -> None:
    assert words("smtp", sends=False) == EVERYWHERE
    assert words("submission", sends=False) == {*EVERYWHERE, "DSN", "BINARYMIME", "MT-PRIORITY"}


def test_demo_mode_reports_to_everybody_because_everybody_is_here() -> None:
    assert words("smtp", sends=False, config=replace(CONFIG, file=None)) == {*EVERYWHERE, "DSN"}


def test_holding_can_be_switched_off() -> None:
    config = replace(CONFIG, limits=replace(Limits(), hold=0))
    assert "FUTURERELEASE" not in words("submission", config=config)


def test_options_are_those_of_the_configuration() -> None:
    options = session_options(CONFIG, "smtp", tls_available=False, sends=True)
    assert isinstance(options, SessionOptions)
    assert (options.max_size, options.max_recipients) == (50 * 1024 * 1024, 1000)
