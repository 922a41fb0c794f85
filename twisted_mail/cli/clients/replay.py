"""A mail program's two sessions, replayed on the running server: its words, its ports, its view of certificates."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping, Sequence

from twisted_mail.cli.clients.program import MailProgram, Script, Step
from twisted_mail.cli.clients.trust import problem, verifying_context
from twisted_mail.cli.dialogue import PATIENCE, Dialogue, Show, TCPWire, TrialError
from twisted_mail.cli.reaching import host_of, unverified_context
from twisted_mail.cli.roundtrip import Service, Trial, shown_certificate
from twisted_mail.config import Config

_BODY = (".this line begins with a dot", "..and this one with two", "Grüße aus Übersee")
"""What broken servers change."""


_SECRETS = ("plain64", "password64", "password")
"""Values that are not shown."""


def _values(trial: Trial, lines: Sequence[str]) -> Mapping[str, str]:
    """What the lines of scripts are filled in with."""
    address, password = str(trial.account), trial.password
    return {
        "address": address,
        "password": password,
        "user64": _base64(address),
        "password64": _base64(password),
        "plain64": _base64(f"\0{address}\0{password}"),
        "size": str(sum(len(line.encode()) + 2 for line in lines)),
        "message": "\r\n".join(f".{line}" if line.startswith(".") else line for line in lines),
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Replay:
    """One program in front of one server."""

    def __init__(self, config: Config, program: MailProgram, trial: Trial, show: Show, *, accept: bool) -> None:
        """*accept*: its user has accepted the certificate, whatever it is."""
        self._config = config
        self._program = program
        self._show = show
        self._accept = accept
        self._lines = [*trial.message.split("\r\n"), *_BODY]
        self._values = _values(trial, self._lines)

    def run(self) -> tuple[Service, Service]:
        """Send and fetch; where it did.  Raises TrialError."""
        sending, fetching = self._program.sending, self._program.fetching
        return self._session("Submission", sending, "220"), self._session("POP3", fetching, "+OK")

    def _session(self, name: str, script: Script, greeting: str) -> Service:
        service = self._service(name, script)
        self._show(f"\n{self._program.title} at {service}")
        with Dialogue(name, self._wire(service), self._show) as dialogue:
            if service.security == "SSL/TLS":
                dialogue.start_tls()
            dialogue.greeting(greeting)
            if service.security == "STARTTLS":
                self._play(dialogue, script.before_tls)
                dialogue.start_tls()
            self._play(dialogue, script.steps)
        return service

    def _service(self, name: str, script: Script) -> Service:
        """The first port of those that the program looks for.  Raises TrialError."""
        config = self._config
        for access in script.access:
            for address in getattr(config.listen, access.service):
                if address.port:
                    return Service(name, host_of(address), address.port, access.security)
        wanted = " or ".join(f"{access.service} ({access.security})" for access in script.access)
        raise TrialError(f"{self._program.title} needs {wanted}, and [listen] has none of that; name a TCP port there")

    def _wire(self, service: Service) -> TrustingWire:
        try:
            return TrustingWire(service, self._config, self._program, accept=self._accept)
        except OSError as error:
            raise TrialError(
                f"{service.name} does not answer on port {service.port} ({error.strerror or error}); start the server"
            ) from error

    def _play(self, dialogue: Dialogue, steps: Sequence[Step]) -> None:
        for step in steps:
            line = step.line.format_map(self._values)
            called = step.called or line.split()[0]
            reply = dialogue.say(line, step.expected, self._secret(step), called)
            if step.is_multiline:
                reply = dialogue.dotted_text()
            self._check_offer(step, reply)
            if line.startswith("RETR"):
                self._check_message(reply)

    def _secret(self, step: Step) -> str:
        """What of the line is not to be shown."""
        return next((self._values[name] for name in _SECRETS if f"{{{name}}}" in step.line), "")

    def _check_offer(self, step: Step, reply: Sequence[str]) -> None:
        for need in step.needs:
            if not need.is_met_by([line[4:] for line in reply] if step.expected.isdigit() else reply):
                raise TrialError(f"{self._program.title}: {need.remedy}")

    def _check_message(self, text: Sequence[str]) -> None:
        start = len(text) - len(self._lines)
        if start < 0 or list(text[start:]) != self._lines:
            raise TrialError("POP3 gave another message than the one that was sent; see the log of the server")


class TrustingWire(TCPWire):
    """A connection that looks at the certificate as a mail program does."""

    def __init__(self, service: Service, config: Config, program: MailProgram, *, accept: bool) -> None:
        """Raises OSError."""
        super().__init__(service.host, service.port, verifying_context(), config.hostname, PATIENCE)
        self._service = service
        self._program = program
        self._accept = accept

    def start_tls(self) -> str:
        """Raises OSError, or TrialError where the program breaks off."""
        if self._accept:
            self._tls = unverified_context()
            return f"{super().start_tls().partition(', certificate')[0]}, certificate accepted by its user"
        try:
            agreed = super().start_tls()
            reason = ""
        except ssl.SSLCertVerificationError as error:
            agreed, reason = "", error.verify_message
        certificate = self.peer_certificate() if not reason else shown_certificate(self._service, self._certified_name)
        if why := problem(self._program, certificate, self._certified_name, reason):
            raise TrialError(
                f"{self._program.title} breaks off at {self._service}: {why}; {self._program.trust.remedy}, as with "
                "--accept-certificate"
            )
        return agreed
