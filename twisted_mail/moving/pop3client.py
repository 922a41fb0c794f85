"""A POP3 client that lists and fetches, and never deletes.  Blocks, as a command may.

Commands go out many at once where the server says that it can take that (PIPELINING, RFC 2449 §6.6).
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from twisted_mail.framing import DotDecoder
from twisted_mail.moving.letter import MovingError
from twisted_mail.printable import printable

PATIENCE = 60.0
"""Seconds for each piece: a server may have to look through a large mailbox first."""
IN_FLIGHT = 32
"""Commands that wait for their answers."""
MAX_LINE = 8192
_PIECE = 256 * 1024
_PORTS = {"pop3": 110, "pop3s": 995}


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox behind POP3."""

    host: str
    port: int
    user: str
    is_tls: bool
    """From the first octet; else STLS."""

    @classmethod
    def parse(cls, url: str) -> Account:
        """From `pop3://user@host:port` or `pop3s://...`; an @ in the user may stand as it is.  Raises MovingError."""
        wrong = MovingError(f'"{url}" is not the address of a mailbox; write it like pop3s://alice@old.example:995')
        scheme, _, rest = url.partition("://")
        user, _, place = rest.rstrip("/").rpartition("@")
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname, parts.port or _PORTS[scheme]
        except (ValueError, KeyError):
            raise wrong from None
        if not host or not user or parts.path or any(ord(each) < 32 for each in unquote(user)):
            raise wrong
        if ":" in user:
            raise MovingError("leave the password out of the address: it is asked for, or comes with --password-stdin")
        return cls(host, port, unquote(user), scheme == "pop3s")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'pop3s' if self.is_tls else 'pop3'}://{self.user}@{host}:{self.port}"


def is_url(text: str) -> bool:
    """Whether it is meant as the address of a mailbox behind POP3."""
    return text.startswith(("pop3://", "pop3s://"))


class POP3Client:
    """One session, logged in."""

    def __init__(self, account: Account, password: str, *, insecure: bool = False) -> None:
        """*insecure*: any certificate will do, and no TLS at all.  Raises MovingError."""
        self._name = f"{account.host} port {account.port}"
        self._held = b""
        tls = _insecure_context() if insecure else ssl.create_default_context()
        try:
            self._socket = socket.create_connection((account.host, account.port), PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise MovingError(f"{self._name} does not answer ({error.strerror or error}); check the address") from error
        try:
            self._open(account, password, tls, insecure)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> POP3Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Without QUIT: nothing was marked."""
        self._socket.close()

    def quit(self) -> None:
        """Say good-bye."""
        self._say("QUIT", "QUIT")

    def sizes(self) -> dict[int, str]:
        """Message number -> octets, of all messages."""
        return self._listing("LIST")

    def uids(self) -> dict[int, str] | None:
        """Message number -> unique-id; None: the server has no such."""
        try:
            return self._listing("UIDL")
        except _Refused:
            return None

    def fetch(self, numbers: Sequence[int]) -> Iterator[bytes | None]:
        """Each of these messages, LF line ends; None: the server refuses that one."""
        ahead = IN_FLIGHT if self._pipelines else 1
        for start in range(0, len(numbers), ahead):
            group = numbers[start : start + ahead]
            self._send("".join(f"RETR {number}\r\n" for number in group))
            for _ in group:
                try:
                    self._hear("RETR")
                except _Refused:
                    yield None
                    continue
                yield self._text()

    def _open(self, account: Account, password: str, tls: ssl.SSLContext, insecure: bool) -> None:
        if account.is_tls:
            self._start_tls(account, tls)
        self._hear("the connection")
        if not account.is_tls and "STLS" in self._capabilities():
            self._say("STLS", "STLS")
            self._start_tls(account, tls)
        elif not account.is_tls and not insecure and not _is_loopback(self._socket.getpeername()[0]):
            raise MovingError(
                f"{self._name} offers no TLS, so everybody between here and there could read the password; "
                "use pop3s://, or --insecure if you mean it"
            )
        self._say(f"USER {account.user}", "USER")
        try:
            self._say(f"PASS {password}", "PASS")
        except _Refused as error:
            raise MovingError(f"{error}; check user and password") from None
        self._pipelines = "PIPELINING" in self._capabilities()

    def _start_tls(self, account: Account, tls: ssl.SSLContext) -> None:
        try:
            self._socket = tls.wrap_socket(self._socket, server_hostname=account.host)
        except ssl.SSLCertVerificationError as error:
            raise MovingError(
                f"the certificate of {self._name} is not trusted ({error.verify_message}); name the authority in "
                "SSL_CERT_FILE, or use --insecure if you know that it is the right server"
            ) from error
        except OSError as error:
            raise MovingError(f"no TLS with {self._name} ({error}); check the port, or try pop3:// instead") from error

    def _capabilities(self) -> set[str]:
        try:
            self._say("CAPA", "CAPA")
        except _Refused:  # RFC 2449 is from 1998, some servers are older
            return set()
        return {
            line.split()[0].decode("ascii", "replace").upper() for line in self._text().splitlines() if line.split()
        }

    def _listing(self, command: str) -> dict[int, str]:
        self._say(command, command)
        rows = (row.split(" ", 1) for row in self._text().decode("utf-8", "replace").splitlines())
        return {int(row[0]): row[1].strip() for row in rows if len(row) == 2 and row[0].isdecimal()}

    def _say(self, line: str, called: str) -> None:
        self._send(f"{line}\r\n")
        self._hear(called)

    def _send(self, text: str) -> None:
        try:
            self._socket.sendall(text.encode())
        except OSError as error:
            raise self._gone(error) from error

    def _hear(self, called: str) -> None:
        """One status line (RFC 1939 §3).  Raises _Refused or MovingError."""
        while b"\n" not in self._held:
            if len(self._held) > MAX_LINE:
                raise MovingError(f"{self._name} does not speak POP3; check the port")
            self._held += self._receive()
        line, _, self._held = self._held.partition(b"\n")
        text = printable(line.decode("utf-8", "replace").rstrip("\r"))
        if not text.startswith("+OK"):
            raise _Refused(f"{self._name} answered {called} with: {text[:200]}")

    def _text(self) -> bytes:
        """What follows up to the dot, LF line ends."""
        decoder = DotDecoder()
        pieces = []
        chunk, self._held = self._held, b""
        while True:
            piece, rest = decoder.feed(chunk)
            pieces.append(piece)
            if decoder.finished:
                self._held = rest
                return b"".join(pieces)
            chunk = self._receive()

    def _receive(self) -> bytes:
        try:
            octets = self._socket.recv(_PIECE)
        except OSError as error:
            raise self._gone(error) from error
        if not octets:
            raise self._gone(None)
        return octets

    def _gone(self, error: OSError | None) -> MovingError:
        why = f" ({error})" if error else ""
        return MovingError(f"{self._name} does not answer any more{why}; run this again, it goes on where it stopped")


class _Refused(MovingError):
    """-ERR."""


def _insecure_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
