"""The rules of style_test.py: check(path, text) yields (line, message)."""

import re

COLUMNS_MAX = 100
HEADER_LINES_MAX = 250
SOURCE_LINES_MAX = 450

LAYERS = ("core", "kv", "net", "app", "bench", "tests")
TLS_FILES = re.compile(r"net/tls_\w+\.cpp")
SODIUM_FILES = ("core/secret.cpp", "core/crypto.cpp")

# What each folder may include of the others, and of libraries (a pattern for the name between < >).
# The folders not listed here may include all.
OWN = {
    "core": ("core",),
    "kv": ("core", "kv"),
    "net": ("core", "net"),
    "app": ("core", "kv", "net", "app"),
}
STD = r"[a-z_]+"
POSIX = r"(sys|netinet|arpa)/\w+\.h|(unistd|fcntl|netdb|poll|pthread|signal)\.h"
LIBRARIES = {
    "core": rf"{STD}|boost/system/.*|sanitizer/asan_interface\.h",
    "kv": rf"{STD}|{POSIX}|boost/system/.*|rocksdb/.*",
    "net": rf"{STD}|{POSIX}|malloc\.h|openssl/.*|boost/(asio|beast|json|system|core)(/.*|\.hpp)",
    "app": r".*",
}
# Threads, clocks and files of the standard library: core is plain.
NOT_IN_CORE = set("""thread mutex shared_mutex condition_variable future semaphore latch barrier
    stop_token fstream filesystem iostream random csignal coroutine""".split())

# (files it holds for, files it does not hold for, what is banned, what to do instead)
CODE = r"(core|kv|net|app|bench|tests)/"
SHIPPED = r"(core|kv|net|app)/"
NOWHERE = r"(?!)"
BANNED = [
    (CODE, NOWHERE, r"\b(std::|::)?s?rand\s*\(|\brandom_device\b",
     "random numbers come from the entropy port (core), or a seeded generator in tests"),
    (SHIPPED, r"app/(settings|cli)/\w+\.", r"\b(secure_)?getenv\s*\(",
     "the environment is read once, in app/settings (and by the command line, app/cli)"),
    (CODE, NOWHERE, r"\b(strcpy|strcat|strncpy|stpcpy|gets)\s*\(",
     "use std::string, std::string_view or std::copy"),
    (CODE, NOWHERE, r"\bv?sprintf\s*\(", "use fmt::format_to_n or std::snprintf"),
    (SHIPPED, r"app/(cli/\w+|main)\.", r"\bstd::cout\b",
     "stdout belongs to the command line, app/cli; log to stderr"),
    (SHIPPED, NOWHERE, r"\bmemset\s*\(",
     "wipe with sodium_memzero behind core/secret.hpp; set up with {} or std::fill"),
    (CODE, NOWHERE, r"(?<!\w)assert\s*\(|#\s*include\s*<(cassert|assert\.h)>",
     "use CHECK (core/check.hpp), which is always on"),
    (r"net/", r"net/client\w*\.", r"\bjson::parse\s*\(",
     "parse bodies with the SAX parser over the arena: json::parse keeps copies and duplicates"),
    (CODE, NOWHERE, r"\bstd::w?regex\b|#\s*include\s*<regex>",
     "scan by hand; std::regex recurses on the input"),
    # A look-up of a name cannot be ended.
    (CODE, r"net/client_wire\.", r"[.>]detach\s*\(\s*\)",
     "keep the thread and join it (std::jthread)"),
    (r"core/", NOWHERE, r"::now\s*\(|\b(clock_gettime|gettimeofday)\s*\(|\bstd::time\s*\(",
     "core has no clock; take the time from the clock port"),
    (r".*\.hpp$", NOWHERE, r"\busing\s+namespace\b", "no `using namespace` in a header"),
]
BANNED = [(re.compile(where), re.compile(but), re.compile(what), message)
          for where, but, what, message in BANNED]

# Inputs as a fuzzer found them: no text of ours.
INPUTS = "tests/fuzz/corpus/"

# In every file of the tree, comments and documents too.
MACHINE_PATH = re.compile(r"(?<![\w.-])/wo" r"rk/|\.\./sha" r"red\b")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")

TOKEN = re.compile(r"""
    //[^\n]*                                            # comment to the end of the line
  | /\*.*?\*/                                           # comment
  | (?:u8|[uUL])?R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"
  | (?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'                 # character, not a digit separator
  | "(?:[^"\\\n]|\\.)*"
""", re.VERBOSE | re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def blanked(text, keep_strings):
    """The text without comments (and strings), its lines where they were."""
    def blank(match):
        token = match.group(0)
        if keep_strings and not token.startswith(("//", "/*")):
            return token
        return "\n" * token.count("\n") if "\n" in token else " "
    return TOKEN.sub(blank, text)


def check(path, text):
    """Every finding in one file, as (line, message)."""
    if path.startswith(INPUTS):
        return
    lines = text.split("\n")
    yield from check_any(path, text, lines)
    if path.endswith((".cpp", ".hpp")):
        yield from check_size(path, text, lines)
        yield from check_includes(path, text)
        yield from check_banned(path, text)


def check_any(path, text, lines):
    if text and not text.endswith("\n"):
        yield len(lines), "the file does not end with a newline"
    code = path.endswith((".cpp", ".hpp", ".py", ".txt", ".cmake", ".sh"))
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "trailing white space"
        if MACHINE_PATH.search(line):
            yield number, "a path of a machine that others do not have"
        if UNFINISHED.search(line):
            yield number, "finish it, or open an issue and say nothing here"
        if code and len(line) > COLUMNS_MAX and "://" not in line:
            yield number, f"longer than {COLUMNS_MAX} columns"


def check_size(path, text, lines):
    count = len(lines) - 1
    if path.endswith(".hpp"):
        if count > HEADER_LINES_MAX:
            yield count, f"a header of more than {HEADER_LINES_MAX} lines: split it"
        if not blanked(text, True).lstrip().startswith("#pragma once\n"):
            yield 1, "a header starts with #pragma once, after an optional comment"
    elif count > SOURCE_LINES_MAX:
        yield count, f"a source of more than {SOURCE_LINES_MAX} lines: split it"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "tab in C++"


def check_includes(path, text):
    folder = path.split("/")[0]
    for number, line in enumerate(blanked(text, True).split("\n"), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, name = match.groups()
        if bracket == '"':
            target = name.split("/")[0]
            if target not in LAYERS or "/" not in name:
                yield number, f'include from the root: "folder/{name.split("/")[-1]}"'
            elif folder in OWN and target not in OWN[folder]:
                yield number, f"{folder} may not include {target}"
        elif name.startswith("openssl/") and folder in OWN and not TLS_FILES.fullmatch(path):
            yield number, "OpenSSL belongs in net/tls_*.cpp"
        elif name == "sodium.h" and folder == "core":
            if path not in SODIUM_FILES:
                yield number, "libsodium belongs in core/secret.cpp and core/crypto.cpp"
        elif folder in LIBRARIES:
            plain = re.fullmatch(LIBRARIES[folder], name)
            if not plain or (folder == "core" and name in NOT_IN_CORE):
                yield number, f"{folder} may not include <{name}>"


def check_banned(path, text):
    rules = [(what, message) for where, but, what, message in BANNED
             if where.match(path) and not but.match(path)]
    for number, line in enumerate(blanked(text, False).split("\n"), 1):
        for what, message in rules:
            if what.search(line):
                yield number, message
