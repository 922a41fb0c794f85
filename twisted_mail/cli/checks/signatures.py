"""Whether DNS has the keys with which the domains sign."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_mail.cli.checks.finding import Finding, Situation, advice, fault, ok
from twisted_mail.cli.dkim import key_record, presence_of
from twisted_mail.policy.dkim.keystore import KeyStore, KeyStoreError
from twisted_mail.policy.dkim.rotation import Presence, Stage
from twisted_mail.signing import key_store


def check_signatures(situation: Situation) -> Iterator[Finding]:
    if situation.is_local_only:
        yield ok("the server listens on this machine only, so nobody else checks its signatures")
        return
    store = key_store(situation.config)
    for domain in situation.domains:
        try:
            yield from _domain(store, domain.name, situation)
        except (KeyStoreError, OSError) as error:
            yield fault(f"mail from {domain.name} is not signed: {error}")


def _domain(store: KeyStore, domain: str, situation: Situation) -> Iterator[Finding]:
    active = [pair for pair in store.pairs(domain) if pair.stage is Stage.ACTIVE]
    if not active:
        yield advice(f"mail from {domain} is not signed (DKIM)", f"mailserver dkim rotate {domain}")
        return
    wrong = False
    for key in store.keys(domain, active[-1]):
        presence, record = presence_of(key, situation.dns), key_record(key)
        if presence is not Presence.THERE:
            wrong = True
            yield fault(f"{_WORDS[presence].format(name=record.name)}, with which {domain} signs its mail", str(record))
    if not wrong:
        yield ok(f"DNS has the keys with which {domain} signs its mail")


_WORDS = {
    Presence.ABSENT: "DNS does not have the key {name}",
    Presence.OTHER: "DNS has another text for the key {name}",
    Presence.UNKNOWN: "DNS does not answer about the key {name}",
}
