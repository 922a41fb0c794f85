"""The directory of the server that the command line means, opened as the user whose files they are.

A command may run while the server does.  Root acts as the owner of the data directory meanwhile, so that no file
appears there that the server, which runs as that owner, could not open.  What root itself makes before the first start,
the server hands over to its user then (ownership.py).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from twisted_mail.auth.directory import Directory
from twisted_mail.cli.commandline import CommandError
from twisted_mail.config import Config, demo_config, find_config, load
from twisted_mail.ownership import acting_as, make_data_directory, owner_of


def configuration(arguments: argparse.Namespace) -> Config:
    """That of --config or of the usual places; without any, demo mode's.  Raises ConfigError or CommandError."""
    path = find_config(getattr(arguments, "config", None))
    if path is not None:
        return load(path, check_files=False)
    config = demo_config()
    if not os.path.isdir(config.data):
        raise CommandError(
            f"no configuration found, and no {config.data}; use --config FILE, or start demo mode: twistd -n mailserver"
        )
    return config


@contextmanager
def opened_directory(config: Config) -> Iterator[Directory]:
    """Raises DirectoryError, or ConfigError where the data directory cannot be made."""
    with acting_as(owner_of(config.data)):
        make_data_directory(config)
        directory = Directory(config.directory_file, keeps_verifiers=config.auth.keeps_verifiers)
        try:
            yield directory
        finally:
            directory.close()
