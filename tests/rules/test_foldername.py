"""Folders as people write them, and on disk."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.rules.foldername import disk_name


class FolderNameTests(SynchronousTestCase):
    def test_names_on_disk(self) -> None:
        for name, expected in (
            ("Work", ".Work"),
            ("Work.Invoices", ".Work.Invoices"),
            ("inbox", ""),
            ("INBOX.Work", ".Work"),
            ("Entwürfe", ".Entw&APw-rfe"),
            ("A & B", ".A &- B"),
            ("台北.日本語", ".&U,BTFw-.&ZeVnLIqe-"),  # RFC 3501 §5.1.3, RFC 2060
        ):
            self.assertEqual(expected, disk_name(name))

    def test_names_that_lead_elsewhere_are_none(self) -> None:
        for name in ("", ".", "..", "a..b", ".a", "a.", "../x", "a/b", "a\0b", "a\nb", "50%", "x" * 250, "inbox."):
            self.assertRaises(ValueError, disk_name, name)
