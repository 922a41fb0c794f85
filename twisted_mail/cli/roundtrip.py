"""One message through submission and back by POP3, over the real ports, for `mailserver try` and `mailserver check`.

It uses an account of its own, which exists only while it runs: whatever fails, the account and its Maildir go.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate

from twisted_mail.cli.dialogue import Dialogue, Show, TCPWire, TrialError
from twisted_mail.cli.opening import opened_directory
from twisted_mail.cli.reaching import host_of, unverified_context
from twisted_mail.config import Config
from twisted_mail.demo import DemoFiles
from twisted_mail.smtp.address import Address


@dataclass(frozen=True, slots=True)
class Service:
    """One of the server's services as a mail program would use it."""

    name: str
    host: str
    port: int
    security: str
    """As mail programs call it: `STARTTLS`, `SSL/TLS` or `none`."""

    def __str__(self) -> str:
        return f"{self.name} port {self.port} ({self.security})"


@dataclass(frozen=True, slots=True)
class Trial:
    """The account of one run, and the line by which its message is known again."""

    account: Address
    password: str
    token: str

    @property
    def message(self) -> str:
        """CRLF line ends, without the last."""
        header = (
            f"From: {self.account}",
            f"To: {self.account}",
            "Subject: mailserver try",
            f"Date: {formatdate(localtime=True)}",
        )
        return "\r\n".join((*header, "", self.token))


@dataclass(frozen=True, slots=True)
class Journey:
    """What a message went through, and how long it took in all."""

    submission: Service
    pop3: Service
    seconds: float


def travel(config: Config, trial: Trial, show: Show) -> Journey:
    """The message of *trial*, there and back.  Raises TrialError."""
    tls = client_context(config)
    submission = service_of(config, "Submission", "submission", "submissions")
    pop3 = service_of(config, "POP3", "pop3", "pop3s")
    started = time.monotonic()
    with _dialogue(submission, tls, config.hostname, show) as dialogue:
        send_message(dialogue, trial, submission.security)
    with _dialogue(pop3, tls, config.hostname, show) as dialogue:
        fetch_message(dialogue, trial, pop3.security)
    return Journey(submission, pop3, time.monotonic() - started)


def send_message(dialogue: Dialogue, trial: Trial, security: str) -> None:
    """Submit the message of *trial*, from its account to itself.  Raises TrialError."""
    if security == "SSL/TLS":
        dialogue.start_tls()
    dialogue.greeting("220")
    dialogue.say("EHLO localhost", "250")
    if security == "STARTTLS":
        dialogue.say("STARTTLS", "220")
        dialogue.start_tls()
        dialogue.say("EHLO localhost", "250")
    secret = base64.b64encode(f"\0{trial.account}\0{trial.password}".encode()).decode()
    dialogue.say(f"AUTH PLAIN {secret}", "235", secret)
    dialogue.say(f"MAIL FROM:<{trial.account}>", "250")
    dialogue.say(f"RCPT TO:<{trial.account}>", "250")
    dialogue.say("DATA", "354")
    dialogue.say(f"{trial.message}\r\n.", "250")
    dialogue.say("QUIT", "221")


def fetch_message(dialogue: Dialogue, trial: Trial, security: str) -> None:
    """Fetch the only message of the account, see that it is the one of *trial*, and delete it.  Raises TrialError."""
    if security == "SSL/TLS":
        dialogue.start_tls()
    dialogue.greeting("+OK")
    if security == "STARTTLS":
        dialogue.say("STLS", "+OK")
        dialogue.start_tls()
    dialogue.say(f"USER {trial.account}", "+OK")
    dialogue.say(f"PASS {trial.password}", "+OK", trial.password)
    dialogue.say("STAT", "+OK")
    dialogue.say("RETR 1", "+OK")
    if trial.token not in dialogue.dotted_text():
        raise TrialError("POP3 gave another message than the one that was sent; see the log of the server")
    dialogue.say("DELE 1", "+OK")
    dialogue.say("QUIT", "+OK")


@contextmanager
def throwaway_account(config: Config) -> Iterator[Trial]:
    """An account in the first domain; it and its Maildir are gone afterwards.  Raises TrialError."""
    with opened_directory(config) as directory:
        domains = directory.domains()
        if not domains:
            raise TrialError("there is no domain yet; add one: mailserver domain add example.org")
        account = Address(f"try-{secrets.token_hex(4)}", domains[0].name)
        trial = Trial(account, secrets.token_urlsafe(16), f"This line comes back: {secrets.token_hex(8)}")
        directory.add_accounts([directory.new_account(account, trial.password)])
    try:
        yield trial
    finally:
        with opened_directory(config) as directory:
            directory.remove_account(account)
            with suppress(FileNotFoundError):
                shutil.rmtree(os.path.join(config.data, account.domain, account.local_part))


def service_of(config: Config, name: str, plain: str, secured: str) -> Service:
    """Where to try a service: *plain* and *secured* are its names in [listen].  Raises TrialError."""
    has_certificate = config.tls.certificate is not None
    if not has_certificate and not config.auth.allow_plaintext:
        raise TrialError(f"{config.file}: nobody can log in without TLS; name a certificate and its key in [tls]")
    choices = [(address, "STARTTLS" if has_certificate else "none") for address in getattr(config.listen, plain)]
    if has_certificate:
        choices += [(address, "SSL/TLS") for address in getattr(config.listen, secured)]
    for address, security in choices:
        if address.port:
            return Service(name, host_of(address), address.port, security)
    raise TrialError(f"{config.file}: [listen] has no TCP port for {plain}, so there is nothing to try; name one")


def shown_certificate(service: Service, hostname: str) -> bytes:
    """The certificate that a client is shown there, trusted or not, in DER.  Raises OSError."""
    wire = TCPWire(service.host, service.port, unverified_context(), hostname)
    try:
        if service.security == "STARTTLS":
            commands = ("EHLO localhost", "STARTTLS") if service.name == "Submission" else ("STLS",)
            _skip_reply(wire)
            for command in commands:
                wire.write(f"{command}\r\n".encode())
                _skip_reply(wire)
        wire.start_tls()
        return wire.peer_certificate()
    finally:
        wire.close()


def _skip_reply(wire: TCPWire) -> None:
    while wire.read_line()[3:4] == b"-":
        pass


def _dialogue(service: Service, tls: ssl.SSLContext | None, hostname: str, show: Show) -> Dialogue:
    show(f"\n{service} at {service.host}")
    try:
        return Dialogue(service.name, TCPWire(service.host, service.port, tls, hostname), show)
    except OSError as error:
        raise TrialError(
            f"{service.name} does not answer on port {service.port} ({error.strerror or error}); start the server"
        ) from error


def client_context(config: Config) -> ssl.SSLContext | None:
    """TLS as a mail program does it: trusts the system's authorities, and a certificate that signs itself."""
    if config.tls.certificate is None:
        return None
    context = ssl.create_default_context()
    if config.file is not None:
        with suppress(OSError):  # only root may read it: good enough for one from a real authority
            context.load_verify_locations(config.tls.certificate)
        return context
    ca = DemoFiles(config.server_folder).ca
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise TrialError(f"{ca} cannot be read ({error.strerror}); start demo mode: twistd -n mailserver") from error
    return context
