"""The documents for users do what they say: their commands run, their answers are what comes."""
import collections
import functools
import json
import os
import re
import shlex
import subprocess
import tempfile

import harness
import pytest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENTS = ["README.md", "docs/api.md", "docs/delivery.md", "docs/formats.md", "docs/cli.md"]
ANSWERS = ("json", "http", "text")  # blocks that show what the sh block before them prints
BLOCK_SECONDS_MAX = 120

# What a test must do in another way than the reader, by document: text of a sh block and what the
# test runs for it. Each must match exactly once. {data}, {bin} and {other} are filled in.
SUBSTITUTES = {
    "README.md": [
        ("./dev run\n", ""),
        ("./dev build  ", ": "),
        ('PATH="$PWD/build/release:$PATH" TACIT_DATA_DIR=/tmp/tacit-first',
         'PATH="{bin}:$PATH" TACIT_DATA_DIR={data}'),
        ("tacit serve  ", ": "),
        ('TACIT_DATA_DIR=/tmp/tacit-first PATH="$PWD/build/release:$PATH"',
         'PATH="{bin}:$PATH" TACIT_DATA_DIR={data}'),
    ],
    "docs/api.md": [],
    "docs/delivery.md": [("sudo -u nobody curl", "{other} curl")],
    "docs/formats.md": [],
    "docs/cli.md": [
        ("tacit serve --data /tmp/tacit-first &\n", ""),
        ("TACIT_DATA_DIR=/tmp/tacit-first\n", "TACIT_DATA_DIR={data}\n"),
    ],
}
BASE = "http://127.0.0.1:8787"

# What differs from run to run: in the documents and in what came, it is made the same.
CHANGING = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"tac_[A-Za-z0-9]{36}\b", "<key>"),
    (r"tac_[A-Za-z0-9]{4}\b", "<prefix>"),
    (r"(?!2099)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),  # 2099: an end that was given
    (r"\d{4}-\d\d-\d\d \d\d:\d\d\b", "<minute>"),
    (r"uid:\d+@\S+", "<consumer>"),
    (r'"uid":\d+,', '"uid":0,'),
    (r'"host":"[^"]+"', '"host":"<host>"'),
    (r"(/dev/shm/shop)\.\w{6}\b", r"\1.<random>"),
]
CHANGING_HEADERS = [
    (r"^(X-RateLimit-(?:Remaining|Reset)|Retry-After): \d+$", r"\1: <n>"),
    (r"^(RateLimit: \"\w+\");r=\d+;t=\d+$", r"\1;r=<n>;t=<n>"),
]

Block = collections.namedtuple("Block", "line kind text")


def read(path):
    with open(os.path.join(REPOSITORY, path), encoding="utf-8") as file:
        return file.read()


@functools.lru_cache
def blocks(document):
    found, kind, lines, start = [], None, [], 0
    for number, line in enumerate(read(document).splitlines(), 1):
        if kind is None and line.startswith("```"):
            kind, lines, start = line[3:].strip(), [], number
        elif kind is not None and line == "```":
            found.append(Block(start, kind, "".join(one + "\n" for one in lines)))
            kind = None
        elif kind is not None:
            lines.append(line)
    assert kind is None, "%s:%d: block without end" % (document, start)
    return found


def prose(document):
    """All but the blocks; those are run, and a wrong name may be what one shows."""
    return re.sub(r"^```.*?^```$", "", read(document), flags=re.MULTILINE | re.DOTALL)


def settle(text, rules=()):
    for pattern, name in list(rules) + CHANGING:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


def canonical(text):
    """One text for the same JSON: members keep their order and number, true is not 1."""
    return json.dumps(json.loads(settle(text), object_pairs_hook=lambda pairs: ["object", *pairs]))


def documents_of(text):
    """The JSON documents that follow one another in what was printed, also without newlines."""
    found, decoder = [], json.JSONDecoder()
    text = text.strip()
    while text:
        _, end = decoder.raw_decode(text)
        found.append(text[:end])
        text = text[end:].lstrip()
    return found


HttpAnswer = collections.namedtuple("HttpAnswer", "status headers body")


def parse_http(text):
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status, _, headers = head.partition("\n")
    return HttpAnswer(status.strip(), settle(headers, CHANGING_HEADERS).split("\n"), body.strip())


def http_answers_of(text):
    """What several `curl -i` printed: each begins with its status line, maybe behind a body."""
    return [parse_http(one) for one in re.split(r"(?=HTTP/1\.1 \d{3} )", text) if one]


def compare_http(shown, came):
    wanted = parse_http(shown)
    assert came.status == wanted.status
    for header in wanted.headers:
        assert header == "" or header in came.headers, (header, came.headers)
    compare_json(wanted.body, came.body)


def compare_json(shown, came):
    same = came == shown if "" in (shown, came) else canonical(came) == canonical(shown)
    assert same, "shown: %s\ncame:  %s" % (shown, came)


def error_statuses():
    """What net/answer.cpp says: the status and the code of each error."""
    return set(re.findall(r"\{(\d{3}),\s*\"([A-Z_]+)\",", read("net/answer.cpp")))


