"""What a client might send: conversations that mostly make sense, then damaged.

All choices come from a `random.Random`, so that hypothesis can make and shrink them as well as a seed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from random import Random

from twisted_mail.smtp.options import SessionOptions

PATHS = (
    *(b"<a@b.example>", b"<>", b"<no@b.example>", b'<"a b>"@b.example>', b"<postmaster>", b"<@c.example:a@b.example>"),
    *(b" <a@b.example>", b"a@b.example", b"<a@[192.0.2.1]>", b"<\xc3\xbc@b.example>", b"<a@\xc3\xbc.example>", b"<a"),
    *(b'<"@b.example>', b"<\xff@b.example>", b"<a@b.example> ", b"<../../x@b.example>", b"<" + b"a" * 300 + b">"),
)
PARAMETERS = (
    *(b" SIZE=10", b" SIZE=99999", b" SIZE=x", b" BODY=8BITMIME", b" BODY=BINARYMIME", b" SMTPUTF8", b" AUTH=<>"),
    *(b" RET=HDRS", b" ENVID=a+2Bb", b" NOTIFY=NEVER", b" ORCPT=rfc822;a@b", b" BY=5;R", b" HOLDFOR=5", b" X", b" ="),
)
OTHERS = (
    *(b"RSET", b"NOOP", b"NOOP x", b"HELP", b"VRFY a", b"EXPN a", b"QUIT", b"STARTTLS", b"BOGUS", b"", b" ", b"GET /"),
    *(b"EHLO", b"HELO x", b"LHLO x", b"DATA x", b"AUTH", b"AUTH X", b"AUTH PLAIN =", b"AUTH LOGIN", b"*", b"ETRN x"),
    *(b"BDAT", b"BDAT -1", b"BDAT 3", b"BDAT 3 LAST", b"BDAT 0", b"BDAT 0 LAST", b"bdat 1 last", b"BDAT " + b"9" * 20),
    *(b"NOOP " + b"x" * 600, b"x" * 13_000, b"\x16\x03\x01\x02\x00\x01"),
)
PIECES = (
    *(b"\r\n", b"\n", b"\r", b".", b"..", b"\r\n.", b"\r\n.\r\n", b"\n.\n", b"\r\n.\r", b"\r.\r", b"\0", b"text"),
    *(b"Subject: x", b"MAIL FROM:<evil@b.example>\r\n", b"RCPT TO:<a@b.example>\r\n", b"DATA\r\n", b"x" * 60, b"\xff"),
)
ENDS = (b"\r\n",) * 300 + (b"\n", b"\r", b"\r\r\n", b"", b" \r\n")


def options(random: Random) -> SessionOptions:
    return SessionOptions(
        "mx.example",
        lmtp=random.random() < 0.2,
        submission=random.random() < 0.2,
        mechanisms=("PLAIN", "LOGIN") if random.random() < 0.5 else (),
        plaintext_auth=random.random() < 0.8,
        chunking=random.random() < 0.9,
        extensions=("DSN", "DELIVERBY") if random.random() < 0.3 else (),
        max_size=random.choice((20, 100, 10_000)),
        max_recipients=random.choice((1, 3, 100)),
        max_errors=random.choice((3, 20, 1000, 1000)),
        max_idle=random.choice((2, 100, 100, 100)),
    )


def stream(random: Random, options: SessionOptions) -> bytes:
    name = random.choice((b"x",) * 20 + (b"[192.0.2.1]", b"a b"))
    lines = [(b"LHLO " if options.lmtp else b"EHLO ") + name]
    for _ in range(random.randint(1, 4)):
        lines += random.choice(CONVERSATIONS)(random)
    whole = b"".join(line + (b"" if line.endswith(RAW) else random.choice(ENDS)) for line in lines).replace(RAW, b"")
    return damaged(random, whole) if random.random() < 0.3 else whole


RAW = b"\xfe\xfeno line end\xfe\xfe"
"""Marks octets that are not to get a line end."""


def text(random: Random) -> bytes:
    return b"".join(random.choice(PIECES) for _ in range(random.randint(0, 6)))


def clean(octets: bytes) -> bytes:
    """The same without bare CR and LF: most messages should get through."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")


def envelope(random: Random) -> list[bytes]:
    mail = b"MAIL FROM:" + random.choice(PATHS[:2] if random.random() < 0.9 else PATHS)
    lines = [mail + (random.choice(PARAMETERS) if random.random() < 0.15 else b"")]
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        rcpt = b"RCPT TO:" + random.choice(PATHS[:1] if random.random() < 0.8 else PATHS)
        lines.append(rcpt + (random.choice(PARAMETERS) if random.random() < 0.1 else b""))
    return lines


def by_data(random: Random) -> list[bytes]:
    body = text(random)
    if random.random() < 0.6:
        body = clean(body)
    return [*envelope(random), b"DATA", body, b"."]


def by_chunks(random: Random) -> list[bytes]:
    lines = envelope(random)
    for last in [b""] * random.randint(0, 3) + [b" LAST"]:
        chunk = clean(text(random)) if random.random() < 0.8 else text(random)
        size = len(chunk) if random.random() < 0.9 else random.randint(0, 30)
        lines += [b"BDAT %d%s\r\n%s" % (size, last, chunk) + RAW]
    return lines


def login(random: Random) -> list[bytes]:
    def base64() -> bytes:
        return b64encode(random.choice((b"a", b"\0a\0b", b"a\0b", b"", b"\0a\xff\0b", b"x" * 400)))

    verb = random.choice((b"AUTH PLAIN", b"AUTH LOGIN", b"auth plain "))
    return [verb + random.choice((b"", b" " + base64())), *(base64() for _ in range(random.randint(0, 2)))]


def others(random: Random) -> list[bytes]:
    return [random.choice(OTHERS) for _ in range(random.randint(1, 3))]


CONVERSATIONS: Sequence[Callable[[Random], list[bytes]]] = (
    by_data,
    by_data,
    by_data,
    by_chunks,
    by_chunks,
    login,
    others,
)


def damaged(random: Random, octets: bytes) -> bytes:
    for _ in range(random.randint(1, 3)):
        place, end = random.randint(0, len(octets)), random.randint(0, len(octets))
        match random.randint(0, 3):
            case 0:
                octets = octets[:place] + random.choice(PIECES) + octets[place:]
            case 1:
                octets = octets[:place] + octets[place + random.randint(0, 4) :]
            case 2:
                octets = octets[:place] + octets[end : end + 40] + octets[place:]
            case 3:
                octets = octets[:place]
    return octets


ADDRESS_PARTS = (
    *("<", ">", "@", "a", '"', "\\", ".", "..", "[", "]", "IPv6:", "::1", "192.0.2.1", ":", ",", "xn--", "ü", "\uff0f"),
    *(
        "%",
        "!",
        "/",
        "\0",
        "\r",
        "example.org",
        "postmaster",
        "-",
        "_",
        " ",
        "a" * 64,
        "\ud800",
        "\u0308",
        "ß",
        "\u200d",
    ),
)


def address(random: Random) -> str:
    return "".join(random.choice(ADDRESS_PARTS) for _ in range(random.randint(0, 9)))
