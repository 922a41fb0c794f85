"""`mailserver reload`: the running server takes the configuration as it is now, without dropping a connection."""

from __future__ import annotations

import argparse
import os
import signal
import time

from twisted_mail.cli.commandline import CommandError, Parser, be_command
from twisted_mail.config import find_config, load
from twisted_mail.running import Running, find_running
from twisted_mail.smarthosts import read_routes

PATIENCE = 30.0
"""Seconds: with many workers a new service takes some to be there."""


def add_family(parser: Parser) -> None:
    """The command has no subcommands."""
    be_command(parser, reload)


def reload(arguments: argparse.Namespace) -> None:
    """A configuration that is wrong is told here, and the server hears nothing of it."""
    path = find_config(getattr(arguments, "config", None))
    if path is None:
        raise CommandError("there is no configuration to read again; demo mode has none")
    config = load(path)
    read_routes(config)
    running = find_running(config.server_folder)
    if running is None:
        raise CommandError(f"no server runs on {config.data}; start it with: twistd mailserver --config {path}")
    try:
        os.kill(running.pid, signal.SIGHUP)
    except PermissionError:
        raise CommandError(f"process {running.pid} belongs to another user; run this as root or as that user") from None
    answer = _answer(config.server_folder, running)
    if answer.error:
        raise CommandError(f"the server keeps the configuration that it had: {answer.error}")
    print("The server has read its configuration again.")


def _answer(server_folder: str, before: Running) -> Running:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        running = find_running(server_folder)
        if running is None:
            raise CommandError("the server has ended; its log says why")
        if (running.pid, running.reloads) != (before.pid, before.reloads):
            return running
        time.sleep(0.05)
    raise CommandError(f"the server has not answered within {PATIENCE:.0f} seconds; its log says what it does")
