"""Signatures on what leaves, put together: the keys in the data directory, and the target that uses them."""

from __future__ import annotations

import os
from typing import Any

from twisted_mail.config import Config
from twisted_mail.content import Blocking
from twisted_mail.interfaces import IDeliveryTarget
from twisted_mail.networks import Networks
from twisted_mail.policy.dkim.keystore import ActiveKeys, KeyStore
from twisted_mail.policy.dns import CachedLookups
from twisted_mail.policy.signed import Signed, SigningOptions
from twisted_mail.resolving import dns_resolver
from twisted_mail.smtp.envelope import Origin


def key_store(config: Config) -> KeyStore:
    """The keys of all domains."""
    return KeyStore(os.path.join(config.server_folder, "keys", "dkim"))


def signed(config: Config, target: IDeliveryTarget, disk: Blocking, reactor: Any) -> Signed:
    """*target* for messages that leave, which gets them signed.  *disk*: how to wait for it."""
    lookups = CachedLookups(dns_resolver(config.dns.servers, reactor), reactor)
    trusted = Networks(config.checks.trusted)

    def is_checked(origin: Origin) -> bool:
        by_net = origin.protocol == "SMTP" and bool(origin.peer)
        return config.checks.enabled and by_net and origin.peer not in trusted

    options = SigningOptions(config.hostname, is_checked)
    return Signed(target, options, ActiveKeys(key_store(config)), lookups.txt, disk, reactor)
