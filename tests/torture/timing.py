#!/usr/bin/env python3
"""Whether the time of a refusal tells which byte of an API key is wrong: tests/timing/main.cpp.

  ./dev torture timing [--seed N] [--blocks N]
"""
import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.join(ROOT, "build", "release", "tacit-timing")

os.execv(PROGRAM, [PROGRAM] + sys.argv[1:])
