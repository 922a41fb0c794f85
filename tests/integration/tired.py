"""Runs a command of ours whose committer rests early: `python tired.py SECONDS twistd -n mailserver ...`"""

from __future__ import annotations

import runpy
import sys
from functools import partial

from twisted_mail import mailserver
from twisted_mail.committing import resting


def main(seconds: str, *command: str) -> None:
    vars(mailserver)["RestingCommitter"] = partial(resting.RestingCommitter, rests_after=float(seconds))
    vars(resting)["ENDS_WITHIN"] = float(seconds)
    sys.argv = list(command)
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
