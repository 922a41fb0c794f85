"""The committer's process as its parent sees it: how it is started, gets clients, and ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import twisted_mail

_PARENT = os.path.dirname(os.path.abspath(twisted_mail.__path__[0]))
"""The folder of the package's folder."""
_START = "import sys; sys.path.append(sys.argv[1]); from twisted_mail.committing.__main__ import main; main()"
COMMAND = (sys.executable, "-P", "-S", "-c", _START, _PARENT)
"""With no more folders of modules than it needs, which takes a MiB less than with those of libraries.

Above all without the current one: anybody's files may lie there.
"""


class CommitterProcess:
    """The process, as its parent sees it.  It ends when all its clients have gone, and this object too."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._control, control = socket.socketpair()
        with control:
            try:
                self._process = subprocess.Popen(
                    COMMAND,
                    stdin=control.fileno(),
                    process_group=0,  # Control-C is for the server, which knows when to let it go
                )
            except OSError:
                self._control.close()
                raise

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

    def let_go(self) -> None:
        """Let it end when its clients have gone.  Safe more than once."""
        self._control.close()

    def wait(self) -> None:
        """Let it go, and wait until it has ended.  Safe more than once."""
        self.let_go()
        self._process.wait()
