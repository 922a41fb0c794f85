"""The file of rules: what it says is read, and what it cannot mean is an error with its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.rules.comparing import Comparison, Match
from twisted_mail.rules.conditions import AllOf, Condition, HeaderTest, Larger, Not
from twisted_mail.rules.ruleset import Mark, Reply, Rule
from twisted_mail.rules.rulesfile import MAX_OCTETS, RulesError, parse_rules
from twisted_mail.rules.writing import rules_text
from twisted_mail.smtp.address import parse_address

WHOLE = """# mine
[[rule]]
name = "invoices"
when.all = [
    { header = "Subject", contains = ["invoice", "bill"] },
    { not = { larger = "1 MiB" } },
]
folder = "Work.Invoices"
copy = true
mark = ["seen", "flagged"]
stop = true

[[rule]]
forward = ["bob@else.example"]
reply = { text = "Moved.", days = 30, from = "alice@example.org", addresses = "a@b.example", subject = "New" }
"""

ERRORS = [
    ("rule = 5", "two brackets"),
    ("x = 5", '"x" stands outside of a rule'),
    ("[[rule]]\nfolder = ", "line 2: not valid TOML"),
    ("[[rule]]", "line 1, rule 1: does nothing"),
    ("[[rule]]\nkeep = true\n\n[[rule]]\n\nfoldre = 5", "line 6, rule 2, foldre: unknown key; write folder"),
    ("[[rule]]\nzzz = 5", "line 2, rule 1, zzz: unknown key; there is name, when"),
    ("[[rule]]\nfolder = 5", 'line 2, rule 1, folder: must be a text in "quotes"'),
    ("[[rule]]\nfolder = []", "names nothing"),
    ('[[rule]]\nfolder = "a/b"', 'line 2, rule 1, folder: "a/b" cannot be a folder'),
    ('[[rule]]\nfolder = "../x"', "cannot be a folder"),
    ('[[rule]]\nfolder = "a..b"', "before and behind each dot"),
    ('[[rule]]\nforward = "bob"', "line 2, rule 1, forward: an address needs a domain"),
    ('[[rule]]\nforward = ["a@b.c","b@b.c","c@b.c","d@b.c","e@b.c"]', "names 5 addresses, and 4 are possible"),
    ("[[rule]]\ncopy = true", "line 2, rule 1, copy: there is no folder and no forward"),
    ("[[rule]]\nkeep = 1", "must be true or false"),
    ("[[rule]]\ndiscard = true", "line 2, rule 1, discard: would throw all mail away"),
    ('[[rule]]\nwhen = { header = "To", contains = "" }\ndiscard = true', "line 3, rule 1, discard: would throw all"),
    ('[[rule]]\ndiscard = true\nfolder = "A"', "contradicts folder, forward or keep"),
    ('[[rule]]\nmark = "deleted"', "is none of flagged, answered, seen"),
    ('[[rule]]\nreply = ""', "must hold the answer"),
    ("[[rule]]\nreply = { days = 3 }", "line 2, rule 1, reply: needs a text"),
    ('[[rule]]\nreply = { text = "x", days = 91 }', "line 2, rule 1, reply.days: must be a number from 1 to 90"),
    ('[[rule]]\nreply.texd = "x"', "line 2, rule 1, reply.texd: unknown key; write text"),
    ('[[rule]]\nwhen = "x"\nkeep = true', "line 2, rule 1, when: must be a table"),
    ("[[rule]]\nwhen = {}\nkeep = true", "is about nothing"),
    ('[[rule]]\nwhen = { header = "A", junk = true }\nkeep = true', "has header and junk"),
    ('[[rule]]\nwhen = { heder = "A" }\nkeep = true', "line 2, rule 1, when.heder: unknown word; write header"),
    ('[[rule]]\nwhen = { header = "A" }\nkeep = true', "needs one of is, contains, matches"),
    ('[[rule]]\nwhen = { header = "A", is = "x", contains = "x" }\nkeep = true', "needs one of"),
    ('[[rule]]\nwhen = { header = "A:", is = "x" }\nkeep = true', "is not the name of a field"),
    ('[[rule]]\nwhen = { header = "A", is = "x", part = "local" }\nkeep = true', "part: means nothing together"),
    ('[[rule]]\nwhen = { address = "To", is = "x", part = "host" }\nkeep = true', "is none of all, local"),
    ('[[rule]]\nwhen = { envelope = "cc", is = "x" }\nkeep = true', "is neither from nor to"),
    ('[[rule]]\nwhen = { larger = "much" }\nkeep = true', '"much" is not a size'),
    ("[[rule]]\nwhen = { junk = 1 }\nkeep = true", "when.junk: must be true or false"),
    ("[[rule]]\nwhen = { all = { junk = true } }\nkeep = true", "must be a list of conditions"),
    (
        "[[rule]]\nwhen = " + "{ not = " * 40 + "{ junk = true }" + " }" * 40 + "\nkeep = true",
        "conditions in conditions",
    ),
    ("[[rule]]\nwhen = " + "{ not = " * 5000, "too deep"),
    ("[[rule]]\nstop = true\n" * 501, "there are 501 rules, and 500 are possible"),
    ("#" * (MAX_OCTETS + 1), "larger than"),
]

texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
comparisons = st.builds(
    Comparison, st.sampled_from(Match), st.lists(texts, min_size=1, unique=True).map(tuple), st.booleans()
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    st.one_of(st.builds(HeaderTest, st.just(("subject",)), comparisons), st.builds(Larger, st.integers(0, 2**40))),
    lambda inner: st.one_of(st.builds(Not, inner), st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))),
    max_leaves=6,
)
replies = st.builds(
    Reply, texts.filter(lambda text: bool(text.strip())), st.integers(1, 90), st.sampled_from(["", "Away"])
)
rules = st.builds(
    Rule,
    st.sampled_from(["", "mine"]),
    conditions,
    st.sampled_from([(), ("Work",), ("Work", "Ä.&")]),
    marks=st.sampled_from([(), (Mark.SEEN,)]),
    keep=st.just(True),
    reply=st.one_of(st.none(), replies),
    stop=st.booleans(),
)


class RulesFileTests(SynchronousTestCase):
    def test_whole_file_is_read(self) -> None:
        first, second = parse_rules(WHOLE)
        self.assertEqual(
            ("invoices", ("Work.Invoices",), True, True), (first.name, first.folders, first.copy, first.stop)
        )
        self.assertEqual((Mark.SEEN, Mark.FLAGGED), first.marks)
        self.assertEqual((parse_address("bob@else.example"),), second.forward)
        alice, other = parse_address("alice@example.org"), parse_address("a@b.example")
        self.assertEqual(Reply("Moved.", 30, "New", alice, (other,)), second.reply)
        self.assertEqual((), parse_rules(""))

    def test_errors_say_where_and_what(self) -> None:
        for text, problem in ERRORS:
            with self.subTest(text[:80]):
                error = self.assertRaises(RulesError, parse_rules, text)
                self.assertIn(problem, str(error))
                self.assertNotIn("\n", str(error))

    @given(st.lists(rules, max_size=3).map(tuple))
    def test_what_is_written_is_read_as_it_was(self, some: tuple[Rule, ...]) -> None:
        self.assertEqual(some, parse_rules(rules_text(some)))

    @given(st.text(max_size=200))
    def test_no_text_raises_anything_else(self, text: str) -> None:
        for each in (text, f"[[rule]]\nkeep = true\nwhen = {{ {text} }}", f"[[rule]]\n{text}"):
            try:
                parse_rules(each)
            except RulesError as error:
                self.assertNotIn("\n", str(error))
