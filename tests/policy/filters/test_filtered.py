"""Messages that pass filters: what these refuse and change, what happens where they fail, and that others go on."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import NEVER, ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.content import Message, message_of
from twisted_mail.policy.filters.contract import Mail
from twisted_mail.policy.filters.filtered import Filtered, OnFailure, Stage
from twisted_mail.policy.filters.python import REMEMBERED, PythonFilter, find_plugin
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError
from twisted_mail.wrapping import MessageFilter

LETTER = b"Subject: hello\n\nHello\n"


class Picky(MessageFilter):
    """Refuses, raises or is silent at the hook that a test names, and notes what it was asked."""

    def __init__(self, hook: str = "", does: object = None, name: str = "picky") -> None:
        super().__init__(name)
        self.hook = hook
        self.does = does
        self.asked: list[str] = []

    async def _react(self, hook: str) -> Any:
        self.asked.append(hook)
        if hook != self.hook:
            return None
        if isinstance(self.does, Exception):
            raise self.does
        return await self.does if isinstance(self.does, Deferred) else self.does

    async def connection(self, origin: Origin) -> None:
        await self._react("connection")

    async def sender(self, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        await self._react("sender")

    async def recipient(self, origin: Origin, sender: Address | None, recipient: Recipient) -> None:
        if recipient.address.local_part != "good":
            await self._react("recipient")

    async def message(self, origin: Origin, sender: Any, recipients: Any, message: Message) -> Any:
        return await self._react("message")


class Rewriting:
    """A filter that gives other mail, whatever it gets."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    async def begin(self, *about: object) -> Rewriting:
        return self

    async def recipient(self, recipient: Recipient) -> None:
        pass

    async def message(self, mail: Mail) -> Mail:
        found = {"sender": mail.sender, "recipients": mail.recipients, "message": mail.message} | self.changes
        return Mail(**found)

    def abort(self) -> None:
        pass


class FilteredTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.inner = UnreliableTarget()
        self.clock = Clock()

    def stage(self, plugin: Picky, on_failure: OnFailure = OnFailure.ACCEPT) -> Stage:
        return Stage(plugin.name, PythonFilter(plugin, 5.0, self.clock), on_failure)

    def sending(self, *stages: Stage, to: str = "good@example.org bob@example.org") -> Deferred[list[str]]:
        """Gives the replies to the recipients, and at last to the message."""
        target = Filtered(self.inner, stages)

        async def send() -> list[str]:
            delivery = await target.begin(ORIGIN, parse_address("a@b.example"), MailOptions())
            said = []
            for recipient in recipients(*to.split()):
                try:
                    await delivery.add_recipient(recipient)
                    said.append("ok")
                except SMTPError as error:
                    said.append(str(error.reply.code))
            try:
                answers = await delivery.deliver(message(LETTER))
            except SMTPError as error:
                delivery.abort()
                return [*said, str(error.reply)]
            return [*said, *("ok" if answer is None else str(answer.reply) for answer in answers.values())]

        return Deferred.fromCoroutine(send())

    def sent(self, *stages: Stage) -> list[str]:
        return self.successResultOf(self.sending(*stages))

    def envelope(self) -> tuple[str, list[str], bytes]:
        """Of the one message that was delivered."""
        ((sender, to, text),) = self.inner.taken
        return str(sender), [str(recipient.address) for recipient in to], text

    def test_filter_that_has_nothing_against_it_changes_nothing(self) -> None:
        picky = Picky()
        self.assertEqual(["ok"] * 4, self.sent(self.stage(picky)))
        self.assertEqual(["connection", "sender", "recipient", "message"], picky.asked)
        self.assertEqual(("a@b.example", ["good@example.org", "bob@example.org"], LETTER), self.envelope())
        self.assertEqual(1, self.inner.steps.count("begin"))

    def test_refused_connection_or_sender_is_a_refused_mail(self) -> None:
        for hook in ("connection", "sender"):
            failure = self.failureResultOf(self.sending(self.stage(Picky(hook, NEVER))), SMTPError)
            self.assertEqual(NEVER.reply, failure.value.reply)
        self.assertEqual(["begin", "abort"] * 2, self.inner.steps)

    def test_refused_recipient_gets_nothing_and_the_others_do(self) -> None:
        self.assertEqual(["ok", "550", "ok"], self.sent(self.stage(Picky("recipient", NEVER))))
        self.assertEqual(("a@b.example", ["good@example.org"], LETTER), self.envelope())

    def test_refused_message_is_delivered_to_nobody(self) -> None:
        self.assertEqual(["ok", "ok", str(NEVER.reply)], self.sent(self.stage(Picky("message", NEVER))))
        self.assertEqual([], self.inner.taken)
        self.assertEqual("abort", self.inner.steps[-1])

    def test_changed_message_is_what_is_delivered_and_what_the_next_filter_sees(self) -> None:
        first = Picky("message", message(LETTER).with_fields(b"X-First: yes\n"))
        seen: list[bytes] = []

        class Second(Picky):
            async def message(self, origin: Origin, sender: Any, recipients: Any, message: Message) -> Any:
                seen.append(message.header)
                return message.with_fields(b"X-Second: yes\n")

        self.sent(self.stage(first), self.stage(Second(name="second")))
        self.assertEqual([b"X-First: yes\nSubject: hello\n\n"], seen)
        self.assertEqual(b"X-Second: yes\nX-First: yes\n" + LETTER, self.envelope()[2])

    def test_error_in_a_filter_stops_no_mail_and_is_logged_and_counted(self) -> None:
        for count, hook in enumerate(("connection", "sender", "recipient", "message"), 1):
            self.inner.taken.clear()
            picky, other = Picky(hook, ZeroDivisionError("oops")), Picky(name="other")
            stage = self.stage(picky)
            self.assertEqual(["ok"] * 4, self.sent(stage, self.stage(other)))
            self.assertEqual(LETTER, self.envelope()[2])
            self.assertEqual(hook, picky.asked[-1])
            self.assertEqual("message", other.asked[-1])
            self.assertEqual(1, stage.failures)
            self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)), count)

    def test_error_may_be_chosen_to_stop_mail_for_now(self) -> None:
        stage = self.stage(Picky("message", ZeroDivisionError("oops")), OnFailure.TEMPFAIL)
        (*_, last) = self.sent(stage)
        self.assertEqual("451 4.3.0 A filter of this server does not answer, try again later", last)
        self.assertEqual([], self.inner.taken)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_late_filter_is_left_out(self) -> None:
        for hook in ("connection", "sender", "recipient", "message"):
            self.inner.taken.clear()
            silent: Deferred[None] = Deferred()
            stage = self.stage(Picky(hook, silent))
            sending = self.sending(stage)
            self.clock.advance(4.9)
            self.assertNoResult(sending)
            self.clock.advance(0.1)
            self.assertEqual(["ok"] * 4, self.successResultOf(sending))
            self.assertEqual((1, LETTER), (stage.failures, self.envelope()[2]))

    def test_answer_of_the_wrong_kind_is_an_error(self) -> None:
        stage = self.stage(Picky("message", b"Subject: bytes\n\n"))
        self.assertEqual(["ok"] * 4, self.sent(stage))
        self.assertEqual((1, LETTER), (stage.failures, self.envelope()[2]))

    def test_session_is_asked_about_its_connection_once(self) -> None:
        picky = Picky()
        stage = self.stage(picky)
        self.sent(stage)
        self.sent(stage)
        self.assertEqual(1, picky.asked.count("connection"))
        self.assertEqual(2, picky.asked.count("sender"))

    def test_sessions_are_forgotten_in_time(self) -> None:
        picky = Picky()
        asked = PythonFilter(picky, 5.0, self.clock)
        for number in range(REMEMBERED + 1):
            origin = Origin(peer="192.0.2.1", session=str(number))
            self.successResultOf(Deferred.fromCoroutine(asked.begin(origin, None, MailOptions())))
        self.assertEqual(REMEMBERED, len(asked._sessions))

    def test_refused_connection_stays_refused(self) -> None:
        picky = Picky("connection", NEVER)
        stage = self.stage(picky)
        for _ in range(2):
            self.failureResultOf(self.sending(stage), SMTPError)
        self.assertEqual(["connection"], picky.asked)

    def test_filter_that_changes_the_envelope_has_it_delivered_so(self) -> None:
        to = tuple(recipients("bob@example.org", "archive@example.org"))
        changed = Rewriting(sender=parse_address("bounces@example.org"), recipients=to)
        self.assertEqual(["ok"] * 4, self.sent(Stage("x", changed, OnFailure.TEMPFAIL)))
        self.assertEqual(("bounces@example.org", ["bob@example.org", "archive@example.org"], LETTER), self.envelope())
        self.assertEqual(["begin", "add", "add", "abort", "begin", "add", "add", "deliver"], self.inner.steps)

    def test_message_that_is_thrown_away_was_taken(self) -> None:
        self.assertEqual(["ok"] * 4, self.sent(Stage("x", Rewriting(recipients=()), OnFailure.TEMPFAIL)))
        self.assertEqual([], self.inner.taken)
        self.assertEqual("abort", self.inner.steps[-1])

    def test_recipients_that_were_replaced_hear_what_their_replacement_said(self) -> None:
        self.inner.fails_at = "deliver"
        changed = Rewriting(recipients=tuple(recipients("archive@example.org")))
        self.assertEqual(
            ["ok", "ok", "451 4.3.0 not now", "451 4.3.0 not now"], self.sent(Stage("x", changed, OnFailure.TEMPFAIL))
        )

    def test_prepare_and_commit_do_the_same_in_two_steps(self) -> None:
        for changes, taken in (
            ({}, [LETTER]),
            ({"message": message_of("x", b"Subject: other\n\n")}, [b"Subject: other\n\n"]),
            ({"recipients": ()}, []),
        ):
            self.inner.taken.clear()
            target = Filtered(self.inner, [Stage("x", Rewriting(**changes), OnFailure.TEMPFAIL)])

            async def send(target: Filtered = target) -> object:
                delivery = await target.begin(ORIGIN, None, MailOptions())
                (recipient,) = recipients("bob@example.org")
                await delivery.add_recipient(recipient)
                answers = await delivery.prepare(message(LETTER))
                await delivery.commit()
                return list(answers.values())

            self.assertEqual([None], self.successResultOf(Deferred.fromCoroutine(send())))
            self.assertEqual(taken, [text for _, _, text in self.inner.taken])


class PluginTests(SynchronousTestCase):
    def test_plugin_is_found_by_its_name(self) -> None:
        first, second = MessageFilter("first"), MessageFilter("second")
        self.assertIs(second, find_plugin("second", [first, second]))

    def test_unknown_name_is_refused_with_those_that_there_are(self) -> None:
        with self.assertRaisesRegex(LookupError, '"third"; there is first, second$'):
            find_plugin("third", [MessageFilter("second"), MessageFilter("first")])
        with self.assertRaisesRegex(LookupError, "there is none$"):
            find_plugin("third", [])
