"""What the committer's process runs (process.py): standard input is the socket that brings its clients."""

from __future__ import annotations

import signal
import socket
import sys

from twisted_mail.committing.serving import serve


def main() -> None:
    """Serve until all clients are gone, and the parent too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve(socket.socket(fileno=sys.stdin.fileno()))


if __name__ == "__main__":
    main()
