"""tacit under a real systemd: what LoadCredential= gives, and who is let in by its unit.

Not part of ./dev test: ./dev systemd makes the root file system and runs this.
"""
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import time

import pytest

import machine as machines

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from pki import Authority  # noqa: E402  pylint: disable=wrong-import-position

TACIT = os.environ.get("TACIT_BIN", "build/release/tacit")
VALUE = "canary-value \"quoted\" $HOME ${HOME} %h `id` \\ 'x'\t# tail "
ASCII = "".join(map(chr, range(1, 128)))
TEXTS = ["plain", " around ", "#comment", "a=b", "'single'", "\\", "a\\\nb", "line\nline\n",
         "\r\n", "\u00fc\u20ac\U0001f511", "$(id) `id` $A ${A}", '"', "%n %%", "\\n\\x41\\101",
         "\x1b[0m", "\ufffd\ue000\U0010fffd"]
NONCHARACTERS = ["\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"]
LONGEST_UNIT = "u" * (83 - len(".service") - len("env")) + ".service"
SETTINGS = """
[limits]
secrets_per_project = 1000

[[delivery.allow]]
project = "bot"
unit = "bot.service"

[[delivery.allow]]
project = "bot"
unit = "bot@one.service"

[[delivery.allow]]
project = "bot"
unit = "%s"

[[delivery.allow]]
project = "bot"
unit = "refused.service"
uid = "bot"

[[delivery.allow]]
project = "texts"
unit = "texts.service"

[[delivery.allow]]
project = "empty"
unit = "empty.service"

[[delivery.allow]]
project = "large"
unit = "large.service"

[[delivery.allow]]
project = "shop"
unit = "shop.service"

[[delivery.allow]]
project = "short"
unit = "short.service"

[[delivery.allow]]
project = "odd"
unit = "odd.service"

[[delivery.allow]]
project = "bot"
unit = "granted.service"

[[delivery.allow]]
project = "bot"
unit = "granted-by-both.service"
uid = "bot"
""" % LONGEST_UNIT
TACIT_UNIT = """
[Service]
ExecStart=/usr/bin/tacit serve
StateDirectory=tacit
RuntimeDirectory=tacit
User=%s
"""
SOCKET = "/run/tacit/credentials.sock"
KERNEL = tuple(map(int, platform.release().split(".")[:2]))
by_unit = pytest.mark.skipif(KERNEL < (6, 5), reason="only Linux 6.5 tells a peer's unit")
EXIT_CREDENTIALS = 243  # systemd.exec(5), "Process Exit Codes"


class Tacit(machines.Machine):
    """A machine with tacit serving, the users bot and other, and these projects."""

    def __init__(self, user="root"):
        super().__init__()
        self.user = user

    def boot(self):
        super().boot()
        with open(TACIT, "rb") as binary:
            self.write("/usr/bin/tacit", binary.read(), "0755")
        for user in ("tacit", "bot", "other", "shop"):
            self.run("useradd", "--system", user)
        self.write("/etc/tacit/tacit.toml", SETTINGS)
        self.write("/etc/systemd/system/tacit.service", TACIT_UNIT % self.user)
        self.run("systemctl", "start", "tacit")
        wait_until(lambda: "serving" in self.events())
        for project in ("bot", "texts", "empty", "large", "odd"):
            self.tacit("project", "create", project, "--id", project)
        self.put("bot", "DATABASE_URL", VALUE)
        self.put("bot", "ONE", "1")
        self.put("bot", "K" * 64, "of the longest name")
        self.put("bot", "LD_PRELOAD", "/canary.so")

    def tacit(self, *arguments, stdin=None):
        return self.run("/usr/bin/tacit", *arguments, stdin=stdin)

    def put(self, project, key, value):
        self.tacit("secret", "set", key, "--project", project, stdin=value.encode())

    def log(self):
        text = self.run("journalctl", "-u", "tacit", "-o", "cat", "--no-pager").stdout.decode()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def events(self):
        return [line["event"] for line in self.log()]

    def last_refusal(self):
        return [one["refused"] for one in self.log() if "refused" in one][-1]

    def start(self, unit, lines, user="bot"):
        """Runs a oneshot service to its end: (ActiveState, Result, ExecMainStatus, its output)."""
        self.write("/etc/systemd/system/" + unit, "[Service]\nType=oneshot\nUser=%s\n"
                   "RemainAfterExit=yes\nStandardOutput=file:/run/output\n"
                   "StandardError=journal\n%s\n" % (user, lines))
        self.run("rm", "-f", "/run/output")
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed", unit, check=False)
        self.run("systemctl", "start", unit, check=False)
        shown = self.run("systemctl", "show", unit, "--property=ActiveState,Result,ExecMainStatus")
        became = dict(line.split("=") for line in shown.stdout.decode().split())
        output = self.run("cat", "/run/output", check=False).stdout
        self.run("systemctl", "stop", unit, check=False)
        return became["ActiveState"], became["Result"], int(became["ExecMainStatus"]), output


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture(scope="module", params=["root", "tacit"], ids=["by-root", "by-tacit"])
def machine(request):
    machines.make_root()
    with Tacit(request.param) as one:
        yield one


