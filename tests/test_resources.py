"""What the server asks of the system when it starts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

HASHING = """
from twisted_mail.auth.passwords import hash_password
from twisted_mail.resources import return_large_blocks

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

return_large_blocks()
before = resident()
for _ in range(3):
    hash_password("secret")
print(resident() - before)
"""


class MemoryTests(SynchronousTestCase):
    @skipUnless(platform.libc_ver()[0] == "glibc", "another C library has its own ways")
    def test_memory_of_a_hash_goes_back_to_the_system(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", HASHING], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        self.assertLess(int(done.stdout), 8 * 1024 * 1024)