def compare_status(shown, status):
    """An answer shown without its status line is a 200, or what its error code says."""
    code = json.loads(shown).get("error", {}).get("code") if shown.startswith("{") else None
    assert status == "200" if code is None else (status, code) in error_statuses(), (shown, status)


def compare(answers, printed, statuses):
    """The answers shown are the last ones of what was printed, in order."""
    kind = answers[0].kind
    assert all(one.kind == kind for one in answers), "answers of one kind behind one block"
    if kind == "text":
        assert len(answers) == 1
        words = [[line.split() for line in settle(text).splitlines()]
                 for text in (printed, answers[0].text)]
        assert words[0] == words[1]
        return
    came = documents_of(printed) if kind == "json" else http_answers_of(printed)
    assert len(came) >= len(answers), printed
    last = statuses[-len(answers):] or [None] * len(answers)
    for shown, one, status in zip(answers, came[-len(answers):], last):
        if kind == "json":
            compare_json(shown.text, one)
            if status is not None:
                compare_status(shown.text, status)
        else:
            compare_http(shown.text, one)


class Shell:
    """Runs one block after the other; variables and the folder live on, as in a reader's shell."""

    def __init__(self, server, folder):
        self.folder = folder
        binaries = os.path.join(folder, "bin")
        os.mkdir(binaries)
        os.symlink(os.path.abspath(server.binary), os.path.join(binaries, "tacit"))
        self.binaries = binaries
        self.environment = harness.clean_environment(TACIT_DATA_DIR=server.data)
        self.environment["PATH"] = binaries + ":" + self.environment["PATH"]
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            self.environment.pop(name, None)
            self.environment.pop(name.upper(), None)
        with open(os.path.join(folder, ".curlrc"), "w", encoding="utf-8") as curlrc:
            curlrc.write('silent\nshow-error\nwrite-out = "%{stderr}status %{http_code}\\n"\n')
        self.environment["CURL_HOME"] = folder

    def run(self, text):
        script = ("set -aeo pipefail\n[ ! -f .state ] || . ./.state\n" + text +
                  "\nset +aeo pipefail\nexport -p > .state\n")
        return subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=BLOCK_SECONDS_MAX, encoding="utf-8")


@functools.lru_cache
def substituted(document):
    """The sh blocks with {…} left in, by line; fails when a substitute matches nothing."""
    texts = {one.line: one.text for one in blocks(document) if one.kind == "sh"}
    for old, new in SUBSTITUTES[document]:
        matching = [line for line, text in texts.items() if old in text]
        assert len(matching) == 1 and texts[matching[0]].count(old) == 1, (
            "%s: not exactly once in its sh blocks any more: %r" % (document, old))
        texts[matching[0]] = texts[matching[0]].replace(old, new)
    return texts


def needs_other_user(text):
    return "{other}" in text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_answers(document):
    texts = substituted(document)
    failures = []
    with harness.Server(limits_reads_per_minute=120, limits_writes_per_minute=30) as server, \
            tempfile.TemporaryDirectory(prefix="tacit-docs-") as folder:
        shell = Shell(server, folder)
        filled = {"{data}": shlex.quote(server.data), "{bin}": shell.binaries,
                  "{other}": " ".join(harness.as_user(harness.ORDINARY)), BASE: server.url}
        rest = list(blocks(document))
        while rest:
            block = rest.pop(0)
            if block.kind != "sh":
                assert block.kind not in ANSWERS, (
                    "%s:%d: an answer without a command" % (document, block.line))
                continue
            answers = []
            while rest and rest[0].kind in ANSWERS:
                answers.append(rest.pop(0))
            text = texts[block.line]
            if needs_other_user(text) and not harness.ROOT:
                continue
            for name, value in filled.items():
                text = text.replace(name, value)
            done = shell.run(text)
            try:
                assert done.returncode == 0, "exit status %d" % done.returncode
                if answers:
                    statuses = re.findall(r"^status (\d{3})$", done.stderr, re.MULTILINE)
                    compare(answers, done.stdout, statuses)
            except (AssertionError, ValueError) as failure:
                failures.append("%s:%d: %s\n--- printed\n%s--- stderr\n%s" % (
                    document, block.line, failure, done.stdout, done.stderr))
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_shown_are_settings(document, tmp_path):
    for block in blocks(document):
        if block.kind != "toml":
            continue
        file = tmp_path / "shown.toml"
        file.write_text(block.text)
        done = subprocess.run([harness.TACIT, "check", "--config", str(file)], capture_output=True,
                              env=harness.clean_environment(), encoding="utf-8")
        assert done.returncode == 0, (document, block.line, done.stderr)


