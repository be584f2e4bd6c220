"""`tacit env --format …` is read back by the programs that the formats are for: equal bytes, or a
clear refusal and nothing written."""
import json
import os
import random
import re
import subprocess
import sys
import time

import pytest
from harness import ROOT, Server, clean_environment
from podman import Podman

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NPM = os.path.join(REPOSITORY, "build", "npm", "node_modules")
FORMATS = ["json", "null", "shell", "dotenv", "docker", "podman", "systemd"]
LOSSLESS = {"json", "null", "shell"}
VALUE_CHARS_MAX = 4096


# --- The readers: a file's path to the names and values that the program gets of it --------

def run(command, **more):
    done = subprocess.run(command, capture_output=True, env=clean_environment(**more))
    assert done.returncode == 0, (command, done.stderr[-2000:])
    return done.stdout


def pairs(null_separated):
    """What env -0 prints, as far as it is of ours."""
    found = dict(one.split(b"=", 1) for one in null_separated.split(b"\0") if one)
    return {name.decode(): value for name, value in found.items() if name.startswith(b"V")}


def with_json(file):
    with open(file, encoding="utf-8") as opened:
        return {name: value.encode() for name, value in json.load(opened).items()}


def with_node_json(file):
    return from_node("JSON.parse(require('fs').readFileSync(process.argv[1], 'utf8'))", file)


def with_xargs(file):
    return pairs(run(["xargs", "-0", "-a", file, "env", "-i", "env", "-0"]))


def sourced_by(shell):
    def read(file):
        return pairs(run(["env", "-i", shell, "-c", 'set -a; . "$1"; exec /usr/bin/env -0',
                          shell, file]))
    read.__name__ = "sourced_by_" + shell
    return read


def evaluated_by_sh(file):
    script = 'values=$(cat "$1") && eval "$values" && exec env -0'
    return pairs(run(["sh", "-c", script, "sh", file]))


def from_node(expression, file):
    script = ("const v = %s; for (const k of Object.keys(v)) "
              "process.stdout.write(k + '=' + v[k] + '\\0')" % expression)
    return pairs(run(["node", "-e", script, file], NODE_PATH=NPM))


def with_npm_dotenv(file):
    if not os.path.isdir(os.path.join(NPM, "dotenv")):
        pytest.skip("./dev test installs the npm package dotenv, when npm answers")
    return from_node("require('dotenv').config({path: process.argv[1], processEnv: {}}).parsed",
                     file)


def with_python_dotenv(file):
    """As it comes: with interpolation."""
    script = ("import sys, dotenv\nfor k, v in dotenv.dotenv_values(sys.argv[1]).items():\n"
              "    sys.stdout.buffer.write(k.encode() + b'=' + v.encode() + b'\\0')")
    return pairs(run(["/usr/bin/python3", "-c", script, file], X="interpolated", A="interpolated"))


