"""Rspamd's verdicts and what becomes of the message; HTTP itself is tested with the real process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.targets import ORIGIN, message, recipients, text_of
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.policy.filters.contract import FilterFailed, Mail
from twisted_mail.policy.filters.rspamd import _Check
from twisted_mail.smtp.reply import SMTPError

LETTER = b"X-Spam: No\nSubject: hello\n\nHello\n"


class Saying:
    """Has one verdict."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found

    async def verdict(self, *about: object) -> Mapping[str, Any]:
        return self.found


class VerdictTests(SynchronousTestCase):
    def asking(self, action: str, **more: Any) -> Deferred[Mail]:
        check: Any = _Check(Saying({"action": action, **more}), ORIGIN)  # type: ignore[arg-type]  # all that is asked
        mail = Mail(None, tuple(recipients("bob@example.org")), message(LETTER))
        return Deferred.fromCoroutine(check.message(mail))

    def text(self, action: str, **more: Any) -> bytes:
        return text_of(self.successResultOf(self.asking(action, **more)).message)

    def test_refusals_are_for_good_or_for_now(self) -> None:
        for action, code in (("reject", "554 5.7.1 "), ("soft reject", "451 4.7.1 "), ("greylist", "451 4.7.1 ")):
            said = str(self.failureResultOf(self.asking(action), SMTPError).value)
            self.assertTrue(said.startswith(code), said)
            own = self.asking(action, messages={"smtp_message": "Greylisted\r\n250 ok"})
            self.assertEqual(f"{code}Greylisted??250 ok", str(self.failureResultOf(own, SMTPError).value))

    def test_no_action_changes_nothing(self) -> None:
        self.assertEqual(LETTER, self.text("no action"))
        self.assertEqual(LETTER, self.text("an action of tomorrow"))

    def test_spam_is_marked_and_a_mark_from_outside_goes(self) -> None:
        self.assertEqual(b"X-Spam: Yes\nSubject: hello\n\nHello\n", self.text("add header"))

    def test_spam_is_junk(self) -> None:
        for numbers, words in (({"score": 7.25, "required_score": 15}, " (7.25 of 15)"), ({"score": "high"}, "")):
            mail = self.successResultOf(self.asking("add header", **numbers))
            self.assertEqual((Evidence(ENOUGH, f"rspamd says: add header{words}"),), mail.message.evidence)
        self.assertEqual((), self.successResultOf(self.asking("no action", score=1)).message.evidence)

    def test_subject_is_rewritten(self) -> None:
        wanted = b"X-Spam: Yes\nSubject: [SPAM] hello\n\nHello\n"
        self.assertEqual(wanted, self.text("rewrite subject", subject="[SPAM] hello"))

    def test_fields_are_added_and_removed(self) -> None:
        add = {"X-A": {"value": "1", "order": 0}, "X-B": ["2", {"value": "3\r\nEvil: yes"}], "X-C": "4"}
        text = self.text("no action", milter={"add_headers": add, "remove_headers": {"Subject": 0}})
        self.assertEqual(b"X-A: 1\nX-B: 2\nX-B: 3\n\tEvil: yes\nX-C: 4\nX-Spam: No\n\nHello\n", text)

    def test_answer_of_another_form_is_a_failure(self) -> None:
        for milter in ({"add_headers": 5}, {"add_headers": {"a b": "x"}}, {"add_headers": {"X": {}}}, [1]):
            self.failureResultOf(self.asking("no action", milter=milter), FilterFailed)
