"""The languages are whole: each text in each, with the same values in it, and all ASCII before LANG."""

from __future__ import annotations

import string

import pytest

from twisted_mail.pop3.reply import Replies
from twisted_mail.pop3.texts import Text, text_of
from twisted_mail.pop3.translations import LANGUAGES, Language, find_language
from twisted_mail.protocols import pop3 as adapter

TRANSLATED = [language for language in LANGUAGES.values() if language.texts]


def fields(template: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", TRANSLATED, ids=lambda language: language.tag)
def test_language_has_every_text_with_its_values(language: Language) -> None:
    assert set(language.texts) == set(Text)
    for text, translation in language.texts.items():
        assert fields(translation) == fields(text.value), text.name
        assert translation.isprintable(), text.name
        assert translation != text.value or text in (Text.OCTETS, Text.GOODBYE), text.name


def test_reply_fits_a_line_in_every_language() -> None:
    """512 octets with +OK and CRLF (RFC 2449 §4); values are short, a host name has at most 255."""
    for language in LANGUAGES.values():
        for text in Text:
            said = language.say(text, verb="VERB", number=999999, count=999999, octets=10**12, hostname="h" * 255)
            assert len(said.encode()) < 512 - len("-ERR [SYS/TEMP] \r\n"), (language.tag, text.name)


def test_announcement_is_the_reply_in_every_language() -> None:
    for language in LANGUAGES.values():
        replies = Replies()
        replies.language = language
        replies.announce(1234)
        announced = replies.take()
        replies.accept(Text.OCTETS, octets=1234)
        assert replies.take() == announced


def test_english_is_ascii() -> None:
    assert all(text.value.isascii() for text in Text)


def test_words_of_the_server_are_found_and_others_stay() -> None:
    assert text_of("The user name or the password is wrong") is Text.WRONG_PASSWORD
    assert text_of("Something else") == "Something else"
    assert LANGUAGES["de"].say("Something else") == "Something else"


def test_every_refusal_of_the_adapter_is_translated() -> None:
    for _, refusal in adapter._REFUSALS:
        assert isinstance(text_of(refusal.text), Text), refusal.text


RANGES = (
    ("de", "de"),
    ("DE-at", "de"),
    ("zh-Hant-TW", "zh"),
    ("i-default", "i-default"),
    ("tlh", None),
    ("d", None),
    ("", None),
)


@pytest.mark.parametrize(("wanted", "tag"), RANGES)
def test_language_range_is_cut_until_it_fits(wanted: str, tag: str | None) -> None:
    found = find_language(wanted)
    assert (found.tag if found else None) == tag
