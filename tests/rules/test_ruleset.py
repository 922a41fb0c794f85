"""Which rules apply, and what comes of several."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.rules.letters import letter
from twisted_mail.message.place import Place
from twisted_mail.rules.ruleset import Decision, decide
from twisted_mail.rules.rulesfile import parse_rules

HOLDS = 'when = { exists = "List-Id" }\n'
INBOX = Place()

CASES: list[tuple[tuple[str, ...], list[Place], list[str]]] = [
    # rules without their heads; places; addresses
    ((), [INBOX], []),
    (('folder = "Work"',), [Place(".Work")], []),
    (('folder = "Work"\ncopy = true',), [Place(".Work"), INBOX], []),
    (('folder = ["Work", "A.B"]',), [Place(".Work"), Place(".A.B")], []),
    (('folder = "Work"', 'folder = "Work"'), [Place(".Work")], []),
    (('folder = "INBOX"',), [Place("")], []),
    (('folder = "Work"\nkeep = true',), [Place(".Work"), Place("")], []),
    (('folder = "Work"\ncopy = true', 'folder = "B"'), [Place(".Work"), Place(".B")], []),
    (('forward = "a@b.example"',), [], ["a@b.example"]),
    (('forward = "a@b.example"\ncopy = true',), [INBOX], ["a@b.example"]),
    ((f"{HOLDS}discard = true",), [], []),
    ((f"{HOLDS}discard = true", 'folder = "Work"'), [Place(".Work")], []),
    ((f"{HOLDS}discard = true\nstop = true", 'folder = "Work"'), [], []),
    (("stop = true", 'folder = "Work"'), [INBOX], []),
    (('when = { exists = "X-None" }\nfolder = "Work"\nstop = true', 'folder = "B"'), [Place(".B")], []),
    (('mark = "seen"',), [Place(None, "S")], []),
    (('mark = ["seen", "flagged"]', 'folder = "Work"'), [Place(".Work", "FS")], []),
    (('folder = "Work"', 'mark = "seen"'), [Place(".Work")], []),
]


def decided(*rules: str, junk: bool = False) -> Decision:
    return decide(parse_rules("".join(f"[[rule]]\n{rule}\n" for rule in rules)), letter(junk=junk))


class DecideTests(SynchronousTestCase):
    def test_what_becomes_of_a_letter(self) -> None:
        for rules, places, forward in CASES:
            decision = decided(*rules)
            self.assertEqual((tuple(places), forward), (decision.places, list(map(str, decision.forward))), rules)
            self.assertEqual(not (places or forward), decision.discards, rules)

    def test_more_addresses_than_are_possible_leave_the_message_in_the_inbox_too(self) -> None:
        decision = decided(*(f'forward = "a{number}@b.example"' for number in range(6)))
        self.assertEqual((4, (INBOX,)), (len(decision.forward), decision.places))

    def test_junk_is_touched_only_by_rules_that_ask_for_it(self) -> None:
        self.assertEqual(Decision(), decided('folder = "Work"', 'forward = "a@b.example"', junk=True))
        sorted_out = decided('when = { all = [{ junk = true }, { exists = "List-Id" }] }\nfolder = "Lists"', junk=True)
        self.assertEqual((Place(".Lists"),), sorted_out.places)
        self.assertEqual((Place(""),), decided("when = { junk = true }\nkeep = true", junk=True).places)

    def test_rules_are_named_and_one_reply_is_given(self) -> None:
        decision = decided('name = "first"\nreply = "one"', 'reply = "two"')
        self.assertEqual(("first", "rule 2"), decision.rules)
        assert decision.reply is not None
        self.assertEqual("one", decision.reply.text)
