"""The committer's process as its parent sees it: how it is started, gets clients, and ends."""

from __future__ import annotations

import socket
import subprocess
import sys

COMMAND = (sys.executable, "-P", "-m", "twisted_mail.committing")
"""Without the current directory among those of modules: anybody's files may lie there."""


class CommitterProcess:
    """The process, as its parent sees it.  It ends when all its clients have gone, and this object too."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._control, control = socket.socketpair()
        with control:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=control.fileno(),
                process_group=0,  # Control-C is for the server, which knows when to let it go
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def new_client(self) -> socket.socket:
        """The socket that a client is to have.  Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    def wait(self) -> None:
        """Let it go when its clients have gone, and wait for that.  Safe more than once."""
        self._control.close()
        self._process.wait()
