"""Sizes that had to be counted: right, and counted once."""

from __future__ import annotations

import os
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.mailbox.disk import MaildirTestCase
from twisted_mail.framing import wire_size
from twisted_mail.mailbox.sizes import FILE_NAME, count_wire_size, load, sizes_of


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"\0", b"ab\n"])).map(b"".join), st.integers(1, 5))
def test_size_counted_in_pieces_is_that_of_the_whole(text: bytes, cut: int) -> None:
    assert count_wire_size(text[i : i + cut] for i in range(0, len(text), cut)) == wire_size(text)


class SizesTests(MaildirTestCase):
    def written(self) -> bytes:
        with open(f"{self.path}/{FILE_NAME}", "rb") as file:
            return file.read()

    def write(self, octets: bytes) -> None:
        with open(f"{self.path}/{FILE_NAME}", "wb") as file:
            file.write(octets)

    def sizes_of(self, *paths: str) -> dict[str, int]:
        return sizes_of(self.path, paths, {})[0]

    def test_sizes_survive_a_restart(self) -> None:
        odd = os.fsdecode(b"new/2.\xff x.h")
        paths = [self.put("new/1.a.h", b"a\n"), self.put(odd, b"b\n\n")]
        expected = {paths[0]: 3, odd: 5}
        self.assertEqual(expected, self.sizes_of(*paths))
        self.assertEqual(b"3 1.a.h\n5 2.\xff x.h\n", self.written())
        with mock.patch("os.open", side_effect=AssertionError("read again")):
            self.assertEqual(expected, self.sizes_of(*paths))

    def test_new_sizes_are_appended(self) -> None:
        first = self.put("new/1.a.h", b"a\n")
        self.sizes_of(first)
        self.sizes_of(first, self.put("new/2.a.h", b"b\n\n"))
        self.assertEqual(b"3 1.a.h\n5 2.a.h\n", self.written())

    def test_file_that_is_mostly_about_the_past_is_written_anew(self) -> None:
        self.write(b"".join(b"7 %d.gone.h\n" % number for number in range(2000)))
        self.sizes_of(self.put("new/1.a.h", b"a\n"))
        self.assertEqual(b"3 1.a.h\n", self.written())

    def test_damaged_file_costs_only_time(self) -> None:
        self.write(b"\0\0 x\n3\n 1.a.h\n-5 1.a.h\n99999999999999999999 1.a.h\n12 2.a.h\n7 1.a")
        self.assertEqual({"2.a.h": 12, "1.a": 7}, load(self.path))
        path = self.put("new/1.a.h", b"a\n")
        self.assertEqual({path: 3}, self.sizes_of(path))

    def test_name_with_a_line_end_is_counted_each_time(self) -> None:
        path = self.put("new/1.a\nb.h", b"a\n")
        self.assertEqual({path: 3}, self.sizes_of(path))
        self.assertEqual({}, load(self.path))

    def test_full_disk_is_no_obstacle(self) -> None:
        path = self.put("new/1.a.h", b"a\n")
        os.mkdir(f"{self.path}/{FILE_NAME}")
        self.assertEqual({path: 3}, self.sizes_of(path))

    def test_file_that_cannot_be_read_is_not_remembered(self) -> None:
        path = self.put("new/1.a.h", b"a\nb\n")
        with mock.patch("os.open", side_effect=PermissionError):
            self.assertEqual(({path: 4}, {}), sizes_of(self.path, [path], {}))

    def test_file_that_has_gone_is_in_neither(self) -> None:
        self.assertEqual(({}, {}), sizes_of(self.path, ["new/1.a.h"], {}))