def credential(key, *more):
    return "\n".join(("LoadCredential=%s:%s" % (key, SOCKET),) + more)


SHOW = "ExecStart=/bin/sh -c 'cat $${CREDENTIALS_DIRECTORY}/%s'"
NOT_EMPTY = "ExecStartPre=/usr/bin/test -s ${CREDENTIALS_DIRECTORY}/%s"
COMPLETE = "ExecStartPre=/usr/bin/grep -qx '# complete' ${CREDENTIALS_DIRECTORY}/env"
EXITED = ("active", "success", 0)


# --- LoadCredential= ---

def test_a_value_byte_for_byte(machine):
    for unit in ("bot.service", "bot@one.service"):
        *state, output = machine.start(unit, credential("DATABASE_URL", SHOW % "DATABASE_URL"))
        assert tuple(state) == EXITED and output == VALUE.encode()


def test_the_check_before_the_start_lets_a_value_pass(machine):
    *state, output = machine.start(
        "bot.service", credential("ONE", NOT_EMPTY % "ONE", SHOW % "ONE"))
    assert tuple(state) == EXITED and output == b"1"


@pytest.mark.parametrize("unit, key, why", [
    ("unbound.service", "ONE", "no [[delivery.allow]] entry"),
    ("refused.service", "ONE", "without uid and gid"),
    ("bot.service", "TWO", "no such secret"),
    ("bot.service", "LD_PRELOAD", "withheld"),
    ("bot.service", "lower", "neither a secret's name nor env"),
    ("unbound.service", "env", "no [[delivery.allow]] entry"),
])
def test_a_refusal_is_an_empty_file_and_the_check_fails_closed(machine, unit, key, why):
    *state, output = machine.start(unit, credential(
        key, "ExecStart=/bin/sh -c 'test -e $${CREDENTIALS_DIRECTORY}/%s; "
        "wc -c <$${CREDENTIALS_DIRECTORY}/%s'" % (key, key)))
    assert tuple(state) == EXITED and output == b"0\n"
    assert why in machine.last_refusal()
    check = COMPLETE if key == "env" else NOT_EMPTY % key
    *state, output = machine.start(unit, credential(key, check, "ExecStart=/bin/echo started"))
    assert tuple(state[:2]) == ("failed", "exit-code") and output == b""


# systemd 252 loads credentials anew for every command of a start: what a check saw may be gone at
# the next. These remove it in between.

def test_a_check_in_the_command_itself_has_no_gap(machine):
    machine.put("bot", "SHORT_LIVED", "1")
    *state, output = machine.start("bot.service", credential(
        "SHORT_LIVED", NOT_EMPTY % "SHORT_LIVED",
        "ExecStartPre=+/usr/bin/tacit secret rm SHORT_LIVED --project bot",
        "ExecStart=/bin/sh -c 'test -s $${CREDENTIALS_DIRECTORY}/SHORT_LIVED && "
        "exec /bin/echo started'"))
    assert tuple(state) == ("failed", "exit-code", 1) and b"started" not in output


