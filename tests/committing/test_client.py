"""The committer's process, a real one on a real disk, as the reactor's side sees it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import socket
import tempfile

from tests.committing.ordering import OrderingTestCase
from twisted_mail.committing.client import CommitterClient
from twisted_mail.committing.process import CommitterProcess
from twisted_mail.durable import NewFile, Phase, Removal, make_directory_of
from twisted_mail.filecontents import SpilledBody


class ClientTestCase(OrderingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.process = CommitterProcess()
        self.client = self.new_client()
        self.addCleanup(self.end)

    def new_client(self) -> CommitterClient:
        client = CommitterClient(self.reactor, self.process.new_client())  # type: ignore[arg-type]
        client.start()
        return client

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGCONT)
        self.client.stop()
        self.process.wait()

    def spilled(self, octets: bytes) -> SpilledBody:
        file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115 (the SpilledBody closes it)
        file.write(octets)
        return SpilledBody(file, 4, len(octets), b"before ")


class ClientTests(ClientTestCase):
    def test_what_is_ordered_in_one_turn_goes_together_and_all_is_done(self) -> None:
        jobs = [self.file(f"m{n}", b"%d" % n) for n in range(20)]
        self.assertEqual([None] * 20, self.done(*(self.client.run(job, Phase.BOTH) for job in jobs)))
        self.assertEqual([b"%d" % n for n in range(20)], [self.read(f"m{n}") for n in range(20)])

    def test_more_than_a_batch(self) -> None:
        results = [self.client.run(self.file(f"m{n}"), Phase.BOTH) for n in range(600)]
        self.assertEqual([None] * 600, self.done(*results))
        self.assertEqual(600, len(self.names()))

    def test_reactor_does_not_wait_for_a_process_that_is_busy(self) -> None:
        self.done(self.client.run(self.file("first"), Phase.BOTH))
        os.kill(self.process.pid, signal.SIGSTOP)
        octets = [os.urandom(200_000) for _ in range(10)]
        results = [self.client.run(self.file(f"m{n}", octets[n]), Phase.BOTH) for n in range(10)]
        self.reactor.turn()
        self.assertEqual({self.client}, self.reactor.writers)
        os.kill(self.process.pid, signal.SIGCONT)
        self.assertEqual([None] * 10, self.done(*results))
        self.assertEqual(octets, [self.read(f"m{n}") for n in range(10)])
        self.assertEqual(set(), self.reactor.writers)

    def test_stop_sends_what_there_was_no_room_for(self) -> None:
        self.done(self.client.run(self.file("first"), Phase.BOTH))
        os.kill(self.process.pid, signal.SIGSTOP)
        results = [self.client.run(self.file(f"m{n}", os.urandom(200_000)), Phase.BOTH) for n in range(10)]
        self.reactor.turn()
        os.kill(self.process.pid, signal.SIGCONT)
        self.client.stop()
        for result in results:
            self.successResultOf(result)

    def test_job_that_is_discarded_while_its_preparation_fails(self) -> None:
        with open(f"{self.folder}/m.tmp", "wb"):
            pass
        job = self.file()
        preparing = self.client.run(job, Phase.PREPARE)
        self.reactor.advance(0)  # it is sent
        self.client.discard(job)
        self.assertIsInstance(self.done(preparing)[0], FileExistsError)
        self.assertEqual([None], self.done(self.client.run(self.file("other"), Phase.BOTH)))
        self.assertEqual(["m.tmp", "other"], self.names())

    def test_two_phases(self) -> None:
        job = self.file()
        self.assertEqual([None], self.done(self.client.run(job, Phase.PREPARE)))
        self.assertEqual(["m.tmp"], self.names())
        self.assertEqual([None], self.done(self.client.run(job, Phase.PUBLISH)))
        self.assertEqual(["m"], self.names())

    def test_discarded_job_leaves_nothing(self) -> None:
        job = self.file()
        self.done(self.client.run(job, Phase.PREPARE))
        self.client.discard(job)
        self.done(self.client.run(self.file("other"), Phase.BOTH))
        self.assertEqual(["other"], self.names())

    def test_job_that_fails_fails_alone_and_tells_why(self) -> None:
        os.mkdir(f"{self.folder}/bad")
        errors = self.done(
            self.client.run(self.file("bad"), Phase.BOTH), self.client.run(self.file("good"), Phase.BOTH)
        )
        self.assertIsInstance(errors[0], OSError)
        self.assertEqual(errno.EISDIR, errors[0].errno)  # type: ignore[union-attr]
        self.assertIsNone(errors[1])
        self.assertEqual(["bad", "good"], self.names())

    def test_failed_preparation_is_forgotten_on_both_sides(self) -> None:
        with open(f"{self.folder}/m.tmp", "wb"):
            pass
        job = self.file()
        [error] = self.done(self.client.run(job, Phase.PREPARE))
        self.assertIsInstance(error, FileExistsError)
        os.unlink(f"{self.folder}/m.tmp")
        self.assertEqual([None], self.done(self.client.run(job, Phase.BOTH)))
        self.assertEqual(["m"], self.names())

    def test_outcome_comes_back(self) -> None:
        self.done(self.client.run(self.file(), Phase.BOTH))
        os.mkdir(f"{self.folder}/folder")
        removal = Removal([f"{os.path.abspath(self.folder)}/{name}" for name in ("m", "gone", "folder")])
        self.assertEqual([None], self.done(self.client.run(removal, Phase.PUBLISH)))
        self.assertEqual(["folder"], self.names())
        self.assertEqual(["gone"], [os.path.basename(path) for path in removal.outcome.gone])
        self.assertEqual(["folder"], [os.path.basename(path) for path, _ in removal.outcome.failed])

    def test_large_body_goes_as_an_open_file(self) -> None:
        octets = os.urandom(1_000_000)
        path = os.path.abspath(f"{self.folder}/m")
        job = NewFile(self.spilled(octets), f"{path}.tmp", [path], make_directory_of)
        self.assertEqual([None], self.done(self.client.run(job, Phase.BOTH)))
        self.assertEqual(b"before " + octets[4:], self.read())

    def test_file_that_the_process_has_no_room_for_fails_its_job_alone(self) -> None:
        path = os.path.abspath(f"{self.folder}/m")
        before = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        self.done(self.client.run(self.file("first"), Phase.BOTH))
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (used, before[1]))
        job = NewFile(self.spilled(b"x" * 100), f"{path}.tmp", [path], make_directory_of)
        results = self.client.run(job, Phase.BOTH), self.client.run(Removal([]), Phase.PUBLISH)
        error, other = self.done(*results)
        self.assertIsNone(other)
        self.assertEqual(errno.EMFILE, error.errno)  # type: ignore[union-attr]
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, before)
        self.assertEqual([None], self.done(self.client.run(job, Phase.BOTH)))
        self.assertEqual(["first", "m"], self.names())

    def test_our_fault_is_told_and_ends_nothing(self) -> None:
        job = self.file()
        job._names = 5  # type: ignore[assignment]
        [error] = self.done(self.client.run(job, Phase.BOTH))
        self.assertIsInstance(error, RuntimeError)
        self.assertIn("TypeError", str(error))
        self.assertEqual([None], self.done(self.client.run(self.file(), Phase.BOTH)))

    def test_job_that_cannot_be_sent_fails_and_ends_nothing(self) -> None:
        class Local:
            outcome = None

        [error] = self.done(self.client.run(Local(), Phase.BOTH))  # type: ignore[arg-type]
        self.assertIsNotNone(error)
        self.assertEqual([None], self.done(self.client.run(self.file(), Phase.BOTH)))

    def test_stop_finishes_what_waits(self) -> None:
        results = [self.client.run(self.file(f"m{n}"), Phase.BOTH) for n in range(300)]
        self.client.stop()
        for result in results:
            self.successResultOf(result)
        self.assertEqual(300, len(self.names()))

    def test_clients_of_one_process_do_not_see_one_another(self) -> None:
        other = self.new_client()
        results = [client.run(self.file(f"{n}"), Phase.BOTH) for n, client in enumerate((self.client, other))]
        self.assertEqual([None, None], self.done(*results))
        other.stop()
        self.assertEqual([None], self.done(self.client.run(self.file(), Phase.BOTH)))
        self.assertEqual(["0", "1", "m"], self.names())


class EndedProcessTests(ClientTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.events = self.collected_events()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def test_thread_goes_on_and_the_log_says_so(self) -> None:
        self.kill()
        [first] = self.done(self.client.run(self.file("first"), Phase.BOTH))
        self.assertEqual(errno.EIO, first.errno)  # type: ignore[union-attr]
        self.assertEqual([None], self.done(self.client.run(self.file("second"), Phase.BOTH)))
        self.assertEqual(["second"], self.names())
        self.assertEqual(1, sum(event.get("event") == "committer.ended" for event in self.events))

    def test_idle_client_sees_it_at_once_and_loses_nothing(self) -> None:
        self.kill()
        self.reactor.turn()
        self.assertEqual([None], self.done(self.client.run(self.file(), Phase.BOTH)))

    def test_what_was_prepared_fails(self) -> None:
        job = self.file()
        self.done(self.client.run(job, Phase.PREPARE))
        self.kill()
        self.reactor.turn()
        [error] = self.done(self.client.run(job, Phase.PUBLISH))
        self.assertEqual(errno.EIO, error.errno)  # type: ignore[union-attr]
        self.assertNotIn("m", self.names())

    def test_signals_for_the_server_do_not_end_it(self) -> None:
        self.done(self.client.run(self.file(), Phase.BOTH))  # it has begun
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(self.process.pid, number)
        self.assertEqual([None], self.done(self.client.run(self.file("again"), Phase.BOTH)))
        self.assertEqual([], self.events)


class FirstBatchTests(OrderingTestCase):
    """A process that ends before it has answered anything: here the test is the process."""

    def setUp(self) -> None:
        super().setUp()
        ours, self.process = socket.socketpair()
        self.client = CommitterClient(self.reactor, ours)  # type: ignore[arg-type]
        self.client.start()
        self.addCleanup(self.client.stop)
        self.addCleanup(self.process.close)

    def test_thread_does_what_it_has_not_read_whole(self) -> None:
        for octets in (0, 1):
            with self.subTest(octets=octets):
                self.setUp()
                results = [self.client.run(self.file(f"m{n}"), Phase.BOTH) for n in range(3)]
                self.reactor.turn()
                self.process.recv(octets)
                self.process.close()
                self.assertEqual([None] * 3, self.done(*results))
                self.assertEqual(["m0", "m1", "m2"], self.names())

    def test_what_it_has_read_fails(self) -> None:
        result = self.client.run(self.file(), Phase.BOTH)
        self.reactor.turn()
        self.process.recv(1_000_000)
        self.process.close()
        [error] = self.done(result)
        self.assertEqual(errno.EIO, error.errno)  # type: ignore[union-attr]
        self.assertEqual([], self.names())
