"""How a session's deleted messages come into the journal (journal.py).  Imports little: see filecontents.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from twisted_mail.durable import NO_ROOM, Removal, Unremoved


class Burial:
    """A durable.Job like durable.Removal: the files go into the journal.

    Those for which the disk has no room there are unlinked: who comes to make room must be able to.
    """

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
        journal = os.path.dirname(self._target)
        folders = (journal, self._target, *targets.values())
        try:
            for folder in folders:
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o700)
        except OSError as error:
            for folder in reversed(folders):  # nobody shall look for something in what is empty
                with suppress(OSError):
                    os.rmdir(folder)
            if error.errno not in NO_ROOM:
                raise
            return self._unlink(self._paths)
        self._unlink(self._bury(targets))
        # where the files are now, and what leads there, before where they were
        return [*targets.values(), self._target, journal, self._path, *sources]

    def undo(self) -> None:
        """Nothing: a file that was moved is in the journal, and what it was moved by is answered with an error."""

    def _bury(self, targets: Mapping[str, str]) -> list[str]:
        """Returns those for which there is no room."""
        left = []
        for path in self._paths:
            source, name = os.path.split(path)
            try:
                os.rename(path, f"{targets[source]}/{name}")
            except FileNotFoundError:
                self.outcome.gone.append(path)
            except OSError as error:
                if error.errno in NO_ROOM:
                    left.append(path)
                else:
                    self.outcome.failed.append((path, error))
        return left

    def _unlink(self, paths: Sequence[str]) -> Iterable[str]:
        """Returns the directories that must be synced then."""
        removal = Removal(paths)
        removal.outcome = self.outcome
        return removal.publish()
