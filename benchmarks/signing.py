"""What DKIM costs the reactor for one message of 10 KiB.

`python benchmarks/signing.py`: microseconds, the best of many.  Where both signatures take longer than 500, users who
send much notice it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.defer import Deferred, execute

from twisted_mail.content import Message
from twisted_mail.policy.dkim.algorithms import Algorithm, new_key
from twisted_mail.policy.dkim.canonical import body_hashes
from twisted_mail.policy.dkim.keyrecord import record_name, record_text
from twisted_mail.policy.dkim.sign import WHOLE_BODY, SigningKey, sign_message
from twisted_mail.policy.dkim.verify import verify

ROUNDS = 2000
HEADER = (
    b"Received: from client.example ([192.0.2.1])\n by mail.example.org with ESMTPSA id 0198aabbccddeeff;\n"
    b" Sat, 21 Nov 2026 05:40:00 +0000\nFrom: Alice <alice@example.org>\nTo: Bob <bob@example.net>,\n"
    b" Carol <carol@example.net>\nSubject: A letter as there are many\nDate: Sat, 21 Nov 2026 05:40:00 +0000\n"
    b"Message-ID: <0198aabbccddeeff@example.org>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"
)
BODY = b"A line  of a letter, as people write them; some end in a space \n" * 160


def main() -> None:
    ed, rsa = (SigningKey("example.org", name, new_key(kind)) for name, kind in _KINDS)
    records = {record_name(key.selector, key.domain): record_text(key.key).encode() for key in (ed, rsa)}
    both = Message("01" * 16, _signed(ed, rsa) + HEADER, BODY, 0)

    async def txt(name: str) -> tuple[bytes, ...]:
        return (records[name],)

    work: dict[str, Callable[[], object]] = {
        "the body's hash": lambda: body_hashes([BODY], [WHOLE_BODY]),
        "signing, Ed25519": lambda: _signed(ed),
        "signing, RSA-2048": lambda: _signed(rsa),
        "signing, both": lambda: _signed(ed, rsa),
        "checking both": lambda: Deferred.fromCoroutine(verify(both, txt, execute, time.time())),
    }
    for name, call in work.items():
        print(f"{name:20}{min(_timed(call) for _ in range(ROUNDS)):5.0f} us")


_KINDS = (("e", Algorithm.ED25519), ("r", Algorithm.RSA))


def _signed(*keys: SigningKey) -> bytes:
    return sign_message(HEADER, body_hashes([BODY], [WHOLE_BODY])[WHOLE_BODY].digest(), keys, time.time())


def _timed(call: Callable[[], object]) -> float:
    """Microseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


if __name__ == "__main__":
    main()
