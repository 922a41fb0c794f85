from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.smtp.envelope import Body
from twisted_mail.smtp.parameters import (
    AUTH,
    BODY,
    SIZE,
    SMTPUTF8,
    ParameterError,
    decode_xtext,
    parse_parameters,
)
from twisted_mail.smtp.reply import SMTPError

KNOWN = {parameter.keyword: parameter for parameter in (SIZE, BODY, SMTPUTF8, AUTH)}

GOOD: list[tuple[str, dict[str, object]]] = [
    ("", {}),
    (" SIZE=0", {"size": 0}),
    (" SIZE=00012", {"size": 12}),
    (" size=99999999999999999999", {"size": 99999999999999999999}),
    (" BODY=7bit", {"body": Body.SEVEN_BIT}),
    ("  BODY=8BITMIME   SMTPUTF8", {"body": Body.EIGHT_BIT_MIME, "smtputf8": True}),
    (" AUTH=<>", {"auth": ""}),
    (" AUTH=alice@example.org", {"auth": "alice@example.org"}),
    (" AUTH=a+2Bb+3Dc@example.org", {"auth": "a+b=c@example.org"}),
]

BAD = [
    (" FOO", 555),
    (" FOO=1", 555),
    (" =1", 555),
    (" SIZE=1 FOO", 555),
    (" SIZE", 501),
    (" SIZE=", 501),
    (" SIZE=a", 501),
    (" SIZE=-1", 501),
    (" SIZE=1.5", 501),
    (" SIZE=١٢", 501),
    (" SIZE=100000000000000000000000", 501),
    (" SIZE=1=2", 501),
    (" SIZE=1 size=1", 501),
    (" BODY", 501),
    (" BODY=", 501),
    (" BODY=16BIT", 501),
    (" BODY=BINARYMIME", 501),
    (" SMTPUTF8=", 501),
    (" SMTPUTF8=1", 501),
    (" AUTH", 501),
    (" AUTH=", 501),
    (" AUTH=a+b", 501),
    (" AUTH=a+2b", 501),
    (" AUTH=a+0A", 501),
    (" AUTH=a+C3+28", 501),
    (" AUTH=jürgen", 501),
]


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_good_parameters_fill_their_fields(text: str, expected: dict[str, object]) -> None:
    assert parse_parameters(text, KNOWN) == expected


@pytest.mark.parametrize(("text", "code"), BAD)
def test_bad_parameters_are_refused(text: str, code: int) -> None:
    with pytest.raises(SMTPError) as caught:
        parse_parameters(text, KNOWN)
    assert caught.value.reply.code == code
    assert caught.value.reply.status == "5.5.4"
    assert caught.value.reply.encode().isascii()


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=20).filter(str.isprintable))
def test_xtext_of_any_text_is_decoded(text: str) -> None:
    plain = {octet: chr(octet) for octet in range(33, 127) if chr(octet) not in "+="}
    assert decode_xtext("".join(plain.get(octet, f"+{octet:02X}") for octet in text.encode())) == text


@given(st.text("+=0123456789ABCDEFabcx ", max_size=12))
def test_any_text_is_xtext_or_an_error(text: str) -> None:
    try:
        decoded = decode_xtext(text)
    except ParameterError:
        assert set("+= ") & set(text)
    else:
        assert decoded.isprintable()
