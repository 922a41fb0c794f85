"""Whether rules can be those of an account: asked before its owner or an administrator sets them."""

from __future__ import annotations

from twisted_mail.auth.directory import Directory
from twisted_mail.auth.names import without_tag
from twisted_mail.rules.rulesfile import RulesError, parse_rules
from twisted_mail.smtp.address import Address


def check_rules(directory: Directory, account: Address, text: str) -> int:
    """How many there are, for *account*.  Raises RulesError."""
    rules = parse_rules(text)
    for number, rule in enumerate(rules, 1):
        if any(account in (to.key, without_tag(to.key)) for to in rule.forward):
            raise RulesError(f"rule {number}, forward: {account} would get it again; use keep, or another address")
        sender = rule.reply.sender if rule.reply is not None else None
        if sender is not None and not directory.owns_address(account, sender):
            raise RulesError(f"rule {number}, reply.from: {sender} is no address of {account}; leave it out")
    return len(rules)
