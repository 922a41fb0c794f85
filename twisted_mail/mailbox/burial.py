"""How a session's deleted messages come into the journal (journal.py).  Imports little: see filecontents.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from twisted_mail.durable import Unremoved


class Burial:
    """A durable.Job like durable.Removal: the files go into the journal."""

    def __init__(self, path: str, folder: str, paths: Sequence[str]) -> None:
        """*path*: the Maildir; *folder*: of the session; *paths*: of the files, in the Maildir."""
        self._path = path
        self._target = f"{path}/{folder}"
        self._skip = len(path) + 1
        self._paths = paths
        self.outcome = Unremoved()

    def write(self) -> Sequence[int]:
        return []

    def publish(self) -> Iterable[str]:
        sources = {os.path.dirname(path) for path in self._paths}
        targets = {source: f"{self._target}/{source[self._skip :]}" for source in sources}
        for folder in (os.path.dirname(self._target), self._target, *targets.values()):
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        for path in self._paths:
            source, name = os.path.split(path)
            try:
                os.rename(path, f"{targets[source]}/{name}")
            except FileNotFoundError:
                self.outcome.gone.append(path)
            except OSError as error:
                self.outcome.failed.append((path, error))
        # where the files are now, and what leads there, before where they were
        return [*targets.values(), self._target, os.path.dirname(self._target), self._path, *sources]

    def undo(self) -> None:
        """Nothing: a file that was moved is in the journal, and what it was moved by is answered with an error."""