def test_an_environment_file_that_was_checked_last_has_no_gap(machine):
    machine.tacit("project", "create", "short", "--id", "short")
    machine.put("short", "A", "1")
    *state, output = machine.start("short.service", credential(
        "env", "ExecStartPre=+/bin/sh -ec 'grep -qx \"# complete\" ${CREDENTIALS_DIRECTORY}/env; "
        "/usr/bin/tacit project delete short'", "EnvironmentFile=-%d/env",
        "ExecStart=/usr/bin/env -0"))
    assert tuple(state) == EXITED and environment(output)[b"A"] == b"1"
    assert machine.last_refusal() == "there is no such project"


def test_no_server_is_no_start(machine):
    machine.run("systemctl", "stop", "tacit")
    try:
        *state, output = machine.start(
            "bot.service", credential("ONE", "ExecStart=/bin/echo started"))
        assert tuple(state) == ("failed", "exit-code", EXIT_CREDENTIALS) and output == b""
    finally:
        machine.run("systemctl", "start", "tacit")
    wait_until(lambda: machine.start("bot.service", credential("ONE", SHOW % "ONE"))[3] == b"1")


def test_a_socket_that_nobody_serves_is_no_start(machine):
    machine.run("systemctl", "kill", "--kill-whom=all", "-s", "KILL", "tacit")
    wait_until(lambda: machine.run("systemctl", "is-active", "tacit",
                                   check=False).stdout.strip() == b"failed")
    try:
        *state, output = machine.start(
            "bot.service", credential("ONE", "ExecStart=/bin/echo started"))
        assert tuple(state) == ("failed", "exit-code", EXIT_CREDENTIALS) and output == b""
    finally:
        machine.run("systemctl", "start", "tacit")
    wait_until(lambda: machine.start("bot.service", credential("ONE", SHOW % "ONE"))[3] == b"1")


def test_unit_and_id_of_83_characters_and_of_84(machine):
    *state, output = machine.start(LONGEST_UNIT, credential("env", SHOW % "env"))
    assert tuple(state) == EXITED and output.endswith(b"# complete\n")
    # systemd gives up, but for one random number in 16, a shorter one; then the keeper does.
    *state, output = machine.start(LONGEST_UNIT, credential(
        "ONEX", NOT_EMPTY % "ONEX", "ExecStart=/bin/echo started"))
    assert tuple(state[:2]) == ("failed", "exit-code") and output == b""


def test_a_new_value_is_there_at_the_next_start(machine):
    for value in ("first", "second"):
        machine.put("bot", "CHANGED", value)
        assert machine.start("bot.service", credential("CHANGED", SHOW % "CHANGED"))[3] == (
            value.encode())


# --- env ---

FROM_FILE = "\n".join((COMPLETE, "EnvironmentFile=-%d/env", "ExecStart=/usr/bin/env -0"))


def environment(output):
    return dict(one.split(b"=", 1) for one in output.split(b"\0") if one)


def test_the_whole_set_as_environment_file(machine):
    *state, output = machine.start("bot.service", credential("env", FROM_FILE))
    assert tuple(state) == EXITED
    got = environment(output)
    assert got[b"DATABASE_URL"] == VALUE.encode() and got[b"ONE"] == b"1"
    assert b"LD_PRELOAD" not in got


def test_every_text_comes_back_from_an_environment_file(machine):
    texts = [ASCII, *TEXTS, *("a%sb" % c for c in ASCII)]
    texts += ["%s%s" % pair for pair in itertools.product("\"'\\`$\n\r\t #", repeat=2)]
    for i, text in enumerate(texts):
        machine.put("texts", "T%d" % i, text)
    *state, output = machine.start("texts.service", credential("env", FROM_FILE))
    assert tuple(state) == EXITED
    got = environment(output)
    for i, text in enumerate(texts):
        assert got[b"T%d" % i] == text.encode(), repr(text)


def test_what_systemd_does_not_take_is_refused_and_nothing_less(machine):
    """Given such a value by hand, systemd throws the whole file away: so it is refused."""
    for character in NONCHARACTERS:
        machine.put("odd", "A", "a%sb" % character)
        *state, output = machine.start("odd.service", credential("env", FROM_FILE))
        assert state[0] == "failed" and output == b""
        assert "systemd takes for invalid" in machine.last_refusal()
        machine.write("/run/by-hand", 'A="a%sb"\nB="1"\n' % character)
        *state, output = machine.start(
            "odd.service", "EnvironmentFile=-/run/by-hand\nExecStart=/usr/bin/env -0")
        assert b"A" not in environment(output) and b"B" not in environment(output)


