"""What a session says by itself (server.py): replies that depend on nothing, or on where it stands."""

from __future__ import annotations

from twisted_mail.smtp.command import COMMANDS, HTTP_METHODS, NOT_IMPLEMENTED, State
from twisted_mail.smtp.options import SessionOptions
from twisted_mail.smtp.reply import Reply

OK = Reply(250, "0.0", "Ok")
GOODBYE = Reply(221, "0.0", "Goodbye")
START_TLS = Reply(220, "0.0", "Start TLS now")
NOT_VERIFIED = Reply(252, "0.0", "Addresses are not verified here: use RCPT, and mail is taken or refused")
LINE_TOO_LONG = Reply(500, "5.2", "Line too long")
NOT_HTTP = Reply(554, "5.1", "This is a mail server, it does not speak HTTP")
NOT_KNOWN = Reply(500, "5.1", "Command not known; HELP shows those that are")
NOT_HERE = Reply(502, "5.1", "This command is not implemented")
NO_BDAT = Reply(502, "5.1", "BDAT is not offered here, use DATA")
NO_TLS = Reply(502, "5.1", "TLS is not available here")
TLS_TWICE = Reply(503, "5.1", "TLS is up already")
# Somebody in between may have put them there, to be read as if they had come inside TLS.
BEHIND_STARTTLS = Reply(501, "5.4", "Nothing may follow STARTTLS before its answer; it is ignored")
TOO_MANY_ERRORS = Reply(421, "7.0", "Too many errors, goodbye")
TOO_MANY_MESSAGES = Reply(421, "7.0", "No more messages on this connection, open another one")


def banner(options: SessionOptions) -> Reply:
    role = " submission" if options.submission else ""
    return Reply(220, "", f"{options.hostname} {'LMTP' if options.lmtp else 'ESMTP'}{role}")


def wrong_hello(*, lmtp: bool) -> Reply:
    """*lmtp*: what was said."""
    return Reply(500, "5.1", "This is not LMTP: say EHLO" if lmtp else "This is LMTP: say LHLO")


def out_of_order(verb: str, state: State, *, lmtp: bool, attempted: bool) -> Reply:
    """*verb* is not legal in *state*.  *attempted*: a recipient was asked for."""
    match state:
        case State.START:
            return Reply(503, "5.1", f"Say {'LHLO' if lmtp else 'EHLO'} first")
        case State.READY:
            return Reply(503, "5.1", f"Need MAIL before {verb}")
        case State.MAIL if verb in ("DATA", "BDAT"):
            # RFC 5321 §3.3 leaves the choice, RFC 2033 §4.2 wants 503
            if attempted and not lmtp:
                return Reply(554, "5.1", "No valid recipients")
            return Reply(503, "5.1", f"Need RCPT before {verb}")
    return Reply(503, "5.1", f"{verb} is not possible in a transaction: finish it, or give it up with RSET")


def unknown(verb: bytes) -> tuple[str, Reply]:
    """What the log shows of a verb that is not in the table, and the reply.

    Neither repeats it: a client out of step may have sent a password.
    """
    if verb in HTTP_METHODS:
        return "HTTP", NOT_HTTP
    if verb in NOT_IMPLEMENTED:
        return verb.decode(), NOT_HERE
    return "unknown command", NOT_KNOWN


def help_text(options: SessionOptions) -> Reply:
    hello, others = ("LHLO", {"EHLO", "HELO"}) if options.lmtp else ("EHLO", {"LHLO"})
    others |= set() if options.chunking else {"BDAT"}
    others |= set() if options.xclient else {"XCLIENT"}
    verbs = " ".join(row.verb for row in COMMANDS.values() if row.verb not in others)
    login = ", AUTH" if options.submission else ""
    order = f"{hello} you.example{login}, MAIL FROM:<you@example.org>, RCPT TO:<them@example.org>, DATA, QUIT"
    return Reply(214, "0.0", f"Commands: {verbs}\nIn this order: {order}")
