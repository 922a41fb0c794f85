"""A conversation with a mail service, line by line, printed as it happens with the secrets struck out.

Blocks, as a command may.  What goes wrong is a TrialError that names the service, the step and the remedy.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from twisted_mail.cli.commandline import CommandError

PATIENCE = 15.0
"""Seconds for each answer."""
STRUCK_OUT = "(struck out)"

Show = Callable[[str], None]
"""Where the lines of a dialogue go."""


class TrialError(CommandError):
    """A step that did not go as it should; one line."""


class Wire(Protocol):
    """What a dialogue needs of a connection.  All but `close` raise OSError."""

    def read_line(self) -> bytes:
        """The next line with its line end; empty at the end of the connection."""

    def write(self, octets: bytes) -> None: ...

    def start_tls(self) -> str:
        """Speak TLS from now on; what was agreed, in words."""

    def close(self) -> None: ...


class TCPWire:
    """A TCP connection."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, certified_name: str, patience: float = PATIENCE
    ) -> None:
        """*certified_name*: the host name that the certificate must have; *patience*: seconds for each answer.

        Raises OSError.
        """
        self._tls = tls
        self._certified_name = certified_name
        self._socket = socket.create_connection((host, port), patience)
        self._input = self._socket.makefile("rb")

    def read_line(self) -> bytes:
        return self._input.readline()

    def write(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def start_tls(self) -> str:
        assert self._tls is not None
        secured = self._tls.wrap_socket(self._socket, server_hostname=self._certified_name)
        self._input.close()
        self._socket, self._input = secured, secured.makefile("rb")
        name, _, _ = secured.cipher() or ("", "", 0)
        return f"{secured.version()}, {name}, certificate valid for {self._certified_name}"

    def peer_certificate(self) -> bytes:
        """What the server showed, in DER; after start_tls."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.getpeercert(binary_form=True) or b""

    def close(self) -> None:
        self._input.close()
        self._socket.close()


class Dialogue:
    """The client's side of one session."""

    def __init__(self, name: str, wire: Wire, show: Show = print) -> None:
        """*name*: of the service, for the person who reads along.  Owns *wire*."""
        self._name = name
        self._wire = wire
        self._show = show

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(self, *error: object) -> None:
        self._wire.close()

    def greeting(self, expected: str) -> None:
        """The server speaks first."""
        self._hear(expected, "the connection")

    def say(self, command: str, expected: str, secret: str = "", called: str = "") -> list[str]:
        """Send *command*; the lines of its reply, the last of which must begin with *expected*.

        *secret* is the part of it that is not shown; *called*: what a person calls it, by default its first word.
        """
        shown = command.replace(secret, STRUCK_OUT) if secret else command
        for line in shown.split("\r\n"):
            self._show(f"  C: {line}")
        try:
            self._wire.write(f"{command}\r\n".encode())
        except OSError as error:
            raise self._silent(error) from error
        return self._hear(expected, called or command.split()[0])

    def dotted_text(self) -> list[str]:
        """The lines that follow, up to the dot (RFC 1939 §3)."""
        return [line.removeprefix(".") for line in iter(self._line, ".")]

    def start_tls(self) -> None:
        try:
            agreed = self._wire.start_tls()
        except ssl.SSLCertVerificationError as error:
            raise TrialError(
                f"{self._name}: mail programs will not trust the certificate ({error.verify_message}): check hostname "
                "and [tls] certificate, which needs its whole chain; for an authority of your own set SSL_CERT_FILE"
            ) from error
        except OSError as error:
            raise TrialError(f"{self._name}: TLS failed ({error}); see the log of the server") from error
        self._show(f"  -- {agreed}")

    def _hear(self, expected: str, command: str) -> list[str]:
        """One reply, also of several lines (RFC 5321 §4.2.1)."""
        lines = [line := self._line()]
        while line[:3].isdigit() and line[3:4] == "-":
            lines.append(line := self._line())
        if not line.startswith(expected):
            raise TrialError(f"{self._name} answered {command} with: {line}; the log of the server may say more")
        return lines

    def _line(self) -> str:
        try:
            octets = self._wire.read_line()
        except OSError as error:
            raise self._silent(error) from error
        if not octets:
            raise TrialError(f"{self._name} closed the connection; see the log of the server")
        line = octets.decode("utf-8", "replace").rstrip("\r\n")
        self._show(f"  S: {line}")
        return line

    def _silent(self, error: OSError) -> TrialError:
        return TrialError(f"{self._name} does not answer any more ({error}); see the log of the server")
