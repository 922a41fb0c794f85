"""Demo mode: what a first start without configuration needs, made once and reused.

A data directory, a CA and a certificate of its own, and the account demo@localhost with a password that is shown once.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from zope.interface import implementer

from twisted_mail import owncertificate
from twisted_mail.auth.directory import Directory
from twisted_mail.config import Config
from twisted_mail.durable import make_directory
from twisted_mail.interfaces import Expansion, IUsers
from twisted_mail.smtp.address import Address

ACCOUNT = Address("demo", "localhost")


@implementer(IUsers)
class EveryDomain:
    """The users of demo mode: every domain is ours, and all but localhost are the demo mailbox.  Nothing leaves."""

    def __init__(self, users: IUsers) -> None:
        self._users = users

    async def is_local(self, domain: str) -> bool:
        return True

    async def expand(self, address: Address) -> Expansion:
        if not address.domain or await self._users.is_local(address.domain):
            found = await self._users.expand(address)
            if not found.outside:
                return found
            return replace(found, mailboxes=tuple(dict.fromkeys((*found.mailboxes, ACCOUNT))), outside=())
        return Expansion((ACCOUNT,))

    async def may_send_as(self, account: Address, address: Address) -> bool:
        return await self._users.may_send_as(account, address)

    async def members(self, address: Address, owner: Address) -> Sequence[Address]:
        return await self._users.members(address, owner)


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What lies where in a demo data directory."""

    folder: str

    @property
    def ca(self) -> str:
        return os.path.join(self.folder, "tls", "ca.pem")

    @property
    def password(self) -> str:
        """Where the password lies when no terminal could show it; 0600."""
        return os.path.join(self.folder, "demo-password")


def make_certificate(config: Config) -> None:
    """A CA, and a certificate for localhost and this host signed by it, unless they are there.  Raises OSError."""
    certificate, key = config.tls.certificate, config.tls.key
    assert certificate is not None
    assert key is not None
    if os.path.exists(certificate) and os.path.exists(key):
        return
    make_directory(os.path.dirname(certificate))
    own = owncertificate.make(f"demo CA on {socket.gethostname()}", ["localhost", _host_name(), "127.0.0.1", "::1"])
    _write(DemoFiles(config.server_folder).ca, own.ca)
    _write(key, own.key)
    _write(certificate, own.chain)


def make_account(directory: Directory) -> str | None:
    """The domain and the account of demo mode; a new password, or None: they were there already."""
    if ACCOUNT.domain not in [domain.name for domain in directory.domains()]:
        directory.add_domain(ACCOUNT.domain)
    if directory.account(ACCOUNT) is not None:
        return None
    password = "-".join(secrets.token_hex(2) for _ in range(3))
    directory.add_accounts([directory.new_account(ACCOUNT, password)])
    return password


def fingerprint(certificate: str) -> str:
    """SHA-256 of the first certificate in a PEM file, as mail clients show it."""
    with open(certificate, "rb") as file:
        leaf = x509.load_pem_x509_certificates(file.read())[0]
    return leaf.fingerprint(hashes.SHA256()).hex(":").upper()


def welcome(config: Config, password: str | None, terminal: TextIO | None) -> str:
    """Tell the person at the terminal what they have; the line for the log.

    Without a terminal a new password is written to a file that only its owner may read.
    """
    files = DemoFiles(config.server_folder)
    if terminal is not None and terminal.isatty():
        print(_page(config, password), file=terminal, flush=True)
        return f"demo mode: {ACCOUNT} on loopback, data in {config.data}"
    if password is not None:
        _write(files.password, f"{password}\n".encode())
    return f"demo mode: {ACCOUNT} on loopback, data in {config.data}, password in {files.password}"


def _page(config: Config, password: str | None) -> str:
    certificate = config.tls.certificate
    assert certificate is not None
    command = _command()
    return f"""
Twisted Mail, demo mode: nothing here can be reached from another machine, and no mail leaves this one.

  Address    {ACCOUNT}
  Password   {f"{password}   (shown this once)" if password else "as shown at the first start"}
             a new one: {command} account passwd {ACCOUNT}
  Incoming   POP3   server localhost, port 1110 STARTTLS or 1995 SSL/TLS, user name {ACCOUNT}
  Outgoing   SMTP   server localhost, port 1587 STARTTLS or 1465 SSL/TLS, user name {ACCOUNT}
             In Thunderbird and Outlook: set up manually, normal password, accept the certificate once.
  For tests  SMTP   server localhost, port 1025, no login: for {ACCOUNT} and for all other domains
             Mail to any other domain lands in the mailbox of {ACCOUNT}.
  Data       {config.data}
  CA         {DemoFiles(config.server_folder).ca}
  SHA-256    {fingerprint(certificate)}

  Web        http://localhost:{config.listen.web[0].port}/ has all this, and the settings for mail programs
  Try it     {command} try   (in another terminal, in {os.path.dirname(config.data)})
  Stop it    Control-C
"""


def _command() -> str:
    """What to type for `mailserver` here."""
    return "mailserver" if shutil.which("mailserver") else os.path.join(os.path.dirname(sys.executable), "mailserver")


def _host_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name else "localhost"


def _write(path: str, octets: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(octets)
