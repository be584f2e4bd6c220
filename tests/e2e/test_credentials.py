"""credentials.sock, asked as systemd asks it: who gets what, and that nothing is sent otherwise."""
import contextlib
import json
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from harness import ROOT, Server, is_alive, wait_until

pytestmark = pytest.mark.skipif(not ROOT, reason="systemd asks as root")
STRANGER = "12345"
LARGE = 20  # secrets of 16 KiB: no socket's buffer holds them
LONGEST_KEY = "K" * 64
LONG_UNIT = "u" * (83 - 64 - len(".service")) + ".service"  # with the longest key: 83 characters
ALLOW = """
[[delivery.allow]]
project = "bot"
unit = "bot.service"

[[delivery.allow]]
project = "bot"
unit = "bot.service"

[[delivery.allow]]
project = "bot"
unit = "a\\\\x2db@1:2_3.service"

[[delivery.allow]]
project = "bot"
unit = "%s"

[[delivery.allow]]
project = "empty"
unit = "empty.service"

[[delivery.allow]]
project = "withheld"
unit = "withheld.service"

[[delivery.allow]]
project = "none"
unit = "absent.service"

[[delivery.allow]]
project = "bot"
unit = "with-uid.service"
uid = 0

[[delivery.allow]]
project = "bot"
unit = "with-gid.service"
gid = 0

[[delivery.allow]]
project = "bot"
unit = "two.service"

[[delivery.allow]]
project = "empty"
unit = "two.service"

[[delivery.allow]]
project = "large"
unit = "large.service"

[[delivery.allow]]
project = "large"
unit = "never-reads.service"

[[delivery.allow]]
project = "odd"
unit = "odd.service"
""" % LONG_UNIT
VALUE = "canary-value \"quoted\" $HOME `id` \\ 'x'\r\n\ttail "


def with_allow(text, **settings):
    """A server whose settings file says this."""
    file = tempfile.NamedTemporaryFile("w", suffix=".toml")
    file.write(text)
    file.flush()
    own = Server(arguments=["--config", file.name], **settings)
    own.kept_file = file
    return own


@pytest.fixture(scope="module")
def server():
    with with_allow(ALLOW, limits_secrets_per_project=300) as one:
        for project in ("bot", "empty", "withheld", "large", "odd"):
            one.make_project(project)
        one.put("bot", "DATABASE_URL", VALUE)
        one.put("bot", LONGEST_KEY, "of the longest name")
        one.put("bot", "ONE", "1")
        one.put("bot", "ENV", "withheld")  # not "env"
        one.put("withheld", "LD_PRELOAD", "/canary.so")
        for i in range(LARGE):
            one.put("large", "K%d" % i, "\U0001f511" * 4096)
        one.put("odd", "NEWLINE", "a\nb")
        one.put("odd", "NONCHARACTER", "a\ufffeb")
        yield one


def socket_of(server):
    return os.path.join(os.path.dirname(server.keeper_socket), "credentials.sock")


