"""`mailserver reputation` in process."""

from __future__ import annotations

import json
import os
import time

from tests.cli.test_main import CommandCase
from tests.policy.test_reputation import ALICE, BOB, HOST, header_of
from twisted_mail.policy.reputation import Reputation


class ReputationTests(CommandCase):
    def rows(self, *senders: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self.succeed("reputation", "list", "--json", *senders))
        return rows

    def test_what_users_have_said_is_listed_and_forgotten(self) -> None:
        self.succeed("domain", "add", "example.org")
        self.assertEqual("no user has said anything of any mail yet\n", self.succeed("reputation", "list"))
        reputation = Reputation(os.path.join(self.folder, "maildirs", ".server", "reputation.sqlite"), HOST, time.time)
        self.addCleanup(reputation.close)
        for account in (ALICE, BOB):
            reputation.learn(account, header_of("aa"), True)
        reputation.count({"192.0.2.0/24": 10})
        network = {"sender": "192.0.2.0/24", "points": 0.7, "junk": 2, "good": 0, "messages": 10, "days": 0}
        domain = {"sender": "news.example", "points": 1.0, "junk": 2, "good": 0, "messages": 0, "days": 0}
        self.assertEqual([network, domain], self.rows())
        self.assertEqual([network, network, domain], self.rows("192.0.2.99", "192.0.2.0/24", "News.example"))
        self.assertEqual("192.0.2.0/24 is forgotten\n", self.succeed("reputation", "forget", "192.0.2.7"))
        self.assertEqual([domain], self.rows())
        self.fail_with("nothing is known of 192.0.2.0/24", "reputation", "forget", "192.0.2.7")
