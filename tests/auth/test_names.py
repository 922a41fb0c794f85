"""Which addresses become accounts and aliases."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.auth.names import (
    DirectoryError,
    account_address,
    alias_address,
    alias_text,
    check_account,
    domain_name,
    without_tag,
)
from twisted_mail.smtp.address import Address

GOOD = {
    "alice@example.org": Address("alice", "example.org"),
    " Alice.B@Example.ORG ": Address("alice.b", "example.org"),
    "o'neil&co@example.org": Address("o'neil&co", "example.org"),
    "JO\u0308RG@b\u00fccher.example": Address("j\u00f6rg", "xn--bcher-kva.example"),
    "\u0926\u0947\u0935@example.org": Address("\u0926\u0947\u0935", "example.org"),  # a vowel sign is a mark
    "{a}|b~c^d_e=f-g*h!i#j$k@example.org": Address("{a}|b~c^d_e=f-g*h!i#j$k", "example.org"),
}
BAD = {
    "alice": "needs a domain",
    "alice@": "not a domain name",
    "alice@exa mple.org": "not a domain name",
    "@example.org": "the part before the @",
    "alice+shop@example.org": "alice@example.org gets that mail",
    "a/b@example.org": "(not /)",
    "a%b@example.org": "(not %)",
    "a?b`c@example.org": "(not ? `)",
    '".."@example.org': "choose another",
    '"a b"@example.org': "choose another",
    "a\u2028b@example.org": "(not '\\u2028')",
    "a" * 65 + "@example.org": "longer than 64",
}


class NameTests(TestCase):
    def test_accounts_get_their_canonical_address(self) -> None:
        self.assertEqual(GOOD, {text: account_address(text) for text in GOOD})

    def test_what_cannot_be_an_account_is_refused_with_words(self) -> None:
        for text, words in BAD.items():
            with self.assertRaises(DirectoryError, msg=text) as caught:
                account_address(text)
            self.assertIn(words, str(caught.exception))

    def test_an_address_that_is_not_canonical_is_refused(self) -> None:
        for local in ("Alice", "jo\u0308rg"):
            with self.assertRaisesRegex(DirectoryError, "canonical", msg=local):
                check_account(Address(local, "example.org"))

    def test_aliases_may_be_catch_alls(self) -> None:
        catch_all = alias_address("@Example.org")
        self.assertEqual(Address("", "example.org"), catch_all)
        self.assertEqual("@example.org", alias_text(catch_all))
        self.assertEqual("info@example.org", alias_text(alias_address("Info@example.org")))
        for text in ("info", "@", "@ex ample"):
            self.assertRaises(DirectoryError, alias_address, text)

    def test_domains_are_lower_case_a_labels(self) -> None:
        self.assertEqual("xn--bcher-kva.example", domain_name("B\u00fccher.Example"))
        for text in ("", "[192.0.2.1]", "a/b", "..", ".server"):
            self.assertRaises(DirectoryError, domain_name, text)

    def test_tag_is_what_follows_the_first_plus(self) -> None:
        for text, base in (("alice+a+b", "alice"), ("alice+", "alice"), ("+a", None), ("alice", None)):
            found = without_tag(Address(text, "example.org"))
            self.assertEqual(base, found and found.local_part, text)
