"""The short form of ./dev torture timing. Its bound is far beyond what chance gives, and far below
what a comparison that stops early does: no busy machine decides it."""
import os
import re
import subprocess

import pytest

from harness import BUILD, TACIT

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(TACIT)), "tacit-timing")
BLOCKS = 200
T_MAX = 9.0

pytestmark = [
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason="tacit-timing was not built"),
    pytest.mark.skipif(BUILD in ("asan", "tsan"), reason="a sanitizer takes its own time"),
]


def test_a_wrong_first_byte_of_an_api_key_takes_as_long_to_refuse_as_a_wrong_last_one():
    command = [PROGRAM, "--blocks", str(BLOCKS)]
    if "TACIT_SEED" in os.environ:
        command += ["--seed", os.environ["TACIT_SEED"]]
    said = subprocess.run(command, capture_output=True, text=True, timeout=250).stdout
    print(said)
    assert re.match(r"seed \d+, %d blocks" % BLOCKS, said)
    found = re.findall(r"^(.*?) +t = +(-?[0-9.]+) ", said, re.MULTILINE)
    assert len(found) == 4
    for name, t in found:
        assert (abs(float(t)) > T_MAX) == name.startswith("control"), (name, t)
