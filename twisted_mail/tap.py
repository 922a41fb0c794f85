"""What `twistd mailserver` and `twist mailserver` call (twisted_plugins/mailserver_plugin.py names this module)."""

from __future__ import annotations

import atexit
import os
import pwd
import sys
from typing import TYPE_CHECKING, Any, cast

from twisted.application.service import IService
from twisted.internet.base import ReactorBase
from twisted.python import usage

if TYPE_CHECKING:
    from twisted_mail.mailserver import MailServer


class Options(usage.Options):
    """The options of the service itself; those of twistd stand before its name."""

    synopsis = "[--config FILE]"
    longdesc = (
        "A mail server: receives by SMTP, takes submissions from users, serves POP3, on plain Maildirs.  "
        "Without a configuration file it starts in demo mode, on loopback only."
    )
    optFlags = [  # noqa: RUF012 (as below)
        ["capture", None, "Take any mail for any address and show it on the web page; nothing leaves.  For developers."]
    ]
    optParameters = [  # noqa: RUF012 (twisted.python.usage reads it from the class)
        [
            "config",
            "c",
            None,
            "Configuration file.  Default: $MAILSERVER_CONFIG, ./mailserver.toml, "
            "/etc/twisted-mail/mailserver.toml, else demo mode.",
        ]
    ]


def makeService(options: Options) -> IService:
    """The service, its ports bound.  What is wrong with the configuration ends the process: one line, exit status 1."""
    try:
        server = _make_server(options)
    except KeyboardInterrupt:
        raise SystemExit("mailserver: interrupted before it had started") from None
    atexit.register(_end, server)
    return server


def _make_server(options: Options) -> MailServer:
    # late: a Control-C during these imports, which take a while, is no traceback either
    from twisted.internet import reactor  # and not before twistd --reactor has chosen one

    from twisted_mail.capturing import as_capture, check_chaos
    from twisted_mail.config import ConfigError, demo_config, find_config, load
    from twisted_mail.mailserver import MailServer
    from twisted_mail.observing import format_log

    try:
        path = find_config(options["config"])
        config = format_log(load(path) if path else demo_config(), options.parent)
        config = as_capture(config) if options["capture"] else config
        check_chaos(config)
        return MailServer(config, cast(ReactorBase, reactor), _future_owner(options.parent))
    except ConfigError as error:
        raise SystemExit(f"mailserver: {error}") from None


def _end(server: MailServer) -> None:
    """Exit status 1 for a server that could not start (systemd tries again then): twistd and twist have none for it."""
    if server.failed:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def _future_owner(twistd: Any) -> tuple[int, int] | None:
    """User and group that twistd will change to, from its --uid and --gid; None: it stays who it is."""
    uid = twistd.get("uid") if twistd is not None else None
    if uid is None:
        return None
    gid = twistd.get("gid")
    return uid, pwd.getpwuid(uid).pw_gid if gid is None else gid
