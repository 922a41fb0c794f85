"""`mailserver init`: three questions, and a server that starts."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from importlib.util import find_spec

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

from twisted_mail.auth.names import account_address, domain_name
from twisted_mail.cli.asking import add_password_option, read_password
from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.cli.newserver import SYSTEM_CONFIG, NewServer, check_nothing_is_there, make, may_use_low_ports
from twisted_mail.cli.remaining import numbered, steps
from twisted_mail.smtp.address import Address


def add_family(parser: Parser) -> None:
    """init, which has no subcommands."""
    be_command(parser, init)
    parser.epilog = (
        f"Makes FILE (default: {SYSTEM_CONFIG} for root, else and for a trial ./mailserver.toml), and beside it a "
        "systemd unit, the DNS records and a first certificate; never overwrites anything."
    )
    parser.add_argument("--domain", metavar="DOMAIN", help="the domain of the mail addresses, as in example.org")
    parser.add_argument("--hostname", metavar="NAME", help="the full name of this machine; default: mail.DOMAIN")
    parser.add_argument("--account", metavar="ADDRESS", help="the first account, who is postmaster too")
    parser.add_argument(
        "--trial",
        action="store_true",
        help="on this machine only, on ports above 1024; always so for users who may not have port 25",
    )
    parser.add_argument(
        "--acme",
        action="store_true",
        help="have the server get its certificate from Let's Encrypt, by ports 80 and 443, and agree with its terms",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be made")
    add_password_option(parser)


def init(arguments: argparse.Namespace) -> None:
    """Ask, make, show.  Raises CommandError or DirectoryError."""
    config = _config_path(arguments)
    if os.path.lexists(config):  # before anybody has answered questions for nothing
        raise CommandError(
            f"{config} is there already and nothing was changed; name another --config FILE, or move it away"
        )
    new = _asked(arguments, config)
    check_nothing_is_there(new)
    if not arguments.dry_run:
        make(new, read_password(arguments, new.account))
        _remember_plugins()
    _show(new, arguments.dry_run)


def _remember_plugins() -> None:
    """Have Twisted write its list of plugins, for the server: its user may not, and says so at each start."""
    list(getPlugins(IServiceMaker))


def _config_path(arguments: argparse.Namespace) -> str:
    named = getattr(arguments, "config", None) or os.environ.get("MAILSERVER_CONFIG")
    for_system = os.geteuid() == 0 and not arguments.trial
    return os.path.abspath(named or (SYSTEM_CONFIG if for_system else "mailserver.toml"))


def _asked(arguments: argparse.Namespace, config: str) -> NewServer:
    domain = domain_name(arguments.domain or _answer("Domain of the mail addresses, as in example.org", "--domain"))
    default = f"mail.{domain}"
    hostname = domain_name(
        arguments.hostname or _answer("Full name of this machine, as other servers see it", "--hostname", default)
    )
    account = arguments.account or _answer("First account", "--account", *_own_name(domain))
    is_trial = arguments.trial or not may_use_low_ports()
    if arguments.acme:
        _check_acme(is_trial)
    return NewServer(domain, hostname, _account(account, domain), config, is_trial, arguments.acme)


def _check_acme(is_trial: bool) -> None:
    """Raises CommandError."""
    if is_trial:
        raise CommandError("--acme is for a server that others reach, and this is a trial; leave --acme out")
    if find_spec("acme") is None:
        raise CommandError("--acme needs one more library: pip install twisted-mail[acme]")


def _account(text: str, domain: str) -> Address:
    address = account_address(text if "@" in text else f"{text}@{domain}")
    if address.domain != domain:
        raise CommandError(f"{address} is not in {domain}; the first account is, more come with: mailserver domain add")
    return address


def _own_name(domain: str) -> tuple[str, ...]:
    """A default for who sits at the terminal; root wants a person's name."""
    if not sys.stdin.isatty() or os.geteuid() == 0:
        return ()
    return (f"{getpass.getuser()}@{domain}",)


def _answer(question: str, option: str, default: str = "") -> str:
    """From the terminal; without one the default, if there is one.  Raises CommandError."""
    if not sys.stdin.isatty():
        if default:
            return default
        raise CommandError(f"there is no terminal to ask for it; use {option}")
    shown = f" [{default}]" if default else ""
    try:
        return input(f"{question}{shown}: ").strip() or default or _answer(question, option)
    except EOFError:
        raise CommandError("no answer; nothing was changed") from None


def _show(new: NewServer, dry_run: bool) -> None:
    texts = new.texts()
    if dry_run:
        for path, text in texts.items():
            print(f"----- {path}\n{text}")
        if new.tls_files:
            print(f"----- {', '.join(new.tls_files)}\n(a certificate for {new.hostname})\n")
        print(f"----- {new.data}\n(account {new.account})\n\nAfter that:\n")
    else:
        print("\n".join(f"wrote {path}" for path in (*texts, *new.tls_files)))
        with open(new.zone, encoding="utf-8") as file:
            print(f"added {new.account} in {new.data}, who is postmaster@ and abuse@ too\n\n{file.read()}")
        print("What is left to do:\n")
    print(numbered(steps(new)))
