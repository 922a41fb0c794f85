"""`mailserver try`: one message through submission and back by POP3, over the real ports, with both dialogues shown.

It uses an account of its own that exists only while it runs.  What fails is said in one line; the account goes anyway.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate

from twisted_mail.auth.directory import Directory
from twisted_mail.auth.passwords import hash_password
from twisted_mail.config import Config, ListenAddress
from twisted_mail.demo import DemoFiles
from twisted_mail.smtp.address import Address

PATIENCE = 15.0
"""Seconds for each answer."""


class TrialError(Exception):
    """A step that did not go as it should; one line."""


class Dialogue:
    """A line-by-line conversation with one service, printed as it happens; secrets are struck out."""

    def __init__(self, name: str, address: ListenAddress, tls: ssl.SSLContext | None, host: str) -> None:
        self._name = name
        self._tls = tls
        self._host = host
        where = (address.interface or "127.0.0.1", address.port or 0)
        print(f"\n{name} at {where[0]} port {where[1]}")
        try:
            self._socket = socket.create_connection(where, PATIENCE)
        except OSError as error:
            raise TrialError(
                f"{name} does not answer on port {where[1]} ({error.strerror or error}); is the server running?"
            ) from error
        self._input = self._socket.makefile("rb")

    def line(self) -> str:
        """The next line from the server."""
        line = self._input.readline().decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            raise TrialError(f"{self._name} closed the connection")
        print(f"  S: {line}")
        return line

    def send(self, text: str, shown: str | None = None) -> None:
        """Say *text*; *shown* is what is printed where *text* is a secret."""
        for line in (shown or text).split("\r\n"):
            print(f"  C: {line}")
        self._socket.sendall(f"{text}\r\n".encode())

    def start_tls(self) -> None:
        if self._tls is None:
            return
        try:
            secured = self._tls.wrap_socket(self._socket, server_hostname=self._host)
        except ssl.SSLError as error:
            raise TrialError(
                f"{self._name}: TLS failed: {error.reason or error}; mail clients would warn here"
            ) from error
        self._socket = secured
        self._input = secured.makefile("rb")
        cipher = secured.cipher()
        print(f"  -- {secured.version()}, {cipher[0] if cipher else ''}, certificate valid for {self._host}")

    def close(self) -> None:
        self._socket.close()


def send_message(dialogue: Dialogue, account: Address, password: str, message: str, tls: bool) -> None:
    """Submit *message* from *account* to itself.  Raises TrialError."""

    def command(text: str, expected: str, shown: str | None = None) -> None:
        if text:
            dialogue.send(text, shown)
        while (line := dialogue.line())[3:4] == "-":
            pass
        if not line.startswith(expected):
            raise TrialError(f"submission answered {(shown or text or 'the connection').split()[0]} with: {line}")

    command("", "220")
    command("EHLO localhost", "250")
    if tls:
        command("STARTTLS", "220")
        dialogue.start_tls()
        command("EHLO localhost", "250")
    secret = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
    command(f"AUTH PLAIN {secret}", "235", shown="AUTH PLAIN (struck out)")
    command(f"MAIL FROM:<{account}>", "250")
    command(f"RCPT TO:<{account}>", "250")
    command("DATA", "354")
    command(f"{message}\r\n.", "250")
    command("QUIT", "221")


def fetch_message(dialogue: Dialogue, account: Address, password: str, expected: str, tls: bool) -> None:
    """Fetch and delete the only message of *account*, which must hold the line *expected*.  Raises TrialError."""

    def command(text: str, shown: str | None = None) -> None:
        if text:
            dialogue.send(text, shown)
        line = dialogue.line()
        if not line.startswith("+OK"):
            raise TrialError(f"POP3 answered {(shown or text or 'the connection').split()[0]} with: {line}")

    command("")
    if tls:
        command("STLS")
        dialogue.start_tls()
    command(f"USER {account}")
    command(f"PASS {password}", shown="PASS (struck out)")
    command("STAT")
    command("RETR 1")
    lines = list(iter(dialogue.line, "."))
    if expected not in lines:
        raise TrialError("POP3 gave another message than the one that was sent")
    command("DELE 1")
    command("QUIT")


@contextmanager
def throwaway_account(directory: Directory, config: Config) -> Iterator[tuple[Address, str]]:
    """An account in the first domain, with its password; it and its Maildir are gone afterwards.  Raises TrialError."""
    domains = directory.domains()
    if not domains:
        raise TrialError("there is no domain yet: mailserver domain add example.org")
    account = Address(f"try-{secrets.token_hex(4)}", domains[0].name)
    password = secrets.token_urlsafe(16)
    directory.add_account(account, hash_password(password))
    try:
        yield account, password
    finally:
        directory.remove_account(account)
        with suppress(FileNotFoundError):
            shutil.rmtree(os.path.join(config.data, account.domain, account.local_part))


def try_server(config: Config, directory: Directory) -> None:
    """The whole round trip.  Raises TrialError."""
    tls = _client_context(config)
    submission = _first(config.listen.submission, "submission")
    pop3 = _first(config.listen.pop3, "pop3")
    with throwaway_account(directory, config) as (account, password):
        token = secrets.token_hex(8)
        message = (
            f"From: {account}\r\nTo: {account}\r\nSubject: mailserver try\r\nDate: {formatdate(time.time())}\r\n"
            f"\r\nThis line comes back: {token}"
        )
        started = time.monotonic()
        dialogue = Dialogue("Submission", submission, tls, config.hostname)
        try:
            send_message(dialogue, account, password, message, tls is not None)
        finally:
            dialogue.close()
        dialogue = Dialogue("POP3", pop3, tls, config.hostname)
        try:
            fetch_message(dialogue, account, password, f"This line comes back: {token}", tls is not None)
        finally:
            dialogue.close()
    print(f"\nIt works: sent, stored and fetched in {time.monotonic() - started:.2f} seconds.")


def _first(addresses: tuple[ListenAddress, ...], name: str) -> ListenAddress:
    for address in addresses:
        if address.port:
            return address
    raise TrialError(f"[listen] {name} is empty: there is nothing to try")


def _client_context(config: Config) -> ssl.SSLContext | None:
    """TLS as a mail client does it: the system's authorities, and what the owner of this machine has configured."""
    if config.tls.certificate is None:
        return None
    context = ssl.create_default_context()
    trusted = DemoFiles(config.server_folder).ca if config.file is None else config.tls.certificate
    try:
        context.load_verify_locations(trusted)
    except OSError as error:
        raise TrialError(f"{trusted} cannot be read ({error.strerror}); is the server running?") from error
    return context
