#!/usr/bin/env python3
"""Fails unless a program needs nothing but libc, libm and the loader: static_link_test.py FILE."""

import re
import subprocess
import sys

ALLOWED = re.compile(r"^(linux-vdso\.so|libc\.so|libm\.so|.*/ld-linux[^/]*\.so)")


def foreign_libraries(ldd_output):
    names = [line.split()[0] for line in ldd_output.splitlines() if line.strip()]
    return [name for name in names if not ALLOWED.match(name)]


def main():
    planted = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6\n\tlibz.so.1 => /libz.so.1\n"
    if foreign_libraries(planted) != ["libz.so.1"]:
        sys.exit("static_link_test: the planted library was not found")
    ran = subprocess.run(["ldd", sys.argv[1]], capture_output=True, text=True, check=True)
    found = foreign_libraries(ran.stdout)
    if found:
        sys.exit(f"{sys.argv[1]}: also needs {', '.join(found)}; link the static archive instead")


if __name__ == "__main__":
    main()
