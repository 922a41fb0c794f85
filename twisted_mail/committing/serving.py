"""The committer's process: it does for others what is to be durable, with an interpreter of its own.

Two threads of one process that make system calls in turns hand the interpreter's lock to and fro each time: ten times
a message.  Here the reactor waits for nobody, and several workers share one batch.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import suppress

from twisted_mail.committing import wire
from twisted_mail.durable import Entry, Job, Phase, run_batch
from twisted_mail.syncing import Syncing


def serve(control: socket.socket) -> None:
    """Do what clients order, until *control* and all of them are closed."""
    syncing = Syncing()
    clients: dict[int, _Client] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if control.fileno() in ready:
            ready.remove(control.fileno())
            octets, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            for descriptor in descriptors:
                clients[descriptor] = _Client(socket.socket(fileno=descriptor))
                poll.register(descriptor, select.POLLIN)
            if not octets:
                poll.unregister(control)
                control.close()
        _serve_once([clients[descriptor] for descriptor in ready], syncing)
        for descriptor in ready:
            if clients[descriptor].gone:
                poll.unregister(descriptor)
                clients.pop(descriptor).close()
        if control.fileno() < 0 and not clients:
            break


def _serve_once(clients: list[_Client], syncing: Syncing) -> None:
    """One batch for all who have ordered something."""
    batches = [(client, batch) for client in clients for batch in client.batches()]
    run_batch([entry for _, batch in batches for entry in batch], syncing)
    for client, batch in batches:
        client.answer(batch)


class _Client:
    """One of those that order."""

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._receiver = wire.Receiver(socket)
        self._prepared: dict[int, Job] = {}
        self.gone = False

    def batches(self) -> Iterator[list[Entry]]:
        """What it has ordered, after one read."""
        try:
            for orders in self._receiver.receive():
                yield [self._entry(*order) for order in orders]
        except (EOFError, OSError):  # it has ended, or was ended
            self.gone = True
        except Exception:  # noqa: BLE001 (a fault of ours: it ends this client and no other)
            _print_fault()
            self.gone = True

    def _entry(self, number: int, value: int, job: Job | None) -> Entry:
        phase = Phase(value)
        if job is None:
            job = self._prepared.pop(number)
        elif phase is Phase.PREPARE:
            self._prepared[number] = job
        return Entry(job, phase)

    def answer(self, batch: list[Entry]) -> None:
        answer = {
            place: (_sendable(entry.error), entry.job.outcome)
            for place, entry in enumerate(batch)
            if entry.error is not None or entry.job.outcome is not None
        }
        failed = [batch[place].job for place in answer if batch[place].error is not None]
        if failed and self._prepared:
            self._prepared = {number: job for number, job in self._prepared.items() if job not in failed}
        with suppress(OSError):  # it has gone, which is seen when it is read from
            wire.send_all(self._socket, answer)

    def close(self) -> None:
        self._receiver.close()
        self._socket.close()


def _print_fault() -> None:
    """Where the server's own log goes."""
    import traceback  # late: few need it, and it is large

    traceback.print_exc()


def _sendable(error: Exception | None) -> Exception | None:
    """An OSError as it is; of a fault of ours the text, because it may not go through a pickle."""
    if error is None or isinstance(error, OSError):
        return error
    import traceback  # as above

    return RuntimeError("in the committer's process:\n" + "".join(traceback.format_exception(error)))