def connect(server, address):
    """A connection whose own end is bound to the address (None: not bound), done with writing."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(60)
    if address is not None:
        one.bind(address)
    one.connect(socket_of(server))
    one.shutdown(socket.SHUT_WR)
    return one


def address_of(unit, credential, digits=None):
    """What systemd binds: asprintf("@%" PRIx64 "/unit/%s/%s") of a random number."""
    if digits is None:
        number = "%x" % random.getrandbits(64)
    else:
        number = "%x" % random.randrange(16 ** (digits - 1), 16 ** digits)
    return ("\0%s/unit/%s/%s" % (number, unit, credential)).encode()


def read_to_end(one):
    pieces = []
    with one:
        while True:
            piece = one.recv(65536)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)


def load(server, unit, credential, digits=None):
    return read_to_end(connect(server, address_of(unit, credential, digits)))


def lines(server):
    found = [json.loads(line) for line in server.log().splitlines()]
    return [one for one in found if one["event"] == "credential"]


def refusal(server, do):
    """The one line that the log has more after `do`, which must get nothing."""
    before = len(lines(server))
    assert do() == b""
    wait_until(lambda: len(lines(server)) > before, 10)
    after = lines(server)[before:]
    assert len(after) == 1, after
    assert after[0]["level"] == "warn"
    return after[0]


def parse_environment_file(text):
    """What systemd reads (src/basic/env-file.c), as far as values all stand in double quotes."""
    values, at = {}, 0
    while at < len(text):
        if text[at] == "#":
            at = text.index("\n", at) + 1
            continue
        equals = text.index("=", at)
        key, at, value = text[at:equals], equals + 1, ""
        assert text[at] == '"'
        at += 1
        while text[at] != '"':
            if text[at] == "\\" and text[at + 1] in '"\\`$':
                at += 1
            value += text[at]
            at += 1
        assert text[at:at + 2] == '"\n'
        values[key], at = value, at + 2
    return values


# --- what comes out ---

def test_a_value_and_nothing_else(server):
    assert load(server, "bot.service", "DATABASE_URL") == VALUE.encode()
    assert load(server, "bot.service", "ONE") == b"1"
    assert load(server, "a\\x2db@1:2_3.service", "ONE") == b"1"


@pytest.mark.parametrize("digits", range(1, 17))
def test_a_random_number_of_any_length(server, digits):
    assert load(server, "bot.service", "ONE", digits) == b"1"


def test_unit_and_id_of_83_characters(server):
    address = address_of(LONG_UNIT, LONGEST_KEY, 16)
    assert len(address) == 107  # with the NUL that systemd wants behind it, sun_path is full
    assert read_to_end(connect(server, address)) == b"of the longest name"


def test_the_whole_set(server):
    text = load(server, "bot.service", "env").decode()
    assert text.startswith('DATABASE_URL="canary-value \\"quoted\\" \\$HOME \\`id\\` \\\\ ')
    assert text.endswith('"\n# complete\n')
    assert parse_environment_file(text) == {
        "DATABASE_URL": VALUE, LONGEST_KEY: "of the longest name", "ONE": "1"}


def test_a_shell_reads_the_whole_set_too(server):
    text = load(server, "bot.service", "env")
    done = subprocess.run(["sh", "-c", 'set -a; . /dev/stdin; exec env -0'], input=text,
                          capture_output=True, timeout=60, env={})
    assert done.returncode == 0 and not done.stderr
    got = dict(one.split(b"=", 1) for one in done.stdout.split(b"\0") if one)
    assert got[b"DATABASE_URL"] == VALUE.encode() and got[b"ONE"] == b"1"


def test_an_empty_project_is_not_a_refusal(server):
    assert load(server, "empty.service", "env") == b"# complete\n"
    assert load(server, "withheld.service", "env") == b"# complete\n"


def test_a_change_is_there_at_the_next_load(server):
    server.make_project("none")
    try:
        assert load(server, "absent.service", "env") == b"# complete\n"
        for value in ("first", "second"):
            server.put("none", "A", value)
            assert load(server, "absent.service", "A") == value.encode()
    finally:
        server.owner("DELETE", "/projects/none")
    assert load(server, "absent.service", "A") == b""


def test_the_socket_and_its_folder(server):
    about = os.stat(socket_of(server))
    assert stat.S_ISSOCK(about.st_mode) and stat.S_IMODE(about.st_mode) == 0o666
    assert about.st_uid == os.geteuid()
    assert stat.S_IMODE(os.stat(os.path.dirname(socket_of(server))).st_mode) == 0o755


def test_an_answer_has_a_line_without_the_name_of_the_secret(server):
    before = len(lines(server))
    load(server, "bot.service", "DATABASE_URL")
    wait_until(lambda: len(lines(server)) > before, 10)
    line = lines(server)[-1]
    assert list(line) == ["time", "level", "process", "event", "unit", "project"]
    assert (line["level"], line["process"]) == ("info", "keeper")
    assert (line["unit"], line["project"]) == ("bot.service", "bot")
    log = server.log()
    assert "canary" not in log and "DATABASE_URL" not in log and LONGEST_KEY not in log


def test_what_was_loaded_is_noted_for_the_unit():
    with with_allow(ALLOW) as server:
        server.make_project("bot")
        for key in ("A", "B", "C"):
            server.put("bot", key, "1")

        def noted():
            data = server.owner("GET", "/projects/bot/deliveries").data()["deliveries"]
            return [(line["key"], line["state"]) for line in data
                    if line["consumer"] and line["consumer"]["unit"] == "bot.service"]
        load(server, "bot.service", "A")
        assert load(server, "bot.service", "NONE") == b""
        wait_until(lambda: noted() == [("A", "current")])
        server.put("bot", "A", "2")
        assert noted() == [("A", "stale")]
        load(server, "bot.service", "B")
        wait_until(lambda: noted() == [("A", "stale"), ("B", "current")])
        load(server, "bot.service", "env")
        wait_until(lambda: noted() == [("A", "current"), ("B", "current"), ("C", "current")])


# --- refusals: nothing is sent, and the log says which it was ---

REFUSALS = [
    ("other.service", "ONE", "no [[delivery.allow]] entry has this unit"),
    ("BOT.service", "ONE", "no [[delivery.allow]] entry has this unit"),
    ("bot", "ONE", "no [[delivery.allow]] entry has this unit"),
    ("with-uid.service", "ONE", "without uid and gid"),
    ("with-gid.service", "ONE", "without uid and gid"),
    ("two.service", "ONE", "several projects"),
    ("two.service", "env", "several projects"),
    ("absent.service", "ONE", "no such project"),
    ("absent.service", "env", "no such project"),
    ("bot.service", "TWO", "no such secret"),
    ("bot.service", "ON", "no such secret"),
    ("empty.service", "ONE", "no such secret"),
    ("bot.service", "ENV", "withheld"),
    ("withheld.service", "LD_PRELOAD", "withheld"),
    ("withheld.service", "PATH", "withheld"),
    ("bot.service", "one", "neither a secret's name nor env"),
    ("bot.service", "env ", "neither a secret's name nor env"),
    ("bot.service", "database-url", "neither a secret's name nor env"),
    ("bot.service", "1", "neither a secret's name nor env"),
    ("bot.service", "K" * 65, "neither a secret's name nor env"),
    ("odd.service", "env", "systemd takes for invalid"),
]


@pytest.mark.parametrize("unit, credential, why", REFUSALS)
def test_refusals(server, unit, credential, why):
    line = refusal(server, lambda: load(server, unit, credential))
    assert why in line["refused"] and line["unit"] == unit
    assert credential == "env" or credential not in line["refused"]


def test_a_value_that_no_environment_file_holds_is_loaded_alone(server):
    assert load(server, "odd.service", "NONCHARACTER") == "a\ufffeb".encode()
    assert load(server, "odd.service", "NEWLINE") == b"a\nb"


MALFORMED = [
    None,
    b"\0",
    b"\0/unit/bot.service/ONE",
    b"\0g/unit/bot.service/ONE",
    b"\0-1/unit/bot.service/ONE",
    b"\0+1/unit/bot.service/ONE",
    b"\0 1/unit/bot.service/ONE",
    b"\x000x1/unit/bot.service/ONE",
    b"\0AB/unit/bot.service/ONE",
    b"\x0012345678901234567/unit/bot.service/ONE",
    b"\0001",
    b"\0001/",
    b"\0001/unit",
    b"\0001/unit/",
    b"\0001/unit/bot.service",
    b"\0001/unit/bot.service/",
    b"\0001/unit//ONE",
    b"\0001/unit/ONE",
    b"\0001//bot.service/ONE",
    b"\0001/units/bot.service/ONE",
    b"\0001/UNIT/bot.service/ONE",
    b"\0001/unit/bot.service/ONE/",
    b"\0001/unit/bot.service//ONE",
    b"\0001/unit//bot.service/ONE",
    b"\0001/unit/x/bot.service/ONE",
    b"\0001unit/bot.service/ONE",
    b"\0001/unit/bot.service/ONE\0",
    b"\0001/unit/bot.service/O\0NE",
    b"\0001/unit/bot.service\0/ONE",
    b"\0001\0/unit/bot.service/ONE",
    b"\0\0001/unit/bot.service/ONE",
    b"\0001/unit/bot.service /ONE",
    b"\0001/unit/bot.service\n/ONE",
    b"\0001/unit/b\xc3\xb6t.service/ONE",
    b"\0001/unit/" + b"u" * (108 - 8 - 4) + b"/ONE",
    ("\0001/unit/%s/%s" % (LONG_UNIT, LONGEST_KEY + "K")).encode(),
    b"\0" * 108,
    b"\0" + b"1" * 107,
    b"\0" + b"/" * 107,
    b"\0\xff" + b"\xfe" * 106,
]


@pytest.mark.parametrize("address", MALFORMED, ids=range(len(MALFORMED)))
def test_addresses_that_are_not_systemds(server, address):
    line = refusal(server, lambda: read_to_end(connect(server, address)))
    assert line["refused"] == "the peer's address is not one of systemd's"
    assert "unit" not in line


def test_an_address_in_the_file_system(server, tmp_path):
    os.makedirs(str(tmp_path / "1" / "unit" / "bot.service"))
    before = os.getcwd()
    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, before)
        os.chdir(tmp_path)
        for path in (str(tmp_path / "s"), "1/unit/bot.service/ONE"):
            line = refusal(server, lambda: read_to_end(connect(server, path)))
            assert line["refused"] == "the peer's address is not one of systemd's"


def test_random_addresses(server):
    """Near the form and far from it, seeded: nothing but the one right name is answered."""
    chance = random.Random(20240229)
    parts = [b"\0", b"1", b"f" * 16, b"/unit/", b"/", b"bot.service", b"ONE", b"env", b"\xff"]
    right = re.compile(rb"\x00[0-9a-f]{1,16}/unit/bot\.service/(ONE|env)")
    for _ in range(300):
        address = b"\0" + b"".join(chance.choices(parts, k=chance.randrange(1, 9)))
        if len(address) > 108:
            continue
        answer = read_to_end(connect(server, address))
        assert bool(answer) == bool(right.fullmatch(address)), address


FORGE = """
import socket, sys
one = socket.socket(socket.AF_UNIX)
one.settimeout(60)
one.bind(b"\\0" + bytes.fromhex(sys.argv[2]))
one.connect(sys.argv[1])
one.shutdown(socket.SHUT_WR)
got = one.recv(65536)
sys.stdout.buffer.write(got or b"nothing")
"""


@pytest.mark.parametrize("user", [STRANGER, "65534"])
def test_a_forged_address_of_another_user(server, user):
    """65534 is who the api process is: what captures it must not read values here."""
    name = address_of("bot.service", "ONE")[1:].hex()

    def ask():
        done = subprocess.run(
            ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", sys.executable, "-S",
             "-c", FORGE, socket_of(server), name], capture_output=True, timeout=60, cwd="/")
        assert (done.returncode, done.stdout) == (0, b"nothing"), done.stderr
        return b""
    line = refusal(server, ask)
    assert (line["refused"], line["uid"]) == ("the peer is not root", int(user))
    assert list(line) == ["time", "level", "process", "event", "uid", "refused"]


def test_who_started_tacit_is_not_systemd():
    with Server(user="65534") as server:
        server.make_project("bot")
        test_a_forged_address_of_another_user(server, "65534")
        line = refusal(server, lambda: load(server, "bot.service", "env"))
        assert "no [[delivery.allow]] entry" in line["refused"]


def test_a_server_of_another_user_answers_systemd():
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(ALLOW)
        file.flush()
        os.chmod(file.name, 0o644)
        with Server(user="65534", arguments=["--config", file.name]) as server:
            server.make_project("bot")
            server.put("bot", "ONE", "1")
            assert load(server, "bot.service", "ONE") == b"1"


def test_what_the_peer_sends_is_not_looked_at(server):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(60)
    one.bind(address_of("bot.service", "ONE"))
    one.connect(socket_of(server))
    with contextlib.suppress(BrokenPipeError):  # it may have been answered and closed already
        one.sendall(b"GET /v1/projects/bot/env HTTP/1.1\r\nHost: x\r\n\r\n")
    assert one.recv(65536) == b"1"
    one.close()


def test_a_peer_that_does_not_shut_its_side_gets_the_end_too(server):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(60)
    one.bind(address_of("bot.service", "ONE"))
    one.connect(socket_of(server))
    assert read_to_end(one) == b"1"


# --- the api process, the keeper, and peers that are slow ---

def test_nothing_while_the_api_process_does_not_answer():
    with with_allow(ALLOW) as server:
        server.make_project("bot")
        server.put("bot", "ONE", "1")
        api = server.api_pid()
        os.kill(api, signal.SIGSTOP)
        try:
            began = time.monotonic()
            line = refusal(server, lambda: load(server, "bot.service", "ONE"))
            assert time.monotonic() - began < 30
            assert line["refused"] == "the api process does not answer"
        finally:
            os.kill(api, signal.SIGCONT)
        wait_until(lambda: load(server, "bot.service", "ONE") == b"1", 20)


def test_nothing_when_the_api_process_dies_under_a_request():
    with with_allow(ALLOW) as server:
        server.make_project("bot")
        api = server.api_pid()
        os.kill(api, signal.SIGSTOP)
        waiting = connect(server, address_of("bot.service", "env"))
        os.kill(api, signal.SIGKILL)
        assert read_to_end(waiting) == b""
        wait_until(lambda: server.process.poll() is not None, 20)
        assert server.process.returncode == 4
        assert not os.path.exists(socket_of(server))


def test_a_load_under_way_is_answered_when_the_server_is_told_to_stop():
    with with_allow(ALLOW, limits_secrets_per_project=300) as server:
        server.make_project("large")
        for i in range(300):
            server.put("large", "K%d" % i, "x" * 4096)
        one = connect(server, address_of("large.service", "env"))
        assert one.recv(1) == b"K"
        server.process.terminate()
        wait_until(lambda: '"draining"' in server.log(), 20)
        rest = read_to_end(one)
        assert rest.endswith(b"\n# complete\n") and len(rest) > 300 * 4096
        assert server.stop() == 0
        assert not os.path.exists(socket_of(server))


def test_a_keeper_that_is_killed_in_the_middle_leaves_a_set_without_its_end():
    with with_allow(ALLOW, limits_secrets_per_project=300) as server:
        server.make_project("large")
        for i in range(300):
            server.put("large", "K%d" % i, "x" * 4096)
        one = connect(server, address_of("large.service", "env"))
        assert one.recv(1) == b"K"  # it is under way, and 1.2 MB fit into no socket's buffer
        server.kill()
        cut = read_to_end(one)
        assert 0 < len(cut) < 300 * 4096 and b"# complete" not in cut
        server.start()  # over what the killed one left
        assert load(server, "large.service", "K0") == b"x" * 4096


def test_peers_that_do_not_read_hold_nobody_up(server):
    """320 KB each to peers that read nothing; others are served; then they get theirs whole."""
    slow = [connect(server, address_of("large.service", "env")) for _ in range(20)]
    for _ in range(20):
        assert load(server, "bot.service", "ONE") == b"1"
    for one in slow:
        text = read_to_end(one).decode()
        assert text.endswith("# complete\n") and text.count("\U0001f511") == LARGE * 4096


def test_peers_that_leave_in_the_middle(server):
    for i in range(50):
        one = connect(server, address_of("large.service", "env"))
        if i % 2:
            one.recv(1000)
        one.close()
    assert load(server, "bot.service", "ONE") == b"1"


def test_more_peers_than_places_wait_and_are_answered(server):
    """Places are bounded: 300 peers that do not read take all 256, the others wait their turn."""
    def descriptors():
        return len(os.listdir("/proc/%d/fd" % server.pid))
    idle = descriptors()
    slow = [connect(server, address_of("large.service", "env")) for _ in range(300)]
    late = connect(server, address_of("bot.service", "ONE"))
    wait_until(lambda: descriptors() >= idle + 250, 60)
    assert server.values("bot")["ONE"] == "1"  # keeper.sock is not held up
    # One may be accepted, and one be another test's that is closing.
    assert max(descriptors() for _ in range(200)) <= idle + 256 + 2
    for one in slow:
        one.close()
    assert read_to_end(late) == b"1"


def test_a_peer_that_never_reads_loses_its_place(server):
    one = connect(server, address_of("never-reads.service", "env"))

    def given_up():
        return [line for line in lines(server)
                if line.get("unit") == "never-reads.service" and "not read" in line["refused"]]
    wait_until(given_up, 60)
    cut = read_to_end(one)
    assert 0 < len(cut) < LARGE * 4 * 4096 and b"# complete" not in cut


def test_strangers_take_no_places(server):
    program = FORGE.replace("one = ", "kept = [one for _ in range(0)]\none = ") + "sys.stdin.read()"
    holders = [subprocess.Popen(
        ["setpriv", "--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", sys.executable,
         "-S", "-c", program, socket_of(server), address_of("bot.service", "ONE")[1:].hex()],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/") for _ in range(10)]
    try:
        assert load(server, "bot.service", "ONE") == b"1"
    finally:
        for one in holders:
            one.communicate(timeout=60)


def test_many_at_once(server):
    got = []

    def ask():
        for _ in range(20):
            got.append(load(server, "bot.service", "DATABASE_URL"))
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert got == [VALUE.encode()] * 320
    assert is_alive(server.api_pid())


# --- settings ---

def test_names_that_the_settings_deliver():
    with with_allow(ALLOW, delivery_deliver_names="LD_PRELOAD") as server:
        server.make_project("withheld")
        server.put("withheld", "LD_PRELOAD", "/a.so")
        assert load(server, "withheld.service", "LD_PRELOAD") == b"/a.so"
        assert load(server, "withheld.service", "env") == b'LD_PRELOAD="/a.so"\n# complete\n'
