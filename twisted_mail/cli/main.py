"""The `mailserver` command.  Exit status 0, or 1 with one line on standard error that says what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from twisted_mail.auth.directory import DirectoryError
from twisted_mail.cli import (
    accounts,
    aliases,
    backups,
    check,
    dkim,
    domains,
    explain,
    init,
    junk,
    mailreports,
    moving,
    queue,
    reload,
    reputation,
    send,
    suppression,
    trying,
    uidldiff,
)
from twisted_mail.cli.commandline import CommandError, Parser, new_parser, subcommands
from twisted_mail.config import ConfigError

PROGRAM = "mailserver"

FAMILIES: Sequence[tuple[str, str, Callable[[Parser], None]]] = (
    ("init", "Set up a new server with three questions.", init.add_family),
    ("check", "Look what is wrong, and say what mends it.", check.add_family),
    ("try", "Send a message to the server and fetch it again.", trying.add_family),
    ("domain", "Domains whose mail this server takes.", domains.add_family),
    ("account", "People whose mail is kept here.", accounts.add_family),
    ("dkim", "Keys with which the domains sign what leaves.", dkim.add_family),
    ("junk", "What the filters of accounts have learned to be junk.", junk.add_family),
    ("alias", "Addresses that stand for others.", aliases.add_family),
    ("explain", "Tell what became of a message, or what happened at a time.", explain.add_family),
    ("reload", "Have the running server take its configuration as it is now.", reload.add_family),
    ("queue", "Mail that waits to be sent to other servers.", queue.add_family),
    ("send", "Send the message on standard input, as sendmail does.", send.add_family),
    ("dmarc", "What others say about mail from your domains.", mailreports.add_dmarc),
    ("tlsrpt", "What others say about TLS on the way to you.", mailreports.add_tlsrpt),
    ("import", "Take mail from another server into an account.", moving.add_import),
    ("export", "Write the mail of an account for another program.", moving.add_export),
    ("uidl-diff", "Say whether anybody would download anything again.", uidldiff.add_family),
    ("backup", "Copy everything that the server keeps, while it runs.", backups.add_backup),
    ("restore", "Fill an empty data directory from a backup.", backups.add_restore),
    ("reputation", "What users have said of mail, by where it came from.", reputation.add_family),
    ("suppression", "Addresses that nothing is sent to for now.", suppression.add_family),
)
"""Name, what `--help` says, and what adds the commands of the family."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* (default: the process's own); returns the exit status."""
    if argv is None and os.path.basename(sys.argv[0]) == "sendmail":  # a link by that name
        argv = ["send", *sys.argv[1:]]
    try:
        arguments = _parser().parse_args(argv)
        arguments.run(arguments)
        sys.stdout.flush()
        return 0
    except SystemExit as asked:  # --help and --version, which have printed what they have to say
        return int(asked.code or 0)
    except BrokenPipeError:
        # the reader has seen enough, as in `mailserver account list | head`; nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CommandError as error:
        return _fail(str(error), error.status)
    except (ConfigError, DirectoryError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted; run it again")
    except OSError as error:
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}; {_remedy(error)}")
    except Exception as error:  # noqa: BLE001 (our bug, and still no traceback for the person at the terminal)
        return _fail(f"this is a bug in {PROGRAM}, please report it: {type(error).__name__}: {error}")


def _remedy(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "check the name"
        case PermissionError():
            return "run this as root or as the server's user"
        case _:
            return "check permissions and the disk"


def _parser() -> Parser:
    parser = new_parser(PROGRAM, "Administer Twisted Mail.  The server may run meanwhile and sees changes at once.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('twisted-mail')}")
    commands = subcommands(parser)
    for name, text, add_family in FAMILIES:
        add_family(commands.add_parser(name, help=text, description=text))
    accounts.add_passwd(commands)
    return parser


def _fail(text: str, status: int = 1) -> int:
    print(f"{PROGRAM}: {' '.join(text.split())}", file=sys.stderr)
    return status