def with_docker_grammar(file):
    """docker/cli, pkg/kvfile/kvfile.go: parseKeyValueFile over bufio.ScanLines."""
    found = {}
    with open(file, "rb") as opened:
        text = opened.read()
    lines = text.split(b"\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == b"" else lines):
        assert len(line) < 64 * 1024  # bufio.MaxScanTokenSize
        line = line[:-1] if line.endswith(b"\r") else line
        line.decode()  # not UTF-8: it refuses the file
        if number == 0 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        line = line.decode().lstrip().encode()
        if line == b"" or line.startswith(b"#"):
            continue
        name, separator, value = line.partition(b"=")
        assert name and not set(b" \t") & set(name)
        if separator:
            found[name.decode()] = value
    return found


def with_podman(file):
    with Podman() as podman:
        listed = podman.environment_of(podman.create("--env-file", file))
    return {one.split("=", 1)[0]: one.split("=", 1)[1].encode()
            for one in listed if re.match(r"V\d+=", one)}


# What systemd makes of the file is tried under a systemd; a POSIX shell reads the same.
READERS = [("json", with_json), ("json", with_node_json), ("null", with_xargs),
           ("shell", sourced_by("dash")), ("shell", sourced_by("bash")),
           ("shell", evaluated_by_sh), ("dotenv", with_npm_dotenv),
           ("dotenv", with_python_dotenv), ("docker", with_docker_grammar),
           pytest.param("podman", with_podman, marks=pytest.mark.skipif(
               not ROOT, reason="podman needs more set up for other users")),
           ("systemd", sourced_by("dash")),
           ("systemd", sourced_by("bash"))]


# --- The values --------------------------------------------------------------------------------

PEM = "-----BEGIN KEY-----\nMIIB+/=\nq2k9\n-----END KEY-----\n"
GOOGLE = '{\n  "type": "service_account",\n  "private_key": "-----BEGIN\\nMII=\\n"\n}\n'
# What every format must hold: what people have.
EVERYWHERE = ["x", "s3cret-passw0rd", "a b", " both ends ", "it's", '"quoted"', "#no comment",
              "a # b", "a=b=c", "=", "$", "a$b", "$HOME", "pa$$word", "!", "a`b`", "\\d+\\.\\w",
              "~", "*", "a;b|c&d", "é€😀", "\t", "postgres://u:p%40@h:5432/d?a=b&c=d#e",
              "%s%d", "\x7f", "\x01", "\x1b[31m", "{\"a\": [1, \"b\"]}", "export A=1", "'", '"',
              "\u00a0nbsp\u00a0", "\ufeffbom", "\u2028line separator\u2029", "\x85next line",
              "x" * VALUE_CHARS_MAX, "€" * VALUE_CHARS_MAX, "😀" * VALUE_CHARS_MAX]
# What dotenv must hold beside them, and the two of one line a value may refuse.
MULTILINE = ["\n", "a\nb", PEM, PEM * 80, GOOGLE, "a\r\nb\r\n", "\r", "a\rb", "\n\n", "'\n'",
             "#\n#", " \n ", "A=1\nB=2\n"]
NASTY = ["'\"", "'\"\n", "\\", "\\\\", "a\\", "\\'", "\\\"", "\\n", "\\\\n", "\n\\n", "${X}",
         "${X:-y}", "$(id)", "`id`", "\\$X", "'$X", "it's \\", "'\"#", "'\" ", " '\"", "`'\"",
         "\ufffe", "\uffff", "\ufdd0", "\U0001ffff", "\r'", "\r\"", "\r\\", "\r\n'\"", "'''",
         "\"\"\"", "'\\''", "a'b\"c`d", "{\"a\":\"it's\"}", "\u2028'b'\"", "x\u2028\"'", "\x00"[1:]]


def every_byte():
    """Each byte alone, between letters, at the start and at the end, and all of them in a row."""
    found = []
    for byte in range(1, 128):
        found += [chr(byte), "a%cb" % byte, "%cb" % byte, "a%c" % byte, "%c%c" % (byte, byte)]
    return found + ["".join(map(chr, range(1, 128)))]


def random_values(seed, count):
    chance = random.Random(seed)
    alphabet = ["'", '"', "\\", "$", "`", "\n", "\r", "\r\n", " ", "\t", "#", "=", "{", "}", "n",
                "r", "a", "X", "${", "(", ")", "é", "\u2028", "\x01", "\x7f", ";", "\\n", "''", "%"]
    return ["".join(chance.choice(alphabet) for _ in range(chance.randint(1, 12)))
            for _ in range(count)]


def named(values):
    return {"V%d" % i: value for i, value in enumerate(values) if value}


# --- Asking ------------------------------------------------------------------------------------

@pytest.fixture(scope="module", name="server")
def fixture_server():
    with Server(limits_secrets_per_project=5000) as server:
        yield server


class Project:
    def __init__(self, server, values):
        self.server, self.values = server, values
        self.id = server.make_project("p%d" % time.monotonic_ns())
        for name, value in values.items():
            server.put(self.id, name, value)

    def env(self, fmt):
        return self.server.cli("env", "--project", self.id, "--format", fmt)

    def without(self, names):
        """The same, but these; as a project of its own."""
        return Project(self.server, {k: v for k, v in self.values.items() if k not in names})


def refusals(done):
    """The names that are refused, by stderr; nothing was written."""
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    line = done.stderr.decode()
    assert line.startswith("tacit: nothing is written, as this format cannot hold: "), line
    assert line.count("\n") == 1
    return set(re.findall(r"\b(V\d+) (?:holds|ends)", line))


def written(project, fmt, folder):
    """The file, and the values that it must hold: those that were not refused."""
    done = project.env(fmt)
    if done.returncode != 0:
        refused = refusals(done)
        assert refused and refused < set(project.values)
        project = project.without(refused)
        done = project.env(fmt)
    assert done.returncode == 0, done.stderr
    file = os.path.join(folder, "written." + fmt)
    with open(file, "wb") as opened:
        opened.write(done.stdout)
    return file, {name: value.encode() for name, value in project.values.items()}


def compare(got, expected, note=""):
    """Names alone are shown: the texts are long."""
    wrong = sorted(n for n in set(got) | set(expected) if got.get(n) != expected.get(n))
    shown = [(n, expected.get(n, b"")[:60], got.get(n, b"")[:60]) for n in wrong[:5]]
    assert not wrong, "%s %d of %d differ: %r" % (note, len(wrong), len(expected), shown)


def ids(reader):
    return getattr(reader, "__name__", str(reader))


# --- The tests ---------------------------------------------------------------------------------

@pytest.fixture(scope="module", name="usual")
def fixture_usual(server):
    return Project(server, named(EVERYWHERE))


@pytest.fixture(scope="module", name="bytes_project")
def fixture_bytes_project(server):
    return Project(server, named(every_byte()))


@pytest.fixture(scope="module", name="nasty")
def fixture_nasty(server):
    return Project(server, named(NASTY + MULTILINE))


@pytest.mark.parametrize("fmt, read", READERS, ids=ids)
def test_what_people_have_comes_back_in_every_format(usual, tmp_path, fmt, read):
    done = usual.env(fmt)
    assert done.returncode == 0, done.stderr  # none is refused
    file, expected = written(usual, fmt, tmp_path)
    assert len(expected) == len(EVERYWHERE)
    compare(read(file), expected)


@pytest.mark.parametrize("fmt, read", READERS, ids=ids)
def test_every_byte_comes_back_or_is_refused(bytes_project, tmp_path, fmt, read):
    file, expected = written(bytes_project, fmt, tmp_path)
    compare(read(file), expected)
    missing = {bytes_project.values[n] for n in set(bytes_project.values) - set(expected)}
    allowed = {"json": "", "null": "", "shell": "", "systemd": "", "docker": "\n\r",
               "podman": "\n\r", "dotenv": "\\"}[fmt]
    assert all(set(value) & set(allowed) for value in missing), missing


@pytest.mark.parametrize("fmt, read", READERS, ids=ids)
def test_the_nasty_ones_come_back_or_are_refused(nasty, tmp_path, fmt, read):
    file, expected = written(nasty, fmt, tmp_path)
    compare(read(file), expected)
    if fmt in LOSSLESS:
        assert len(expected) == len(nasty.values)
    if fmt in ("dotenv", "systemd"):
        assert {one.encode() for one in MULTILINE} <= set(expected.values())
    if fmt == "systemd":
        assert len(nasty.values) - len(expected) == 4  # what is no character


@pytest.fixture(scope="module", name="seeded")
def fixture_seeded(server):
    seed = int(os.environ.get("TACIT_FORMATS_SEED", time.time_ns() % 1_000_000))
    print("TACIT_FORMATS_SEED=%d" % seed, file=sys.stderr)
    return seed, Project(server, named(random_values(seed, 600)))


@pytest.mark.parametrize("fmt, read", READERS, ids=ids)
def test_random_ones_come_back_or_are_refused(seeded, tmp_path, fmt, read):
    seed, project = seeded
    file, expected = written(project, fmt, tmp_path)
    compare(read(file), expected, "TACIT_FORMATS_SEED=%d" % seed)
    assert len(expected) > len(project.values) / 10


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_empty_project(server, fmt):
    done = Project(server, {}).env(fmt)
    assert (done.returncode, done.stdout) == (0, b"{}\n" if fmt == "json" else b""), done


@pytest.mark.parametrize("fmt, value, reason", [
    ("docker", "a\nb", "holds a newline"), ("podman", "a\r", "ends with a carriage return"),
    ("dotenv", "${X}", "holds ${"), ("dotenv", "\r\\", "holds a carriage return beside"),
    ("dotenv", "'\"\n", "holds quotes or backslashes"),
    ("systemd", "\ufffe", "holds what systemd")])
def test_a_refusal_names_the_secret_and_the_reason_and_no_value(server, fmt, value, reason):
    project = Project(server, {"GOOD": "fine-value", "BAD": "hidden-part" + value})
    done = project.env(fmt)
    assert (done.returncode, done.stdout) == (1, b"")
    said = done.stderr.decode()
    assert "BAD " + reason in said and "GOOD" not in said and "json" in said, said
    assert "fine-value" not in said and "hidden-part" not in said


def test_two_refusals_are_told_at_once(server):
    done = Project(server, {"V1": "a\nb", "V2": "x", "V3": "\n"}).env("docker")
    assert refusals(done) == {"V1", "V3"}


# --- One secret, alone ---------------------------------------------------------------------------

def chosen(server, project, fmt, *keys):
    flags = [word for key in keys for word in ("--key", key)]
    return server.cli("env", "--project", project.id, "--format", fmt, *flags)


def test_raw_is_the_value_and_nothing_else(server):
    project = Project(server, named(NASTY + MULTILINE))
    for name, value in project.values.items():
        done = chosen(server, project, "raw", name)
        assert (done.returncode, done.stdout, done.stderr) == (0, value.encode(), b""), name


def test_only_the_secrets_that_are_named(server):
    project = Project(server, {"A": "1", "B": "two\nlines", "C": "3", "NODE_OPTIONS": "--x"})
    for keys in (["C", "A"], ["A", "C", "A"]):  # each once, and what is not named refuses nothing
        done = chosen(server, project, "docker", *keys)
        assert (done.returncode, done.stdout) == (0, b"A=1\nC=3\n"), done.stderr
    for missing in ("D", "AA", "NODE_OPTIONS", "PATH", "HOME"):
        done = chosen(server, project, "docker", "A", missing)
        assert (done.returncode, done.stdout) == (1, b""), done
        assert "has no secret %s that is delivered" % missing in done.stderr.decode()
    for fmt, keys in (("raw", []), ("raw", ["A", "B"]), ("json", ["a"]), ("json", ["A=B"])):
        done = chosen(server, project, fmt, *keys)
        assert (done.returncode, done.stdout) == (2, b""), done
