"""Sieve scripts: what becomes of them, and what is refused with its line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.rules.letters import letter
from twisted_mail.message.place import Place
from twisted_mail.rules.letter import Letter
from twisted_mail.rules.ruleset import Reply, decide
from twisted_mail.rules.rulesfile import parse_rules
from twisted_mail.rules.sieveimport import import_script
from twisted_mail.rules.sievesyntax import SieveError
from twisted_mail.rules.writing import rules_text
from twisted_mail.smtp.address import parse_address

ALL = 'require ["fileinto", "envelope", "copy", "mailbox", "subaddress", "vacation", "imap4flags"];\n'

# RFC 5228 §9, its extended example, but for what is refused here (the flags of one's own)
EXAMPLE = """
# Example Sieve Filter
require ["fileinto"];
if header :is "Sender" "owner-ietf-mta-filters@imc.org"
        {
        fileinto "filter";  # move to "filter" mailbox
        }
elsif address :DOMAIN :is ["From", "To"] "example.com"
        {
        keep;               # keep in "In" mailbox
        }
elsif anyof (NOT address :all :contains
               ["To", "Cc", "Bcc"] "me@example.com",
             header :matches "subject"
               ["*make*money*fast*", "*university*dipl*mas*"])
        {
        fileinto "spam";   # move to "spam" mailbox
        }
else
        {
        /* Move all other (non-company) mail to "personal"
           mailbox. */
        fileinto "personal";
        }
