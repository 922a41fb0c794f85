"""The Maildir format: names, unique-ids, sizes, and what counts as a message."""

from __future__ import annotations

import hashlib
import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.content import Message
from twisted_mail.framing import wire_size
from twisted_mail.mailbox import maildir
from twisted_mail.message.downgrade import MAX_HEADER, header_in_ascii

OURS = "1700000000.018bcfe5687c7a3f9d2e1b4a5c6d7e8f.mx.example"

# file name -> its unique-id; None: a digest.  A promise: if a row changed, every client would download all mail again
UIDS: tuple[tuple[str, str | None], ...] = (
    (f"{OURS},S=100,W=110", OURS),
    (f"{OURS},S=100,W=110:2,S", OURS),
    (OURS, OURS),
    ("1700000000.M1P2V3I4_0.host,S=5:2,", "1700000000.M1P2V3I4_0.host"),
    ("1700000000.1234.host:2,RS", "1700000000.1234.host"),
    ("1700000000.1234.ho st", None),
    ("1700000000.1234.höst", None),
    ("1700000000.1234.h\udcffst", None),
    ("x" * 70, "x" * 70),
    ("x" * 70 + ",S=1", "x" * 70),
    ("x" * 71, None),
    (",S=1", None),
    (":2,S", None),
    ("~!", "~!"),
    (f"{OURS},S=1,W=2,UIDL=Z", OURS),
    (f"{OURS},S=1,W=2,UIDL=!!", OURS),
    (f"{OURS},S=1,W=2,UIDL=w7w", OURS),  # "ü"
    (f"{OURS},S=1,W=2:2,UIDL=YWJj", OURS),
)

# file name -> octets on the wire that it announces
SIZES: tuple[tuple[str, int | None], ...] = (
    (f"{OURS},S=100,W=110", 110),
    (f"{OURS},S=100,W=110:2,S", 110),
    (f"{OURS},W=110,S=100", 110),
    (f"{OURS},S=100", None),
    (OURS, None),
    (f"{OURS},W=x", None),
    (f"{OURS},W=", None),
    (f"{OURS},W=12x", None),
    (f"{OURS}:2,W=5", None),
    (f"{OURS},W=١٢", None),
)


class NameTests(SynchronousTestCase):
    def test_uid_is_the_name_up_to_comma_or_colon_or_a_digest_of_it(self) -> None:
        for name, uid in UIDS:
            part = name.split(":")[0].split(",")[0]
            expected = uid or hashlib.sha256(os.fsencode(part)).hexdigest()
            self.assertEqual(expected, maildir.uid_of(name), name)

    def test_uid_of_another_server_is_kept_whatever_is_in_it(self) -> None:
        for uid in ("0000012a5f3b2c1d", "UID1-1700000000", "a/b:c,d", ".", "!" * 70, "~", '"#$%', "1.M2P3.host,S=5"):
            name = maildir.keeping_uid(f"{OURS},S=100,W=110", uid)
            for flags in ("", ":2,S", ":2,"):
                self.assertEqual(uid, maildir.uid_of(name + flags))
                self.assertEqual(110, maildir.wire_size_of(name + flags))
            self.assertLess(len(name), 255)
            self.assertNotIn("/", name)

    def test_uid_is_always_one_that_pop3_can_say(self) -> None:
        for name, _ in UIDS:
            uid = maildir.uid_of(name)
            self.assertTrue(1 <= len(uid) <= 70 and all(0x21 <= ord(c) <= 0x7E for c in uid), name)

    def test_wire_size_is_read_from_the_name(self) -> None:
        for name, size in SIZES:
            self.assertEqual(size, maildir.wire_size_of(name), name)

    def test_our_name_is_its_own_uid(self) -> None:
        name = maildir.unique_name(1700000000.9, "018bcfe5687c7a3f9d2e1b4a5c6d7e8f", "mx.example")
        self.assertEqual(OURS, name)
        self.assertEqual(OURS, maildir.uid_of(maildir.final_name(name, 100, 110)))
        self.assertEqual(110, maildir.wire_size_of(maildir.final_name(name, 100, 110)))

    def test_internationalised_message_has_its_size_in_ascii_in_its_name(self) -> None:
        def message(header: str, body: bytes = b"\xc3\xa4\n") -> Message:
            return Message("id", header.encode(), body, header.count("\n") + 1)

        self.assertIsNone(maildir.downgraded_size(message("Subject: x\n\n")))
        international = message("Subject: ä\n\n")
        new = header_in_ascii(international.header) + international.body
        self.assertEqual(wire_size(new), maildir.downgraded_size(international))
        self.assertEqual(0, maildir.downgraded_size(message("ä: x\n\n")))
        self.assertEqual(0, maildir.downgraded_size(message(f"Subject: {'ä' * MAX_HEADER}\n\n")))
        name = maildir.final_name(OURS, 100, 110, 200)
        self.assertEqual(OURS, maildir.uid_of(name))
        self.assertEqual((110, 200), (maildir.wire_size_of(name), maildir.downgraded_size_of(name)))

    def test_host_with_reserved_characters_is_escaped(self) -> None:
        name = maildir.unique_name(1, "u", "a/b:c,d")
        self.assertEqual(r"1.u.a\057b\072c\054d", name)
        self.assertEqual(name, maildir.uid_of(maildir.final_name(name, 1, 2)))

    def test_long_host_is_cut_so_that_the_name_stays_a_uid(self) -> None:
        name = maildir.unique_name(1700000000, "0" * 32, "a-very-long-name.of-a-host.in-some-domain.example.org")
        self.assertEqual(70, len(name))
        self.assertEqual(name, maildir.uid_of(name))


class ScanTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        for folder in ("new", "cur", "tmp"):
            os.makedirs(f"{self.path}/{folder}")

    def put(self, *paths: str) -> None:
        for path in paths:
            with open(f"{self.path}/{path}", "xb"):
                pass

    def test_messages_of_both_folders_come_by_seconds_then_name(self) -> None:
        self.put("cur/1700000002.a.h:2,S", "new/1700000001.b.h", "new/1700000002.b.h", "cur/999.z.h:2,", "new/x.y.z")
        expected = ["new/x.y.z", "cur/999.z.h:2,", "new/1700000001.b.h", "cur/1700000002.a.h:2,S", "new/1700000002.b.h"]
        self.assertEqual(expected, maildir.scan(self.path))

    def test_usual_names_come_in_the_same_order_as_odd_ones(self) -> None:
        usual = ["1700000001.b.h", "1700000001.a.h,S=1", "1699999999.c.h"]
        self.put(*(f"new/{name}" for name in usual))
        alone = maildir.scan(self.path)
        self.put("new/odd")
        self.assertEqual(["new/odd", *alone], maildir.scan(self.path))

    def test_what_is_no_message_is_ignored(self) -> None:
        self.put("new/1.a.h", "new/.hidden", "tmp/2.a.h")
        os.mkdir(f"{self.path}/new/3.directory.h")
        os.symlink("1.a.h", f"{self.path}/new/4.link.h")
        os.mkfifo(f"{self.path}/cur/5.pipe.h")
        self.assertEqual(["new/1.a.h"], maildir.scan(self.path))

    def test_odd_octets_in_names_are_kept(self) -> None:
        name = os.fsdecode(b"1.\xff\xfe \xc3\xb6.h")
        self.put(f"new/{name}", "new/2.with space.h")
        self.assertEqual([f"new/{name}", "new/2.with space.h"], maildir.scan(self.path))

    def test_message_on_its_way_to_cur_is_listed_once(self) -> None:
        self.put("new/1.a.h,S=1", "cur/1.a.h,S=1:2,S")
        self.assertEqual(["cur/1.a.h,S=1:2,S"], maildir.scan(self.path))

    def test_missing_folder_is_empty(self) -> None:
        self.assertEqual([], maildir.scan(self.path + "/nowhere"))

    def test_files_that_share_a_uid_get_different_ones(self) -> None:
        paths = ["cur/1.a.h,S=1:2,", "cur/1.a.h,S=2:2,", "new/2.b.h"]
        uids = maildir.unique_ids(paths)
        self.assertEqual(["1.a.h", maildir.digest("1.a.h,S=2:2,"), "2.b.h"], uids)
