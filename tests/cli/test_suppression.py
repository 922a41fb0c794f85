"""`mailserver suppression` in process."""

from __future__ import annotations

import json
import os
import time

from tests.cli.test_main import CommandCase
from twisted_mail.queue.suppression import Suppression
from twisted_mail.smtp.address import parse_address


class SuppressionTests(CommandCase):
    def suppressed(self, text: str) -> None:
        suppression = Suppression(os.path.join(self.folder, "maildirs", ".server", "queue"))
        for _ in range(3):
            suppression.failed(parse_address(text), "550 5.1.1 Unknown", time.time())

    def test_suppressed_addresses_are_listed_and_removed(self) -> None:
        self.assertEqual("no address is suppressed\n", self.succeed("suppression", "list"))
        self.suppressed("Bob@example.net")
        self.suppressed("eve@example.net")
        rows = json.loads(self.succeed("suppression", "list", "--json"))
        self.assertEqual(["Bob@example.net", "eve@example.net"], [row["address"] for row in rows])
        self.assertEqual("550 5.1.1 Unknown", rows[0]["reply"])
        self.assertRegex(rows[0]["until"], r"^\d{4}-\d\d-\d\dT")
        self.assertEqual("bob@example.net is tried again\n", self.succeed("suppression", "remove", "bob@example.net"))
        self.assertEqual(1, len(json.loads(self.succeed("suppression", "list", "--json"))))

    def test_address_that_is_not_suppressed_or_none_is_refused(self) -> None:
        self.fail_with("is not suppressed", "suppression", "remove", "bob@example.net")
        self.fail_with("as the list has it", "suppression", "remove", "bob")
