"""What is left to do after `mailserver init`: the steps in their order, each with what to type."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from twisted_mail.cli.certificatefile import certbot_command
from twisted_mail.cli.newserver import SYSTEM_CONFIG, TRIAL_OFFSET, NewServer, service_user
from twisted_mail.cli.systemdunit import USER


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    text: str
    commands: Sequence[str] = ()


def steps(new: NewServer) -> list[Step]:
    """For this server on this machine."""
    return _trial_steps(new) if new.is_trial else [*_user_steps(new), *_server_steps(new)]


def numbered(steps: Sequence[Step]) -> str:
    lines = []
    for number, step in enumerate(steps, 1):
        lines.append(f"{number}. {step.text}")
        lines += [f"     {command}" for command in step.commands]
    return "\n".join(lines)


def _trial_steps(new: NewServer) -> list[Step]:
    certificate = f"accept the certificate once, or trust {new.ca}"
    return [
        Step("Start the server; Control-C stops it:", [f"{_program('twistd')} -n mailserver{_config_option(new)}"]),
        Step("In a second terminal, see that it works:", [f"{_program('mailserver')} try{_config_option(new)}"]),
        Step(
            f"Mail programs on this machine: user name {new.account}, server localhost, POP3 port "
            f"{110 + TRIAL_OFFSET} STARTTLS, SMTP port {587 + TRIAL_OFFSET} STARTTLS; {certificate}."
        ),
        Step(
            "This is a trial: on this machine only, and no mail leaves it.  For the real server run this as root, with "
            "another --config."
        ),
    ]


def _user_steps(new: NewServer) -> list[Step]:
    """What root must do before the unit can run."""
    if service_user() is not None:
        return []
    home = os.path.dirname(new.data)
    return [
        Step(
            "Make the user that the server runs as, and give it what is its own:",
            [
                f"useradd --system --home-dir {home} --shell /usr/sbin/nologin {USER}",
                f"chown -R {USER}: {new.data}",
                *([f"chgrp {USER} {new.key} && chmod 640 {new.key}"] if new.tls_files else []),
            ],
        )
    ]


def _server_steps(new: NewServer) -> list[Step]:
    ports = "25, 465, 587, 110, 995, 80 and 443" if new.gets_certificate else "25, 465, 587, 110 and 995"
    return [
        Step(
            f"Put the DNS records above into the zone of {new.domain}; they lie in {new.zone}.  At the provider of the "
            f"machine, set the reverse DNS of its address to {new.hostname}."
        ),
        Step(f"Let these ports through the firewall: {ports}."),
        _certificate_step(new),
        Step("Start the server, now and with the machine:", [f"systemctl enable --now {new.unit}"]),
        Step("See what is still missing, and that it works:", [f"{_program('mailserver')} check{_config_option(new)}"]),
        Step(
            f"Mail programs: user name {new.account}, server {new.hostname}, POP3 port 995 (SSL/TLS) or 110 "
            "(STARTTLS), SMTP port 465 (SSL/TLS) or 587 (STARTTLS), normal password."
        ),
        Step("More accounts:", [f"{_program('mailserver')} account add bob@{new.domain}{_config_option(new)}"]),
    ]


def _certificate_step(new: NewServer) -> Step:
    if new.gets_certificate:
        return Step(
            "The server gets a certificate that mail programs know by itself, once the DNS records lead here.  Until "
            "then it has one of its own, about which they ask."
        )
    return Step(
        "Get a certificate that mail programs know.  Until then the server has one of its own, about which they "
        f"ask.  It can get one itself, once port 80 leads to it: see acme in [tls] of {new.config}.  Or with certbot, "
        "while nothing else has port 80:",
        [certbot_command(new.hostname, os.path.dirname(new.key))],
    )


def _config_option(new: NewServer) -> str:
    """What the commands need to find the configuration."""
    return "" if new.config == SYSTEM_CONFIG else f" --config {new.config}"


def _program(name: str) -> str:
    """What to type for it here."""
    return name if shutil.which(name) else os.path.join(os.path.dirname(sys.executable), name)
