"""Owners, modes and room on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from twisted.trial.unittest import TestCase

from tests.cli.checks.situations import config_of, lines, situation
from twisted_mail.cli.checks import files as files_module
from twisted_mail.cli.checks.files import check_disk, check_files

GIB = 1024**3


class FileTests(TestCase):
    def setUp(self) -> None:
        self.config = config_of('[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n')
        os.makedirs(self.config.server_folder, 0o700)
        assert self.config.file is not None
        os.chmod(self.config.file, 0o644)
        assert self.config.tls.key is not None
        self.key = Path(self.config.tls.key)
        self.key.touch(0o640)

    def look(self) -> list[str]:
        return lines(check_files(situation(self.config)))

    def test_right_modes_are_one_line(self) -> None:
        self.assertEqual([f"ok: {self.config.data} and the keys are for their owner only"], self.look())

    def test_each_wrong_mode_is_told_with_its_command(self) -> None:
        for path, mode, expected in (
            (
                self.config.server_folder,
                0o755,
                "FAULT: other users may look into {path}, where the accounts are -> chmod 700 {path}",
            ),
            (str(self.key), 0o644, "FAULT: other users may read or change {path} -> chmod u=rw,g=r,o= {path}"),
            (str(self.config.file), 0o664, "FAULT: other users may change {path} -> chmod go-w {path}"),
            (self.config.data, 0o777, "FAULT: all users may change {path} -> chmod o-w {path}"),
        ):
            before = os.stat(path).st_mode
            os.chmod(path, mode)
            self.assertEqual([expected.format(path=path)], self.look())
            os.chmod(path, before)

    def test_file_of_another_owner_is_told_with_the_command_that_gives_it_back(self) -> None:
        if os.getuid() != 0:
            self.skipTest("needs root")
        maildir = Path(self.config.data, "example.org", "alice")
        maildir.mkdir(parents=True)
        database = Path(self.config.server_folder, "directory.sqlite")
        database.touch()
        for path in (database, maildir):
            os.chown(path, 4711, 4711)
            self.assertEqual(
                [
                    f"FAULT: {path} belongs to user 4711 and {self.config.data} to root: the server cannot use both"
                    f" -> chown -R --from=4711 0:0 {self.config.data}"
                ],
                self.look(),
            )
            os.chown(path, 0, 0)

    def test_missing_data_directory_is_told(self) -> None:
        os.rmdir(self.config.server_folder)
        self.assertTrue(self.look()[0].startswith(f"FAULT: {self.config.server_folder} is not there"))


class Disk(NamedTuple):
    """What os.statvfs says."""

    f_bavail: int = 50
    f_blocks: int = 100
    f_favail: int = 50
    f_files: int = 100
    f_flag: int = 0
    f_frsize: int = GIB


class DiskTests(TestCase):
    def look(self, disk: Disk) -> list[str]:
        config = config_of()
        self.patch(files_module.os, "statvfs", lambda path: disk)
        return [line.replace(config.data, "DATA") for line in lines(check_disk(situation(config)))]

    def test_room_is_told(self) -> None:
        self.assertEqual(
            ["ok: the disk of DATA has 51200 MiB free, 50%", "ok: 50% of its inodes are free"], self.look(Disk())
        )

    def test_little_room_is_advice_and_none_a_fault(self) -> None:
        self.assertEqual(
            "advice: the disk of DATA has 4096 MiB free, 4% -> du -xh DATA | sort -h", self.look(Disk(f_bavail=4))[0]
        )
        self.assertTrue(self.look(Disk(f_bavail=100, f_frsize=1024**2, f_blocks=100))[0].startswith("FAULT: "))

    def test_inodes_run_out_too(self) -> None:
        self.assertTrue(self.look(Disk(f_favail=4))[1].startswith("FAULT: 4% of its inodes are free: each message"))
        self.assertEqual(1, len(self.look(Disk(f_files=0, f_favail=0))))

    def test_disk_that_can_only_be_read_is_a_fault(self) -> None:
        self.assertTrue(self.look(Disk(f_flag=os.ST_RDONLY))[2].startswith("FAULT: the disk of DATA can only be read"))
