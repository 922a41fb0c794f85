"""Every text that stands after +OK and -ERR, written for the person whose mail program shows it, and its languages.

English stands here, the others in translations.py.  LANG (RFC 6856 §3) chooses; before it all texts are ASCII.
"""

from __future__ import annotations

from enum import Enum


class Text(Enum):
    """A text in English, as a `str.format` template.  Its name is for the code and the translators."""

    READY = "{hostname} POP3 server ready"
    GOODBYE = "Goodbye"
    CAPABILITIES = "Capabilities follow"
    MECHANISMS = "Mechanisms follow"
    BEGIN_TLS = "Begin TLS now"
    SEND_PASSWORD = "Send the password"
    LOGGED_IN = "Logged in; messages: {count}, octets: {octets}"
    MESSAGES = "Messages: {count}, octets: {octets}"
    UNIQUE_IDS = "Unique ids follow"
    OCTETS = "{octets} octets"
    TOP_FOLLOWS = "Top of the message follows"
    MARKED = "Message {number} marked for deletion"
    NOTHING_DELETED = "Nothing is marked for deletion; messages: {count}, octets: {octets}"
    NOTHING_DONE = "Nothing done"
    UPDATED = "Goodbye; messages deleted: {count}"

    UNKNOWN_COMMAND = "Unknown command; CAPA lists what this server can do"
    EMPTY_LINE = "Empty line; send a command, or QUIT to leave"
    LINE_TOO_LONG = "The line is too long"
    BAD_LINE = "A line must end in CR LF and hold neither CR nor NUL"
    NO_ARGUMENT = "{verb} takes no argument"
    ARGUMENT_MISSING = "{verb} needs an argument"
    NUMBER_NEEDED = "{verb} needs a message number, as in {verb} 1"
    NUMBERS_NEEDED = "{verb} needs a message number and a number of lines, as in {verb} 1 10"
    TOO_MANY_ARGUMENTS = "Too many arguments for {verb}"
    LOG_IN_FIRST = "Log in first, with USER and PASS or with AUTH"
    LOGGED_IN_ALREADY = "You are logged in already; {verb} belongs before the login"
    TOO_MANY_ERRORS = "Too many errors, closing the connection"
    LAST_IS_GONE = "LAST is not part of POP3 any more; use UIDL to see which messages are new"

    USER_FIRST = "Send the name with USER before the password"
    NOT_UTF8 = "Names and passwords are UTF-8"
    BAD_NAME = "Control characters are not allowed in a name"
    NEEDS_TLS = "Passwords are taken on encrypted connections only: switch on SSL/TLS or STARTTLS in your mail program"
    NO_MECHANISM = "This mechanism is not available; AUTH alone lists those that are"
    BAD_BASE64 = "The response is not base64"
    CANCELLED = "Login cancelled"
    TLS_UNAVAILABLE = "This server has no certificate, so it cannot do STLS"
    TLS_ACTIVE = "The connection is encrypted already"
    DATA_AFTER_STLS = "Nothing may follow STLS before the encryption is up; what did was dropped"

    UTF8_ON = "UTF8 mode is on"
    UTF8_NEEDED = "This message can only be fetched in UTF8 mode, which this mail program has not asked for"
    LANGUAGES = "Languages follow"
    LANGUAGE_CHANGED = "Texts are in English now"
    NO_LANGUAGE = "This language is not available; LANG alone lists those that are"

    NO_MESSAGE = "There is no message {number}; the last one is {count}"
    MESSAGE_DELETED = "Message {number} is marked for deletion; RSET brings it back"

    # what the server says through `refuse` and `close`
    WRONG_PASSWORD = "The user name or the password is wrong"
    ACCOUNT_OFF = "This account is switched off, ask the administrator"
    LOGIN_UNAVAILABLE = "The password cannot be checked just now, try again later"
    IN_USE = "Another program is fetching this mail, try again in a minute"
    LOGIN_TOO_SOON = "You fetched this mail only a moment ago; let your mail program look less often"
    NO_VIEW = "A view's name has up to 32 letters, digits, dots and dashes; an account has at most 20 views"
    NO_FOLDER = "This mailbox has no folder of that name; capital and small letters differ"
    MESSAGE_GONE = "Another program has removed this message since you logged in"
    MESSAGE_UNREADABLE = "This message cannot be read on the server, tell the administrator"
    DELETION_FAILED = "Some deleted messages not removed"
    DISK_TROUBLE = "The disk of the server is in trouble, try again later"
    OUR_FAULT = "Something went wrong on the server, try again later"
    SHUTDOWN = "The server is shutting down, try again in a minute"
    IDLE = "Nothing heard from you for too long, closing the connection"
    TOO_MANY = "Too many connections, try again later"
    TOO_MANY_FROM_HOST = "Too many connections from your address, try again later"

    # what SASL says
    PLAIN_FORM = "PLAIN wants: identity NUL user NUL password"
    NO_IDENTITY = "Acting as somebody else is not supported: leave the authorization identity empty"
    EMPTY_NAME = "Name and password must not be empty"


def text_of(words: str) -> Text | str:
    """The Text that says *words*, so that it can be translated; else the words themselves."""
    found = Text._value2member_map_.get(words, words)
    return found if isinstance(found, Text) else words
