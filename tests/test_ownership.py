"""Whose the server's files are, as root sees it; what that comes to in a process: integration/test_ownership.py."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from twisted_mail.config import Config, ConfigError
from twisted_mail.ownership import acting_as, check_access, hand_over, make_data_directory, owner_of

NOBODY = (65534, 65534)


class OwnershipTests(TestCase):
    def setUp(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can give files away")
        # not below the test's own folder, which may be closed to others
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)
        self.config = Config(data=str(self.folder / "maildirs"))
        make_data_directory(self.config)
        self.server_folder = Path(self.config.server_folder)

    def owners(self) -> set[tuple[int, int]]:
        data = Path(self.config.data)
        return {(path.lstat().st_uid, path.lstat().st_gid) for path in (data, *data.rglob("*"))}

    def test_what_root_made_before_the_first_start_is_handed_over(self) -> None:
        (self.server_folder / "tls").mkdir()
        (self.server_folder / "tls" / "key.pem").touch()
        (self.server_folder / "directory.sqlite").touch()
        hand_over(self.config, NOBODY)
        self.assertEqual({NOBODY}, self.owners())

    def test_folders_above_the_data_directory_let_the_servers_user_through(self) -> None:
        config = Config(data=str(self.folder / "var" / "mail" / "maildirs"))
        before = os.umask(0o022)
        try:
            make_data_directory(config)
        finally:
            os.umask(before)
        hand_over(config, NOBODY)
        with acting_as(NOBODY):
            check_access(config)

    def test_link_is_given_away_and_not_what_it_leads_to(self) -> None:
        target = self.folder / "roots"
        target.touch()
        (self.server_folder / "link").symlink_to(target)
        hand_over(self.config, NOBODY)
        self.assertEqual(0, target.stat().st_uid)

    def test_nothing_is_given_away_in_a_folder_that_others_could_have_filled(self) -> None:
        for uid, mode in ((NOBODY[0], 0o700), (0, 0o777)):
            os.chown(self.server_folder, uid, uid)
            self.server_folder.chmod(mode)
            planted = self.server_folder / "planted"
            planted.touch()
            hand_over(self.config, NOBODY)
            self.assertEqual(0, planted.stat().st_uid)
            self.assertEqual(0, os.stat(self.config.data).st_uid)

    def test_data_directory_with_other_things_in_it_stays_roots(self) -> None:
        (Path(self.config.data) / "website").mkdir()
        hand_over(self.config, NOBODY)
        self.assertEqual(0, os.stat(self.config.data).st_uid)
        self.assertEqual(NOBODY[0], self.server_folder.stat().st_uid)
        with acting_as(NOBODY):
            self.assertRaises(ConfigError, check_access, self.config)

    def test_folder_that_is_not_there_belongs_to_whom_the_one_around_it_does(self) -> None:
        home = self.folder / "home"
        home.mkdir()
        os.chown(home, *NOBODY)
        self.assertEqual(NOBODY, owner_of(str(home / "a" / "b")))
        self.assertEqual(NOBODY, owner_of(str(home)))

    def test_user_without_access_is_told_which_command_gives_it(self) -> None:
        with acting_as(NOBODY):
            error = self.assertRaises(ConfigError, check_access, self.config)
            self.assertIn(f"chown -R 65534:65534 {self.config.data}", str(error))
        check_access(self.config)

    def test_user_to_whom_the_data_directory_is_closed_is_told_who_may(self) -> None:
        with acting_as(NOBODY):
            error = self.assertRaises(ConfigError, make_data_directory, self.config)
            other = self.assertRaises(
                ConfigError, make_data_directory, Config(data=str(self.folder / "new" / "maildirs"))
            )
        self.assertIn("run this as root or as the user that runs the server", str(error))
        self.assertIn("cannot be made", str(other))
