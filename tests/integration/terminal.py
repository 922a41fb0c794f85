"""A pseudo terminal, for programs that behave differently when a person looks on."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 30.0
"""Seconds."""


class Terminal:
    """A child process on a terminal of its own.  `screen` is all that it has written."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> None:
        self._terminal, child = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=child, stdout=child, stderr=child, start_new_session=True
        )
        os.close(child)
        self.screen = ""

    @classmethod
    def run(cls, command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> str:
        """The screen of a program that ends by itself."""
        terminal = cls(command, environment, folder)
        try:
            terminal.read_until("")
        finally:
            terminal.close()
        return terminal.screen

    def read_until(self, text: str) -> str:
        """Read until *text* is on the screen; an empty one: until the program has ended."""
        deadline = time.monotonic() + PATIENCE
        while not text or text not in self.screen:
            if not (octets := self._read(deadline - time.monotonic())):
                assert not text, f"the program ended without {text!r}:\n{self.screen}"
                break
            self.screen += octets.decode(errors="replace")
        return self.screen

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def close(self) -> None:
        """End the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._terminal)

    def _read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._terminal], [], [], max(seconds, 0.0))
        assert ready, f"nothing more came:\n{self.screen}"
        try:
            return os.read(self._terminal, 65_536)
        except OSError:  # Linux: the other side is closed
            return b""