"""


def about(**fields: str) -> Letter:
    header = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return letter(f"{header}\n".encode())


EXAMPLE_CASES = [
    (about(Sender="owner-ietf-mta-filters@imc.org"), ".filter"),
    (about(From="coyote@desert.example.org", To="roadrunner@acme.Example.com"), ".spam"),
    (about(To="acm@example.com"), ""),
    (about(To="youcouldberich!@reply-by-postal-mail.invalid", Subject="MAKE MONEY FAST!!!"), ".spam"),
    (about(To="me@example.com.invalid", Subject="hello"), ".personal"),
]

# the body of a script -> the places and the addresses of the usual letter (letters.py)
CASES: list[tuple[str, list[Place], list[str]]] = [
    ("", [Place()], []),
    ("keep;", [Place("")], []),
    ('fileinto "INBOX.A";', [Place(".A")], []),
    ('fileinto "A/B";', [Place(".A.B")], []),
    ('fileinto :copy :create "A";', [Place(".A"), Place()], []),
    ('fileinto "A"; keep;', [Place(".A"), Place("")], []),
    ('redirect "a@b.example";', [], ["a@b.example"]),
    ('redirect :copy "a@b.example"; stop;', [Place()], ["a@b.example"]),
    ('fileinto :copy "A"; redirect "a@b.example";', [Place(".A")], ["a@b.example"]),
    ('if exists "list-id" { discard; stop; } fileinto "A";', [], []),
    ('if not exists "list-id" { discard; stop; } fileinto "A";', [Place(".A")], []),
    ('if false { fileinto "A"; } elsif true { fileinto "B"; } else { fileinto "C"; }', [Place(".B")], []),
    ('if true { if false { fileinto "A"; } else { fileinto "B"; } fileinto "C"; }', [Place(".B"), Place(".C")], []),
    ('if header :contains "SUBJECT" "INVOICE" { fileinto "A"; }', [Place(".A")], []),
    ('if header :comparator "i;octet" :contains "Subject" "INVOICE" { fileinto "A"; }', [Place()], []),
    ('if address :user "from" "bob" { fileinto "A"; }', [Place(".A")], []),
    ('if envelope :detail "to" "shop" { fileinto "A"; }', [Place(".A")], []),
    ('if envelope :localpart :matches ["from", "to"] "alice+*" { fileinto "A"; }', [Place(".A")], []),
    ('if allof (size :over 999, size :under 1K, true) { fileinto "A"; }', [Place(".A")], []),
    ('if anyof (size :over 1M, not true) { fileinto "A"; }', [Place()], []),
    ('addflag "\\\\Seen"; fileinto "A";', [Place(".A", "S")], []),
    ('fileinto "A"; addflag "\\\\Seen"; keep;', [Place(".A"), Place("", "S")], []),
    ('setflag ["\\\\Seen \\\\flagged"];', [Place(None, "FS")], []),
    ('if header :is "x" "a\\"b\\\\c" { discard; } keep;', [Place("")], []),
    ('if header :is "x" text:\nlines\n..\n.\n{ discard; }', [Place()], []),
]

# a script -> its line, and what the error says of it
ERRORS = [
    ("keep", 1, 'the end of the script stands where ";" or "{"'),
    ("keep;\nkepe;", 2, "kepe is a command that is not supported here"),
    ('\n\nreject "no";', 3, "reject is not supported here: mail is refused before"),
    ('ereject "no";', 1, "ereject is not supported"),
    ('fileinto "A";', 1, 'needs the line require "fileinto"'),
    ('redirect :copy "a@b.example";', 1, 'needs the line require "copy"'),
    ('if envelope "from" "x" { keep; }', 1, 'needs the line require "envelope"'),
    ('require ["fileinto",\n"regex"];', 1, '"regex": that is not supported here; there is comparator'),
    ('keep;\nrequire "copy";', 2, "must stand before all other commands"),
    (f'{ALL}fileinto "";', 2, "cannot be taken over"),
    (f'{ALL}fileinto :flags "\\\\Seen" "A";', 2, "and not :flags"),
    (f'{ALL}fileinto "../../etc";', 2, "cannot be a folder"),
    (f'{ALL}fileinto ["A", "B"];', 2, "takes one string here, and no list"),
    (f'{ALL}addflag "$Forwarded";', 2, 'the flag "$Forwarded" is not supported'),
    (f'{ALL}addflag "\\\\Seen";\nsetflag "\\\\Flagged";', 3, "use addflag"),
    (f'{ALL}removeflag "\\\\Seen";', 2, "removeflag is a command that is not supported"),
    (f'{ALL}vacation :mime "x";', 2, "and not :mime"),
    (f'{ALL}vacation :days "x" "y";', 2, "nothing fitting behind :days"),
    (f'{ALL}vacation :from "Bob <b@c.example>" "x";', 2, "and nothing around it"),
    (f'{ALL}vacation "";', 2, "has an empty text"),
    ('redirect "bob";', 1, "redirect needs an address"),
    ("discard;", 1, "would throw all mail away"),
    ("if true {\n  discard;\n}", 2, "would throw all mail away"),
    ('if body :contains "x" { keep; }', 1, "body is a test that is not supported here; there is true"),
    ('if header :regex "a" "b" { keep; }', 1, "header needs the name of a field, and not :regex"),
    ('if header :count "gt" "a" "b" { keep; }', 1, "and not :count"),
    ('if header :comparator "i;ascii-numeric" "a" "b" { keep; }', 1, 'the comparator "i;ascii-numeric" is not'),
    ('if header "a b" "b" { keep; }', 1, 'has "a b" for the name of a field'),
    ('if header "a" { keep; }', 1, "header needs a string or a list"),
    ('if header "a" "b" "c" { keep; }', 1, "with one argument more"),
    ("if size 5 { keep; }", 1, "needs :over or :under"),
    ('if size :over "5" { keep; }', 1, "size needs a number"),
    ("if size :over 99999999999999999999 { keep; }", 1, "too large a number"),
    ("if { keep; }", 1, "if has a test or a block that does not belong there, or lacks one"),
    ("if true;", 1, "if has a test or a block"),
    ("else { keep; }", 1, "else does not follow an if"),
    ("if true { keep; } keep; elsif true { keep; }", 1, "elsif does not follow an if"),
    ("if true { keep; } else { keep; } else { keep; }", 1, "else does not follow an if"),
    ("if allof { keep; }", 1, "allof has a test or a block"),
    ("if not (true, true) { keep; }", 1, "not has a test or a block"),
    ("keep { stop; }", 1, "keep has a test or a block"),
    ('"x";', 1, '"x" stands where a command'),
    ("keep;\n}", 2, '"}" stands where a command'),
    ("if true { keep;", 1, 'the end of the script stands where "}"'),
    ('if header "a" ["b" { keep; }', 1, '"{" stands where "]"'),
    ("keep; /* never closed", 1, "begins with nothing that Sieve knows"),
    ("\n\x0c", 2, "begins with nothing that Sieve knows"),
    ("if true {" * 40, 1, "blocks or tests in one another"),
    (f"if {'not ' * 3000} true {{ keep; }}", 1, "blocks or tests in one another"),
]

WORDS = (
    "if elsif else header address envelope size exists not allof anyof true false keep discard stop fileinto redirect "
    "vacation addflag setflag require reject :is :contains :matches :over :copy :days :comparator :subject :localpart "
    '5 1K "a" "From" "to" "a@b.example" "\\\\Seen" ["a","b"] ( ) { } ; ,'
)
words = st.sampled_from([*WORDS.split(), "text:\nx\n.\n"])


def places_of(script: str, of: Letter) -> tuple[list[Place], list[str]]:
    decision = decide(import_script(script), of)
    return list(decision.places), list(map(str, decision.forward))


class ImportTests(SynchronousTestCase):
    def test_example_of_the_standard_does_what_it_says(self) -> None:
        for each, folder in EXAMPLE_CASES:
            self.assertEqual([Place(folder)], places_of(EXAMPLE, each)[0], each.header)

    def test_what_scripts_do(self) -> None:
        for body, places, forward in CASES:
            self.assertEqual((places, forward), places_of(ALL + body, letter()), body)

    def test_lines_may_end_in_crlf(self) -> None:
        for body, places, forward in CASES:
            self.assertEqual((places, forward), places_of((ALL + body).replace("\n", "\r\n"), letter()), body)

    def test_vacation_is_taken_over_with_its_bounds(self) -> None:
        tags = ':days 365 :subject "Gone" :from "a@b.example" :addresses ["c@d.example"]'
        (rule,) = import_script(f"{ALL}vacation {tags} text:\nHi\n..\n.\n;")
        sender, other = parse_address("a@b.example"), parse_address("c@d.example")
        self.assertEqual(Reply("Hi\n.\n", 90, "Gone", sender, (other,)), rule.reply)

    def test_what_rules_cannot_say_is_refused_with_its_line(self) -> None:
        for script, line, problem in ERRORS:
            error = self.assertRaises(SieveError, import_script, script)
            self.assertEqual(line, error.line, (script[:80], str(error)))
            self.assertIn(problem, str(error), script[:80])
            self.assertNotIn("\n", str(error))

    def test_file_that_comes_of_it_means_the_same(self) -> None:
        for body, _, _ in CASES:
            rules = import_script(ALL + body)
            self.assertEqual(rules, parse_rules(rules_text(rules)), body)
        self.assertEqual(import_script(EXAMPLE), parse_rules(rules_text(import_script(EXAMPLE))))

    @given(st.text(max_size=200))
    def test_no_text_raises_anything_else(self, text: str) -> None:
        self._try(text)

    @given(st.lists(words, max_size=25).map(" ".join))
    def test_no_words_raise_anything_else(self, text: str) -> None:
        self._try(ALL + text)

    def _try(self, text: str) -> None:
        try:
            rules = import_script(text)
        except SieveError as error:
            self.assertNotIn("\n", str(error))
        else:
            self.assertEqual(rules, parse_rules(rules_text(rules)), text)