def test_an_empty_project_is_complete(machine):
    *state, output = machine.start("empty.service", credential("env", FROM_FILE))
    assert tuple(state) == EXITED and b"DATABASE_URL" not in output


def test_more_than_systemd_takes_is_no_start(machine):
    for i in range(66):
        machine.put("large", "K%d" % i, "\U0001f511" * 4096)
    *state, output = machine.start(
        "large.service", credential("env", "ExecStart=/bin/echo started"))
    assert tuple(state) == ("failed", "exit-code", EXIT_CREDENTIALS) and output == b""
    *state, output = machine.start("large.service", credential("K0", SHOW % "K0"))
    assert tuple(state) == EXITED and output == ("\U0001f511" * 4096).encode()


# --- what docs/delivery.md shows ---

def documented_units():
    with open(os.path.join(machines.HERE, "..", "..", "docs", "delivery.md")) as document:
        return re.findall(r"^```ini\n# (\S+)\n(.*?)^```$", document.read(), re.M | re.S)


def test_there_are_documented_units():
    assert [name for name, _ in documented_units()] == ["shop.service"] * 3


@pytest.mark.parametrize("name, text", documented_units(), ids=range(len(documented_units())))
def test_documented_units_start_with_the_value_and_not_without(machine, name, text):
    machine.write("/usr/bin/shop", "#!/bin/sh\n"
                  "{ env -0; cat $CREDENTIALS_DIRECTORY/*; } >/tmp/shop\n", "0755")
    machine.write("/etc/systemd/system/" + name, text)
    machine.run("systemctl", "daemon-reload")
    machine.tacit("project", "create", "Shop", "--id", "shop")
    machine.put("shop", "DB_PASSWORD", "s3cret-passw0rd")

    def start():
        machine.run("rm", "-f", "/tmp/shop")
        machine.run("systemctl", "reset-failed", name, check=False)
        machine.run("systemctl", "start", name, check=False)
        states = (b"inactive", b"failed")
        wait_until(lambda: machine.run("systemctl", "is-active", name,
                                       check=False).stdout.strip() in states)
        return machine.run("cat", "/tmp/shop", check=False).stdout
    variables, _, files = start().rpartition(b"\0")
    if "EnvironmentFile" in text:
        assert environment(variables)[b"DB_PASSWORD"] == b"s3cret-passw0rd"
        assert files == b'DB_PASSWORD="s3cret-passw0rd"\n# complete\n'
    else:
        assert b"s3cret" not in variables and files == b"s3cret-passw0rd"
    machine.tacit("project", "delete", "shop")
    assert start() == b"" and machine.last_refusal() == "there is no such project"


# --- by unit, on keeper.sock ---

RUN = "ExecStart=/usr/bin/tacit run --run-dir /run/tacit --project bot -- /usr/bin/env -0"


@by_unit
def test_a_unit_that_is_named_is_let_in_as_its_own_user(machine):
    *state, output = machine.start("granted.service", RUN)
    assert tuple(state) == EXITED
    assert environment(output)[b"DATABASE_URL"] == VALUE.encode()
    *state, output = machine.start("granted-by-both.service", RUN)
    assert tuple(state) == EXITED and environment(output)[b"ONE"] == b"1"


@by_unit
def test_a_unit_of_a_dynamic_user_is_let_in(machine):
    *state, output = machine.start("granted.service", RUN + "\nDynamicUser=yes", user="dynamic")
    assert tuple(state) == EXITED and environment(output)[b"ONE"] == b"1"


@pytest.mark.parametrize("unit, user", [
    ("another.service", "bot"), ("granted.service.service", "bot"), ("xgranted.service", "bot"),
    ("granted-by-both.service", "other")])
def test_another_unit_or_user_is_refused(machine, unit, user):
    *state, output = machine.start(unit, RUN, user=user)
    assert tuple(state) == ("failed", "exit-code", 1) and output == b""


