"""The benchmarks run with the code as it is: nothing else would tell when they no longer do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("[a-z]*.py")))
def test_each_can_be_imported(name: str) -> None:
    # in a process of its own: some choose a reactor
    code = f"import importlib; importlib.import_module('benchmarks.{name}')"
    subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, check=True, timeout=60)


def test_what_runs_in_process_takes_and_gives_mail() -> None:
    command = [sys.executable, "-m", "benchmarks.inprocess", "W2", "P1t", "P2", "--rounds", "1"]
    output = subprocess.run(command, cwd=FOLDER.parent, check=True, timeout=60, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in output.splitlines()] == ["W2", "P1t", "P2"]
