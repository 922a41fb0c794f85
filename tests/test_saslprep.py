"""SASLprep: the examples of RFC 4013 §3, and what mail passwords hold."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from twisted_mail.saslprep import saslprep

PREPARED = {
    "": "",
    "user": "user",
    "USER": "USER",
    "I\u00adX": "IX",
    "\u00aa": "a",
    "\u2168": "IX",
    "pass\u00a0word": "pass word",
    "u\u0308": "ü",
    "🔑 secret": "🔑 secret",
    "\u0627\u0031\u0628": "\u06271\u0628",
}
PROHIBITED = ("\u0007", "a\nb", "a\u200eb", "\ue000", "\ufdd0", "\ud800", "\u0627\u0031", "\u0627a\u0628", "\U000e0001")


class SaslprepTests(TestCase):
    def test_text_is_brought_into_one_spelling(self) -> None:
        for text, prepared in PREPARED.items():
            self.assertEqual(prepared, saslprep(text), ascii(text))

    def test_prepared_text_stays_as_it_is(self) -> None:
        for prepared in PREPARED.values():
            self.assertEqual(prepared, saslprep(prepared))

    def test_prohibited_characters_are_refused(self) -> None:
        for text in PROHIBITED:
            self.assertRaises(ValueError, saslprep, text)