@by_unit
def test_a_unit_cannot_pass_for_another_by_a_cgroup_of_its_own(machine):
    """With Delegate= a service may make cgroups below its own, of any name."""
    imitate = ("Delegate=yes\nExecStart=/bin/sh -ec '"
               "own=/sys/fs/cgroup$$(sed -n s/^0:://p /proc/self/cgroup); "
               "mkdir -p \"$$own/%s\"; echo $$$$ >\"$$own/%s/cgroup.procs\"; "
               "exec /usr/bin/tacit run --run-dir /run/tacit --project bot -- /usr/bin/env -0'")
    for below in ("granted.service", "system.slice/granted.service"):
        *state, output = machine.start("another.service", imitate % (below, below))
        assert tuple(state) == ("failed", "exit-code", 1) and output == b""
    # It is let in where it is let in, so the attempt above did get that far.
    *state, output = machine.start("granted.service", imitate % (("another.service",) * 2))
    assert tuple(state) == EXITED and environment(output)[b"ONE"] == b"1"


def test_a_process_beside_all_units_is_refused(machine):
    done = machine.run("setpriv", "--reuid", "bot", "--regid", "bot", "--clear-groups", "tacit",
                       "run", "--run-dir", "/run/tacit", "--project", "bot", "--", "env",
                       check=False)
    assert done.returncode == 1 and done.stderr.startswith(b"tacit: refused")


def test_the_log_has_no_value_and_no_name_of_a_secret(machine):
    log = json.dumps(machine.log())
    assert "canary" not in log and "DATABASE_URL" not in log and "K" * 64 not in log


# --- systemctl reload ---

OVER_TLS = """
[Service]
ExecStart=
ExecStart=/usr/bin/tacit serve
StateDirectory=
StateDirectory=tacit-tls
RuntimeDirectory=
RuntimeDirectory=tacit-tls
Environment=TACIT_LISTEN=127.0.0.1:9443
Environment=TACIT_TLS_CERTIFICATE=/etc/tacit-tls/cert.pem TACIT_TLS_KEY=/etc/tacit-tls/key.pem
"""


def subject(machine):
    """Whose certificate the server shows."""
    done = subprocess.run(
        ["nsenter", "--target", str(machine.leader), "--net", "--", "openssl", "s_client",
         "-connect", "127.0.0.1:9443"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    found = re.search(rb"subject=.*CN *= *([a-z-]+)", done.stdout)
    return found.group(1).decode() if found else None


def test_a_reload_serves_the_new_pair_and_refuses_a_bad_one(machine, tmp_path):
    """With the unit file that is shipped."""
    authority = Authority(str(tmp_path))

    def put(certificate, key):
        machine.write("/etc/tacit-tls/cert.pem", certificate)
        machine.write("/etc/tacit-tls/key.pem", key, "0600")
        machine.run("chown", "tacit", "/etc/tacit-tls/key.pem")

    def reload():
        before = main_pid()
        machine.run("systemctl", "reload", "tacit-tls")
        assert main_pid() == before

    def main_pid():
        shown = machine.run("systemctl", "show", "tacit-tls", "--property=MainPID,ActiveState")
        assert b"ActiveState=active" in shown.stdout
        return re.search(rb"MainPID=([1-9]\d*)", shown.stdout).group(1)

    with open(os.path.join(HERE, "..", "..", "conf", "tacit.service")) as unit:
        machine.write("/etc/systemd/system/tacit-tls.service", unit.read())
    machine.write("/etc/systemd/system/tacit-tls.service.d/test.conf", OVER_TLS)
    put(*authority.issue("server").read())
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "tacit-tls")
    try:
        assert subject(machine) == "server"
        put(*authority.issue("renewed").read())
        reload()
        wait_until(lambda: subject(machine) == "renewed")
        put(b"junk", b"junk")
        reload()
        journal = ("journalctl", "-u", "tacit-tls", "-o", "cat", "--no-pager")
        wait_until(lambda: b"the certificate stays as it was" in machine.run(*journal).stdout)
        assert subject(machine) == "renewed"
    finally:
        machine.run("systemctl", "stop", "tacit-tls")
