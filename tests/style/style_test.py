#!/usr/bin/env python3
"""Rules about the tree that a machine can hold: who may include what, lengths, banned calls.

Prints `file:line: message` for every finding and ends with 1 if there is any. Before that it checks
itself on planted faults (PLANTED below); a rule without one is not finished.
"""

import os
import subprocess
import sys

import rules

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def tracked_files():
    """Tracked and new files, not the ignored ones; relative to ROOT."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others",
               "--exclude-standard", "--deduplicate"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return sorted(path for path in ran.stdout.split("\0") if path)
    found = []  # a copy without git: everything but what is built
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in (".git", "build", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


def read_text(path):
    """The text of a file, or None for one that is gone, a link or not text."""
    full = os.path.join(ROOT, path)
    if os.path.islink(full) or not os.path.isfile(full):
        return None
    with open(full, "rb") as file:
        content = file.read()
    if b"\0" in content:
        return None
    return content.decode("utf-8", errors="replace")


# (path, text, a part of the message that must come). Words that the rules look for everywhere are
# written in two pieces, since this file is read by them too.
HEADER = "#pragma once\n"
PLANTED = [
    ("core/a.cpp", '#include "kv/store.hpp"\n', "core may not include"),
    ("core/a.cpp", "#include <boost/asio/io_context.hpp>\n", "core may not include"),
    ("core/a.cpp", "#include <sodium.h>\n", "core/secret.cpp and core/crypto.cpp"),
    ("core/a.cpp", "#include <thread>\n", "core may not include"),
    ("core/a.cpp", "#include <sys/socket.h>\n", "core may not include"),
    ("core/a.cpp", "auto t = std::chrono::system_clock::now();\n", "clock port"),
    ("core/secret.cpp", "#include <filesystem>\n", "core may not include"),
    ("kv/a.cpp", '#include "net/http.hpp"\n', "kv may not include"),
    ("kv/a.cpp", "#include <boost/json.hpp>\n", "kv may not include"),
    ("kv/a.cpp", "#include <sodium.h>\n", "kv may not include"),
    ("net/a.cpp", "#include <openssl/ssl.h>\n", "OpenSSL belongs in"),
    ("app/tls_a.cpp", "#include <openssl/ssl.h>\n", "OpenSSL belongs in"),
    ("net/tls_a.hpp", "#include <openssl/ssl.h>\n", "OpenSSL belongs in"),
    ("net/a.cpp", '#include "kv/store.hpp"\n', "net may not include"),
    ("net/a.cpp", '#include "app/wire.hpp"\n', "net may not include"),
    ("net/a.cpp", "#include <rocksdb/db.h>\n", "net may not include"),
    ("app/a.cpp", '#include "tests/hook.hpp"\n', "app may not include"),
    ("app/a.cpp", '#include "bench/load.hpp"\n', "app may not include"),
    ("app/a.cpp", '#include "settings.hpp"\n', "from the root"),
    ("app/a.cpp", '#include "../core/name.hpp"\n', "from the root"),
    ("core/a.hpp", "int f();\n", "#pragma once"),
    ("core/a.hpp", HEADER + "int f();\n" * 250, "250 lines"),
    ("core/a.cpp", "int f();\n" * 451, "450 lines"),
    ("core/a.cpp", "// " + "x" * 98 + "\n", "100 columns"),
    ("core/a.cpp", "// over http" + " x" * 50 + "\n", "100 columns"),
    ("core/a.cpp", "\tint a;\n", "tab"),
    ("core/a.cpp", "int a; \n", "trailing white space"),
    ("docs/a.md", "words \n", "trailing white space"),
    ("core/a.cpp", "int a;", "newline"),
    ("core/a.cpp", "int a = std::rand();\n", "entropy port"),
    ("app/a.cpp", 'auto* v = std::getenv("HOME");\n', "app/settings"),
    ("net/a.cpp", 'auto* v = ::secure_getenv("HOME");\n', "app/settings"),
    ("core/a.cpp", "strcpy(to, from);\n", "std::string"),
    ("core/a.cpp", "std::sprintf(to, from);\n", "snprintf"),
    ("app/serve.cpp", "std::cout << 1;\n", "app/cli"),
    ("core/a.cpp", "std::memset(key, 0, 32);\n", "wipe"),
    ("core/a.hpp", HEADER + "using namespace std;\n", "using namespace"),
    ("core/a.cpp", "assert(a == b);\n", "CHECK"),
    ("core/a.cpp", "#include <cassert>\n", "CHECK"),
    ("net/router.cpp", "auto v = boost::json::parse(body);\n", "SAX"),
    ("net/router.cpp", "auto v = json::parse(body);\n", "SAX"),
    ("app/a.cpp", "std::regex r;\n", "by hand"),
    ("app/a.cpp", "#include <regex>\n", "by hand"),
    ("app/a.cpp", "std::thread{f}.detach();\n", "join"),
    ("docs/a.md", "see /wo" + "rk/main\n", "path of a machine"),
    ("conf/a.toml", "file = '../sha" + "red/a'\n", "path of a machine"),
    ("app/a.cpp", "// TO" + "DO: later\n", "issue"),
    ("docs/a.md", "FIX" + "ME\n", "issue"),
    ("dev", "# X" + "XX\n", "issue"),
]
CLEAN = [
    ("tests/fuzz/corpus/framing/a", "no newline, \t and a space \nGET \r"),
    ("core/secret.cpp", "#include <sodium.h>\n\n#include <boost/system/result.hpp>\n"),
    ("core/a.hpp", "// What it is.\n\n#pragma once\n\n#include <atomic>\n#include <chrono>\n"),
    ("core/a.cpp", "static_assert(sizeof(int) == 4);\nint x = 1'000'000; // assert(no)\n"),
    ("core/a.cpp", 'auto s = "assert(a) std::rand()"; auto r = R"(std::cout << "x)";\n'),
    ("core/a.cpp", "/* strcpy(a, b)\n   #include <thread>\n*/\nchar quote = '\"';\n"),
    ("kv/a.cpp", '#include <rocksdb/db.h>\n#include <thread>\n\n#include "core/name.hpp"\n'),
    ("net/a.cpp", "#include <boost/asio/write.hpp>\n#include <sys/socket.h>\n"),
    ("app/cli/run.cpp", '#include "kv/a.hpp"\nauto* v = std::getenv("X"); std::cout << v;\n'),
    ("app/settings/env.cpp", 'auto* v = std::getenv("HOME");\n'),
    ("tests/unit/core/a.cpp", '#include "tests/unit/fake.hpp"\n#include "core/name.hpp"\n'),
    ("app/a.cpp", 'auto name = "/tmp/x-XXXXXX"; my_fprintf(a); homework/main;\n'),
]


def self_test():
    """Every planted fault is found, and clean code is left alone."""
    faults = []
    for path, text, message in PLANTED:
        found = list(rules.check(path, text))
        if not any(message in finding for _, finding in found):
            faults.append(f"self-test: no '{message}' for {path}: {text[:60]!r}, but {found}")
    for path, text in CLEAN:
        faults += [f"self-test: {path}: {text[:60]!r}: {f}" for f in rules.check(path, text)]
    return faults


def main():
    findings = self_test()
    count = 0
    for path in tracked_files():
        text = read_text(path)
        if text is None:
            continue
        count += 1
        findings += [f"{path}:{line}: {message}" for line, message in rules.check(path, text)]
    for finding in findings:
        print(finding)
    if count == 0:
        sys.exit("style: found no files to check")
    if findings:
        sys.exit(1)
    print(f"style: {count} files, {len(PLANTED)} planted faults, no findings")


if __name__ == "__main__":
    main()
