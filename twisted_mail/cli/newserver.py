"""What `mailserver init` makes: the decisions (`NewServer`), and the files that follow from them.

Nothing that is there already is touched, so a mistake in a question is mended by deleting what was made.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from twisted_mail import owncertificate
from twisted_mail.cli import systemdunit
from twisted_mail.cli.commandline import CommandError
from twisted_mail.cli.configfile import sample, with_values
from twisted_mail.cli.dkim import make_first_keys
from twisted_mail.cli.dnsrecords import Place, Record, own_addresses, usual_ports, zone_text
from twisted_mail.cli.opening import opened_directory
from twisted_mail.config import Config, Listen, load
from twisted_mail.ownership import Owner, hand_over
from twisted_mail.signing import key_store
from twisted_mail.smtp.address import Address

SYSTEM_CONFIG = "/etc/twisted-mail/mailserver.toml"
SYSTEM_DATA = "/var/lib/twisted-mail/maildirs"
ACME_DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory"
TRIAL_OFFSET = 1000
"""What a trial adds to each port, as demo mode does."""
POSTMASTERS = ("postmaster", "abuse")
"""Must be there (RFC 5321 §4.5.1, RFC 2142 §4); those that report to a domain write to them."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """What was asked and what follows from where and by whom it is run."""

    domain: str
    hostname: str
    account: Address
    config: str
    """Full path of the mailserver.toml to be."""
    is_trial: bool
    """On loopback, above port 1024; nothing leaves the machine."""
    gets_certificate: bool = False
    """It asks Let's Encrypt itself, which looks at its web listeners."""

    @property
    def folder(self) -> str:
        return os.path.dirname(self.config)

    @property
    def data(self) -> str:
        return SYSTEM_DATA if self.config == SYSTEM_CONFIG else os.path.join(self.folder, "maildirs")

    @property
    def zone(self) -> str:
        """Path of the file with the DNS records."""
        return os.path.join(self.folder, f"dns-{self.domain}.zone")

    @property
    def unit(self) -> str:
        return os.path.join(self.folder, systemdunit.NAME)

    @property
    def certificate(self) -> str:
        return os.path.join(self.folder, "tls", "fullchain.pem")

    @property
    def key(self) -> str:
        return os.path.join(self.folder, "tls", "privkey.pem")

    @property
    def ca(self) -> str:
        return os.path.join(self.folder, "tls", "ca.pem")

    @property
    def tls_files(self) -> list[str]:
        """Those that are made here."""
        return [] if self.gets_certificate else [self.certificate, self.key, self.ca]

    @property
    def place(self) -> Place:
        return Place(self.hostname, own_addresses(), usual_ports())

    def texts(self) -> dict[str, str]:
        """Path -> text of the files that people read."""
        texts = {self.config: self._config_text(), self.zone: zone_text(self.domain, self.place)}
        if not self.is_trial:
            texts[self.unit] = systemdunit.unit_text(os.path.dirname(sys.executable), self.config, self.data)
        return texts

    def _config_text(self) -> str:
        values = {"hostname": f'"{self.hostname}"', "data": f'"{self.data}"'}
        if self.gets_certificate:
            values |= {"tls.acme": f'"{ACME_DIRECTORY}"', "tls.acme_contact": f'"postmaster@{self.domain}"'}
            values |= {"listen.web": '["tcp:80"]', "listen.https": '["tcp:443"]'}
        else:
            values |= {"tls.certificate": f'"{self.certificate}"', "tls.key": f'"{self.key}"'}
        if self.is_trial:
            values |= {f"listen.{name}": addresses for name, addresses in _trial_ports()}
            values["relay.enabled"] = "false"
        return with_values(sample(), values)


def _trial_ports() -> Iterator[tuple[str, str]]:
    for listen in fields(Listen):
        for address in getattr(Listen(), listen.name):
            if not address.is_loopback:
                yield listen.name, f'["tcp:{address.port + TRIAL_OFFSET}:interface=127.0.0.1"]'


def may_use_low_ports() -> bool:
    """Whether this user's server could have port 25."""
    if os.geteuid() == 0:
        return True
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            return int(file.read()) <= 25
    except OSError:
        return False


def service_user() -> Owner | None:
    """Whom the unit runs the server as, where that user is there and we are root, who can give things away."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(systemdunit.USER)
    except KeyError:
        return None
    return found.pw_uid, found.pw_gid


def check_nothing_is_there(new: NewServer) -> None:
    """Raises CommandError: one line with all that would be overwritten."""
    paths = [*new.texts(), *new.tls_files]
    if found := [path for path in paths if os.path.lexists(path)]:
        verb = "is" if len(found) == 1 else "are"
        raise CommandError(
            f"{' and '.join(found)} {verb} there already and nothing was changed; "
            "name another --config FILE, or move what is there away"
        )
    if os.path.exists(os.path.join(new.data, ".server")):
        raise CommandError(
            f"{new.data} holds the data of a server already and nothing was changed; write its mailserver.toml by "
            "hand, or move that folder away"
        )


def make(new: NewServer, password: str) -> None:
    """All of it; the files are removed again where something fails.  Raises DirectoryError or OSError."""
    os.makedirs(new.folder, 0o755, exist_ok=True)
    owner = service_user()
    with _removed_on_failure() as made:
        for path, text in new.texts().items():
            _write(path, text.encode(), 0o644, made)
        _make_certificate(new, owner, made)
        config = load(new.config)
        signatures = _make_account(config, new, password)
        with open(new.zone, "w", encoding="utf-8") as file:
            file.write(zone_text(new.domain, new.place, signatures))
    if owner is not None:
        hand_over(config, owner)


def _make_certificate(new: NewServer, owner: Owner | None, made: list[str]) -> None:
    """The key is for root and the server's group, so that a stolen server process cannot change it."""
    if new.gets_certificate:  # then it makes the first one too
        return
    names = [new.hostname, "localhost", "127.0.0.1", "::1"] if new.is_trial else [new.hostname]
    own = owncertificate.make(f"CA of {new.hostname}", names)
    os.makedirs(os.path.dirname(new.key), 0o755, exist_ok=True)
    _write(new.ca, own.ca, 0o644, made)
    _write(new.certificate, own.chain, 0o644, made)
    _write(new.key, own.key, 0o600, made)
    if owner is not None:
        os.chown(new.key, 0, owner[1])
        os.chmod(new.key, 0o640)


def _make_account(config: Config, new: NewServer, password: str) -> list[Record]:
    """The records of the keys of its domain."""
    with opened_directory(config) as directory:
        directory.add_domain(new.domain)
        directory.add_accounts([directory.new_account(new.account, password)])
        for name in POSTMASTERS:
            address = Address(name, new.domain)
            if address != new.account:
                directory.aliases.add(address, [new.account])
        return make_first_keys(key_store(config), new.domain)


@contextmanager
def _removed_on_failure() -> Iterator[list[str]]:
    """A list of paths to remove if what is done meanwhile fails."""
    made: list[str] = []
    try:
        yield made
    except BaseException:
        for path in made:
            os.unlink(path)
        raise


def _write(path: str, octets: bytes, mode: int, made: list[str]) -> None:
    """A new file: one that is there is never opened."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        made.append(path)
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(octets)