def anchors(document):
    """As the usual renderers make them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)]+)\)", prose(document)):
        path, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path \
            else document
        assert os.path.exists(os.path.join(REPOSITORY, target)), link
        assert anchor == "" or anchor in anchors(target), link


def test_blocks_are_of_kinds_that_are_checked():
    for document in DOCUMENTS:
        for block in blocks(document):
            assert block.kind in ANSWERS + ("sh", "toml", "ini", ""), (document, block)


# --- Lists that must be complete ---------------------------------------------------------------


def test_error_codes():
    code = error_statuses()
    documented = set(re.findall(r"^\| (\d{3}) \| `([A-Z_]+)` \|", read("docs/api.md"), re.M))
    assert len(code) > 10
    assert documented == code


def test_endpoints():
    rows = re.findall(r"row\{\"([^\"]+)\",\s*method::(\w+),", read("net/route.cpp"))
    assert len(rows) > 10
    verbs = {"get": "GET", "post": "POST", "del": "DELETE", "delete_": "DELETE"}
    routes = {(verbs[verb], path.removeprefix("/api/v1")) for path, verb in rows}
    text = read("docs/api.md")
    headings = {(verb, re.sub(r"\{\w+\}", "*", path))
                for verb, path in re.findall(r"^### `([A-Z]+) (/\S+)`$", text, re.M)}
    health = {(verb, path) for verb, path in routes if path.count("/") == 1 and path.endswith("z")}
    assert headings == routes - health
    for _, path in health:
        assert "`GET %s`" % path in text


def known_settings():
    """Name to default, as conf/tacit.toml has them; the members of delivery.allow have none."""
    found, group = {}, ""
    for line in read("conf/tacit.toml").splitlines():
        table = re.fullmatch(r"\[(\w+)\]", line)
        setting = re.fullmatch(r"#(\w+) = (.+)", line)
        if table:
            group = table.group(1) + "."
        elif setting:
            found[group + setting.group(1)] = setting.group(2)
    assert len(found) > 15
    return found


CLIENT_VARIABLES = {"TACIT_URL", "TACIT_TOKEN", "TACIT_CONFIG", "TACIT_CA_FILE",
                    "TACIT_CLIENT_CERTIFICATE", "TACIT_CLIENT_KEY"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_named_exist(document):
    settings, text = known_settings(), prose(document)
    groups = {name.split(".")[0] for name in settings if "." in name}
    for name in re.findall(r"\b((?:%s)\.(?!md\b)[a-z_]+)\b" % "|".join(groups), text):
        assert name in settings or name == "delivery.allow", name
    for name in re.findall(r"`([a-z]+_[a-z_]+)`", text):
        assert name in settings, name
    variables = {"TACIT_" + name.upper().replace(".", "_") for name in settings}
    for name in re.findall(r"\bTACIT_[A-Z_]+\b", text):
        assert name in variables | CLIENT_VARIABLES or name == "TACIT_", name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_defaults_stated_are_defaults(document):
    settings, text = known_settings(), read(document)
    stated = re.findall(r"`([a-z]+\.[a-z_]+)` \((\d+)\b", text)
    stated += [(name, number) for number, name in re.findall(
        r"^\| [^|]+ \| (\d+)[^|]*\|[^|]*\| `(limits\.\w+)`", text, re.M)]
    for name, number in stated:
        assert settings[name] == number, (name, number)


def help_of(*command):
    done = subprocess.run([harness.TACIT, *command, "--help"], capture_output=True,
                          env=harness.clean_environment(), encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def subcommands(*group):
    _, _, listed = help_of(*group).partition("\nSubcommands:\n")
    names = re.findall(r"^  (\w[\w-]*)  ", listed.partition("\n\n")[0], re.M)
    return [found for name in names for found in (subcommands(*group, name) or [(*group, name)])]


def test_commands_and_options():
    sections = dict(re.findall(r"^## `tacit ([\w -]+)`\n(.*?)(?=^## |\Z)", read("docs/cli.md"),
                               re.M | re.S))
    commands = subcommands()
    assert len(commands) > 10
    assert set(sections) == {" ".join(one) for one in commands}
    for command in commands:
        options = set(re.findall(r"^  (--[a-z-]+)", help_of(*command), re.M))
        named = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", sections[" ".join(command)]))
        assert options <= named, (command, options - named)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_named_exist(document):
    commands = set(subcommands())
    groups = {one[0] for one in commands if len(one) == 2}
    for first, rest in re.findall(r"`tacit (\w+)(?: ([a-z\\|]+)\b)?", prose(document)):
        if first in groups and rest:
            assert {(first, one) for one in rest.split("\\|")} <= commands, (first, rest)
        else:
            assert first in groups | {"help", "COMMAND"} or (first,) in commands, first


def test_withheld_names():
    source = read("core/delivery_policy.cpp")
    exact = re.search(r"withheld_names\{(.*?)\};", source, re.S).group(1)
    prefixes = re.search(r"withheld_prefixes\{(.*?)\};", source, re.S).group(1)
    names = set(re.findall(r'"(\w+)"', exact))
    names |= {prefix + "*" for prefix in re.findall(r'"(\w+)"', prefixes)}
    section = read("docs/delivery.md").partition("### Withheld names")[2].partition("\n\n`")[2]
    assert set(re.findall(r"`([A-Z][A-Z0-9_]*\*?|_[A-Z_]+)`",
                          "`" + section.partition("\n\n")[0])) == names
