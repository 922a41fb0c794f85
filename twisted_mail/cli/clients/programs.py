"""The mail programs, by the name that `mailserver try --as` takes.

Thunderbird, fetchmail, mpop and its sister msmtp say what they were recorded to say, with TLS in front.  Outlook and
Apple Mail say what is known of them from their makers' and other servers' pages: Outlook for Windows logs in with LOGIN
and USER and has no STLS; Apple's requirements on certificates are those of iOS 13 and macOS 10.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from twisted_mail.cli.clients.program import Access, MailProgram, Need, Script, Step, TrustRules

SUBMISSIONS = Access("submissions", "SSL/TLS")
SUBMISSION = Access("submission", "STARTTLS")
POP3S = Access("pop3s", "SSL/TLS")
POP3 = Access("pop3", "STARTTLS")

_NO_TLS = "the server offers no TLS at this port; name a certificate and its key in [tls]"
_STARTTLS = Need("STARTTLS", "", _NO_TLS)
_STLS = Need("STLS", "", _NO_TLS)


def _login(name: str) -> Need:
    """A SASL mechanism in SMTP."""
    remedy = f'it logs in with {name}, which is not offered; put "{name}" into mechanisms of [auth]'
    return Need("AUTH", name, remedy)


_MAIL = (Step("250", "RCPT TO:<{address}>"), Step("354", "DATA"), Step("250", "{message}\r\n.", "the message"))
_AUTH_PLAIN = Step("235", "AUTH PLAIN {plain64}")
_POP3_AUTH_PLAIN = (Step("+", "AUTH PLAIN"), Step("+OK", "{plain64}", "the password"))
_CAPA = Step("+OK", "CAPA", is_multiline=True)
_POP3_QUIT = (Step("+OK", "DELE 1"), Step("+OK", "QUIT"))
_POP3_ALL = (
    Step("+OK", "STAT"),
    Step("+OK", "LIST", is_multiline=True),
    Step("+OK", "UIDL", is_multiline=True),
    Step("+OK", "RETR 1", is_multiline=True),
    *_POP3_QUIT,
)
_POP3_STARTTLS = (replace(_CAPA, needs=(_STLS,)), Step("+OK", "STLS"))


def _ehlo(line: str, *needs: Need) -> Step:
    return Step("250", line, needs=needs)


THUNDERBIRD = MailProgram(
    "Thunderbird",
    "recorded from version 153",
    Script(
        (SUBMISSIONS, SUBMISSION),
        (_ehlo("EHLO [127.0.0.1]", _STARTTLS), Step("220", "STARTTLS")),
        (
            _ehlo("EHLO [127.0.0.1]", _login("PLAIN")),
            _AUTH_PLAIN,
            Step("250", "MAIL FROM:<{address}> BODY=8BITMIME SIZE={size}"),
            *_MAIL,
            Step("221", "QUIT"),
        ),
    ),
    Script((POP3S, POP3), _POP3_STARTTLS, (_CAPA, *_POP3_AUTH_PLAIN, *_POP3_ALL)),
    TrustRules(remedy="its user may confirm an exception once for each port, and need not trust the authority"),
)

OUTLOOK = MailProgram(
    "Outlook",
    "after documentation, not recorded",
    Script(
        (SUBMISSION, SUBMISSIONS),
        (_ehlo("EHLO DESKTOP-7Q2K9", _STARTTLS), Step("220", "STARTTLS")),
        (
            _ehlo("EHLO DESKTOP-7Q2K9", _login("LOGIN")),
            Step("334", "AUTH LOGIN"),
            Step("334", "{user64}", "the user name"),
            Step("235", "{password64}", "the password"),
            # the space is not in the standard (RFC 5321 §3.3), and older versions send it
            Step("250", "MAIL FROM: <{address}>"),
            Step("250", "RCPT TO: <{address}>"),
            *_MAIL[1:],
            Step("221", "QUIT"),
        ),
    ),
    Script(
        (POP3S,),
        (),
        (
            Step("+OK", "USER {address}"),
            Step("+OK", "PASS {password}"),
            Step("+OK", "STAT"),
            Step("+OK", "UIDL", is_multiline=True),
            Step("+OK", "LIST", is_multiline=True),
            Step("+OK", "RETR 1", is_multiline=True),
            *_POP3_QUIT,
        ),
    ),
    TrustRules(least_rsa_bits=2048, remedy="its user may go on at a warning, each time, or import the authority"),
)

APPLE_MAIL = MailProgram(
    "Apple Mail",
    "after documentation, not recorded",
    Script(
        (SUBMISSIONS, SUBMISSION),
        (_ehlo("EHLO smtpclient.apple", _STARTTLS), Step("220", "STARTTLS")),
        (
            _ehlo("EHLO smtpclient.apple", _login("PLAIN")),
            _AUTH_PLAIN,
            Step("250", "MAIL FROM:<{address}>"),
            *_MAIL,
            Step("221", "QUIT"),
        ),
    ),
    Script((POP3S, POP3), _POP3_STARTTLS, (_CAPA, *_POP3_AUTH_PLAIN, *_POP3_ALL)),
    TrustRules(825, True, 2048, "its user may trust the certificate in a dialogue or by a profile"),
)

_MSMTP = Script(
    (SUBMISSION, SUBMISSIONS),
    (_ehlo("EHLO localhost", _STARTTLS), Step("220", "STARTTLS")),
    (
        _ehlo("EHLO localhost", _login("PLAIN")),
        _AUTH_PLAIN,
        Step("250", "MAIL FROM:<{address}>"),
        *_MAIL,
        Step("221", "QUIT"),
    ),
)
"""fetchmail and mpop only fetch: with them, msmtp sends."""

FETCHMAIL = MailProgram(
    "fetchmail",
    "recorded from version 6.4; msmtp sends",
    _MSMTP,
    Script(
        (POP3, POP3S),
        _POP3_STARTTLS,
        (
            _CAPA,
            Step("+OK", "USER {address}"),
            Step("+OK", "PASS {password}"),
            Step("+OK", "STAT"),
            Step("", "LAST"),  # of the standard before 1994
            Step("+OK", "LIST 1"),
            Step("+OK", "RETR 1", is_multiline=True),
            *_POP3_QUIT,
        ),
    ),
    TrustRules(remedy="sslfingerprint or sslcertfile in its settings make it take another"),
)

MPOP = MailProgram(
    "mpop",
    "recorded from version 1.4; msmtp sends",
    _MSMTP,
    Script((POP3, POP3S), _POP3_STARTTLS, (_CAPA, *_POP3_AUTH_PLAIN, *_POP3_ALL)),
    TrustRules(least_rsa_bits=2048, remedy="tls_fingerprint or tls_trust_file in its settings make it take another"),
)

PROGRAMS: Mapping[str, MailProgram] = {
    "thunderbird": THUNDERBIRD,
    "outlook": OUTLOOK,
    "apple-mail": APPLE_MAIL,
    "fetchmail": FETCHMAIL,
    "mpop": MPOP,
}
