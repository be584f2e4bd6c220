"""What the memory of the two processes holds, searched as root in /proc/PID/mem.

Every search that is to find nothing stands beside one that must find something.
"""
import contextlib
import ctypes
import json
import os
import random
import re
import socket
import string
import struct

import pytest

from harness import BUILD, ROOT, SUBKEY_RECORD, SUBKEY_STORE_PAIR_SEED, Server, derive, wait_until

pytestmark = [
    pytest.mark.skipif(not ROOT, reason="needs root: reads the memory of other processes"),
    pytest.mark.skipif(BUILD in ("asan", "tsan"),
                       reason="a sanitizer keeps copies and freed memory of its own"),
]

PROJECT = "proj_memory"
SECRETS = "/api/v1/projects/%s/secrets" % PROJECT
CHUNK = 4 << 20
OVERLAP = 4096
PIECE = 8  # bytes; a value is not found as a whole only because a piece of it was overwritten


def store_pair(root_key):
    """(public, private) as core/crypto.cpp derives them."""
    sodium = ctypes.CDLL("libsodium.so.23")
    assert sodium.sodium_init() >= 0
    seed = ctypes.create_string_buffer(32)
    assert sodium.crypto_kdf_derive_from_key(
        seed, ctypes.c_size_t(32), ctypes.c_uint64(SUBKEY_STORE_PAIR_SEED), b"tacit_v1",
        root_key) == 0
    assert seed.raw == derive(root_key, SUBKEY_STORE_PAIR_SEED)
    public, private = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    assert sodium.crypto_box_seed_keypair(public, private, seed) == 0
    return public.raw, private.raw


def readable_maps(pid):
    with open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            span, modes = line.split()[:2]
            name = line.split()[-1]
            if modes.startswith("r") and name not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                start, end = (int(one, 16) for one in span.split("-"))
                yield start, end, name


def pages_in_use(pid, start, end):
    """The runs of pages that are there: the others were never written."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open("/proc/%d/pagemap" % pid, "rb", buffering=0) as pagemap:
        pagemap.seek(start // page * 8)
        entries = pagemap.read((end - start) // page * 8)
    count = len(entries) // 8
    first = None
    for number, (entry,) in enumerate(struct.iter_unpack("<Q", entries)):
        used = entry >> 62 != 0  # present or swapped
        if used and first is None:
            first = number
        if not used and first is not None:
            yield start + first * page, start + number * page
            first = None
    if first is not None:
        yield start + first * page, start + count * page


def search(pid, needles):
    """{needle: [places]} in all memory of the process that can be read."""
    pattern = re.compile(b"|".join(re.escape(one) for one in needles))
    found = {one: [] for one in needles}
    bytes_read = 0
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for start, end, name in readable_maps(pid):
            for run_start, run_end in pages_in_use(pid, start, end):
                at = run_start
                while at < run_end:
                    memory.seek(at)
                    wanted = min(CHUNK + OVERLAP, run_end - at)
                    piece = memory.read(wanted)
                    assert len(piece) == wanted, name
                    bytes_read += len(piece)
                    for match in pattern.finditer(piece):
                        if match.start() < CHUNK:
                            found[match.group()].append("%s+%#x" % (name, at + match.start()))
                    at += CHUNK
    assert bytes_read > 4 << 20  # the binary alone is more
    return found


def search_one(pid, needle):
    return search(pid, [needle])[needle]


class Canary:
    """A random text that is part of values; looked for whole and in pieces, in each spelling."""

    def __init__(self):
        letters = random.SystemRandom().choices(string.ascii_letters, k=3 * PIECE)
        self.text = "".join(letters)
        self.escaped = "".join("\\u%04x" % ord(one) for one in self.text)

    def needles(self):
        raw = self.text.encode()
        escaped = self.escaped.encode()
        return ([raw[at:at + PIECE] for at in range(0, len(raw), PIECE)]
                + [escaped[at:at + 4 * PIECE] for at in range(0, len(escaped), 4 * PIECE)])

    def places(self, pid):
        return {needle: places for needle, places in search(pid, self.needles()).items() if places}


@pytest.fixture(name="server")
def make_server():
    with Server(log_level="debug", limits_secrets_per_project=300) as server:
        server.make_project(PROJECT)
        yield server


@pytest.fixture(name="key")
def make_key(server):
    return server.make_key()


def request(server, key, body, method="POST", target=SECRETS, more="", length=None):
    head = ("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n%s"
            "Content-Length: %d\r\n\r\n" % (method, target, server.port, key, more,
                                            len(body) if length is None else length))
    return head.encode() + body


def body_of(name, value, escaped=None):
    body = json.dumps({"key": name, "value": value}, ensure_ascii=False)
    if escaped is not None:
        body = body.replace(escaped.text, escaped.escaped)
    return body.encode()


def read_texts(raw, count):
    """That many answers from a connection, as they came."""
    texts, buffer = [], b""
    while len(texts) < count:
        head, found, rest = buffer.partition(b"\r\n\r\n")
        if found:
            length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head).group(1))
            if len(rest) >= length:
                texts.append(head + found + rest[:length])
                buffer = rest[length:]
                continue
        chunk = raw.recv(65536)
        assert chunk, (texts, buffer)
        buffer += chunk
    return texts


def read_answers(raw, count):
    """That many answers from a connection; their statuses."""
    return [int(text.split(None, 2)[1]) for text in read_texts(raw, count)]


def ask(server, sent):
    with server.connect_raw() as raw:
        raw.sendall(sent)
        return read_answers(raw, 1)[0]


def reset(raw):
    """Closes so that the other side sees an error, not an end."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def check_gone(server, canary):
    """Once nothing is under way, no process holds a piece of it."""
    assert canary.places(server.api_pid()) == {}
    assert canary.places(server.pid) == {}


def check_in_no_file(server, canary):
    raw = canary.text.encode()[:PIECE]
    project_seen = False
    for folder, _, names in os.walk(server.data):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                text = file.read()
            project_seen = project_seen or PROJECT.encode() in text
            assert raw not in text and canary.escaped[:32].encode() not in text, path
    assert project_seen  # the control
    limiter = "/dev/shm/tacit-" + derive(server.root_key(), 6, 16).hex()
    with open(limiter, "rb") as file:
        assert raw not in file.read()
    assert "serving" in server.log()
    assert canary.text[:PIECE] not in server.log()


# --- Keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True], ids=["first-start", "restarted"])
def test_the_api_holds_neither_root_key_nor_private_key(server, key, restarted):
    if restarted:
        server.restart()
    server.put(PROJECT, "KEY", "a value", key)
    assert server.values(PROJECT) == {"KEY": "a value"}
    root_key = server.root_key()
    public, private = store_pair(root_key)
    record = derive(root_key, SUBKEY_RECORD)
    seed = derive(root_key, SUBKEY_STORE_PAIR_SEED)
    found = search(server.api_pid(), [root_key, private, seed, public, record])
    assert found[public] and found[record]  # the control: what it is meant to hold
    assert (found[root_key], found[private], found[seed]) == ([], [], [])


@pytest.mark.parametrize("restarted", [False, True], ids=["first-start", "restarted"])
def test_the_keeper_holds_its_private_key_but_not_the_root_key(server, key, restarted):
    if restarted:
        server.restart()
    server.put(PROJECT, "KEY", "a value", key)
    assert server.values(PROJECT) == {"KEY": "a value"}
    root_key = server.root_key()
    _, private = store_pair(root_key)
    seed = derive(root_key, SUBKEY_STORE_PAIR_SEED)
    found = search(server.pid, [root_key, private, seed])
    assert found[private]  # the control
    assert (found[root_key], found[seed]) == ([], [])


def test_halves_of_the_keys_are_nowhere_either(server, key):
    """A copy on the stack may be overwritten in part."""
    server.put(PROJECT, "KEY", "a value", key)
    assert server.values(PROJECT) == {"KEY": "a value"}
    root_key = server.root_key()
    _, private = store_pair(root_key)
    halves = [root_key[:16], root_key[16:], private[:16], private[16:]]
    assert search(server.api_pid(), halves) == {one: [] for one in halves}
    found = search(server.pid, halves)
    assert found[private[:16]] and found[private[16:]]
    assert (found[root_key[:16]], found[root_key[16:]]) == ([], [])


# --- Values --------------------------------------------------------------------------------------


def test_answered_values_are_gone(server, key):
    canary = Canary()
    with contextlib.closing(server.connect()) as connection:
        for number in range(200):
            value = "%s%04d%s" % (canary.text, number, "v" * (number * 20))
            connection.request("POST", SECRETS, body_of("KEY_%d" % number, value[:4096]),
                               {"Authorization": "Bearer " + key})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
        # While the connection is still open.
        check_gone(server, canary)
    check_gone(server, canary)
    check_in_no_file(server, canary)
    assert search_one(server.api_pid(), PROJECT.encode())


def test_after_delivery_the_keeper_holds_none(server, key):
    canary = Canary()
    values = {"KEY_%d" % number: "%s%d%s" % (canary.text, number, "w" * number * 30)
              for number in range(100)}
    for name, value in values.items():
        assert ask(server, request(server, key, body_of(name, value))) == 200
    for _ in range(3):
        assert server.values(PROJECT) == values
    printed = server.cli("run", "--project", PROJECT, "--", "printenv", "KEY_7")
    assert printed.stdout.decode() == values["KEY_7"] + "\n"
    check_gone(server, canary)
    check_in_no_file(server, canary)


def test_a_peer_that_goes_away_before_its_delivery_leaves_none(server, key):
    canary = Canary()
    for number in range(200):
        value = (canary.text + "%d" % number).ljust(4096, "x")
        assert ask(server, request(server, key, body_of("KEY_%d" % number, value))) == 200
    sent = b"GET /v1/projects/%s/env HTTP/1.1\r\nHost: localhost\r\n\r\n" % PROJECT.encode()
    for taken in (0, 1, 4096):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(server.keeper_socket)
            peer.sendall(sent)
            for _ in range(taken):
                assert peer.recv(1)
    assert len(server.values(PROJECT)) == 200  # what came before it has been dealt with
    wait_until(lambda: not canary.places(server.pid))
    check_gone(server, canary)


def test_a_peer_that_does_not_take_its_delivery_is_found(server, key):
    """The control of the keeper's searches: a delivery under way is in its memory."""
    canary = Canary()
    for number in range(200):
        value = (canary.text + "%d" % number).ljust(4096, "x")
        assert ask(server, request(server, key, body_of("KEY_%d" % number, value))) == 200
    check_gone(server, canary)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(server.keeper_socket)
        peer.sendall(b"GET /v1/projects/%s/env HTTP/1.1\r\nHost: localhost\r\n\r\n"
                     % PROJECT.encode())
        assert peer.recv(1)
        assert canary.places(server.pid)
        assert not canary.places(server.api_pid())
    wait_until(lambda: not canary.places(server.pid))


def test_escaped_values_are_gone(server, key):
    canary = Canary()
    for number in range(60):
        value = canary.text * (1 + number % 30)
        body = body_of("KEY_%d" % number, value, escaped=canary)
        assert canary.text.encode() not in body
        assert ask(server, request(server, key, body)) == 200
    assert server.values(PROJECT)["KEY_29"] == canary.text * 30
    check_gone(server, canary)
    check_in_no_file(server, canary)


def send_in_pieces(server, key, sent, cuts):
    """Each piece is seen by the server before the next is sent."""
    with server.connect_raw() as raw:
        at = 0
        for cut in cuts:
            raw.sendall(sent[at:cut])
            at = cut
            # Another connection of each worker being served means that ours was read too.
            for _ in range(4):
                assert server.call("GET", "/projects", key=key).status == 200
        raw.sendall(sent[at:])
        return read_answers(raw, 1)[0]


@pytest.mark.parametrize("escaped", [False, True], ids=["utf-8", "escapes"])
def test_values_in_several_segments_are_gone(server, key, escaped):
    canary = Canary()
    value = canary.text * 40
    body = body_of("KEY", value, escaped=canary if escaped else None)
    sent = request(server, key, body)
    head = len(sent) - len(body)
    for cuts in ([head], [head + 30], [head + 30, head + 31, head + 500], [20, head + 40],
                 [head - 1, len(sent) - 1]):
        assert send_in_pieces(server, key, sent, cuts) == 200
    assert server.values(PROJECT) == {"KEY": value}
    check_gone(server, canary)


def test_half_a_request_is_found_and_the_whole_is_not(server, key):
    """The control of all these searches, then the same request completed."""
    canary = Canary()
    body = body_of("KEY", canary.text * 10)
    sent = request(server, key, body)
    with server.connect_raw() as raw:
        raw.sendall(sent[:-1])
        wait_until(lambda: canary.places(server.api_pid()))
        raw.sendall(sent[-1:])
        assert read_answers(raw, 1) == [200]
        check_gone(server, canary)


REFUSED = {
    # name: (status, function of server, key, canary -> bytes)
    "bad-name": (400, lambda s, k, c: request(s, k, body_of("lower", c.text))),
    "too-long": (400, lambda s, k, c: request(s, k, body_of("KEY", c.text * 200))),
    "nul": (400, lambda s, k, c: request(s, k, body_of("KEY", c.text + "\0" + c.text))),
    "duplicate": (400, lambda s, k, c: request(
        s, k, b'{"key":"KEY","value":"%s","value":"%s"}' % ((c.text.encode(),) * 2))),
    "unknown-member": (400, lambda s, k, c: request(
        s, k, b'{"value":"%s","key":"KEY","more":"%s"}' % ((c.text.encode(),) * 2))),
    "missing-name": (400, lambda s, k, c: request(s, k, b'{"value":"%s"}' % c.text.encode())),
    "value-as-name": (400, lambda s, k, c: request(s, k, body_of(c.text, "value"))),
    "value-as-member": (400, lambda s, k, c: request(s, k, b'{"%s":1}' % c.text.encode())),
    "cut-json": (400, lambda s, k, c: request(s, k, body_of("KEY", c.text)[:-2])),
    "cut-escape": (400, lambda s, k, c: request(
        s, k, body_of("KEY", c.text, escaped=c)[:-4] + b'"}')),
    "bad-utf-8": (400, lambda s, k, c: request(
        s, k, b'{"key":"KEY","value":"%s\xff"}' % c.text.encode())),
    "lone-surrogate": (400, lambda s, k, c: request(
        s, k, b'{"key":"KEY","value":"%s\\ud800"}' % c.text.encode())),
    "plain-text": (400, lambda s, k, c: request(s, k, c.text.encode() * 10)),
    "nested": (400, lambda s, k, c: request(
        s, k, b'{"key":"KEY","value":{"a":["%s"]}}' % c.text.encode())),
    "list": (400, lambda s, k, c: request(
        s, k, b'{"key":"KEY","value":["%s"]}' % c.text.encode())),
    "no-key": (401, lambda s, k, c: request(s, "tac_" + "0" * 36, body_of("KEY", c.text))),
    "no-project": (404, lambda s, k, c: request(
        s, k, body_of("KEY", c.text), target="/api/v1/projects/none/secrets")),
    "no-route": (404, lambda s, k, c: request(
        s, k, body_of("KEY", c.text), target="/api/v1/none")),
    "as-a-project": (400, lambda s, k, c: request(
        s, k, body_of("KEY", c.text), target="/api/v1/projects")),
    "method": (405, lambda s, k, c: request(s, k, body_of("KEY", c.text), method="PUT")),
    "type": (415, lambda s, k, c: request(
        s, k, body_of("KEY", c.text), more="Content-Type: text/plain\r\n")),
    "too-large": (413, lambda s, k, c: request(s, k, body_of("KEY", c.text * 4000))),
    "chunked": (411, lambda s, k, c: request(
        s, k, body_of("KEY", c.text), more="Transfer-Encoding: chunked\r\n")),
    "no-host": (400, lambda s, k, c: request(
        s, k, body_of("KEY", c.text)).replace(b"Host:", b"Most:")),
    "two-lengths": (400, lambda s, k, c: request(
        s, k, body_of("KEY", c.text), more="Content-Length: 1\r\n")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_values_are_gone(server, key, name):
    status, make = REFUSED[name]
    canary = Canary()
    for _ in range(3):
        assert ask(server, make(server, key, canary)) == status
    wait_until(lambda: open_connections(server) == 0)
    check_gone(server, canary)
    check_in_no_file(server, canary)


def open_connections(server):
    """Those that the api still holds."""
    with open("/proc/%d/net/tcp" % server.api_pid()) as table:
        rows = [line.split() for line in list(table)[1:]]
    mine = {row[9] for row in rows
            if int(row[1].rsplit(":", 1)[1], 16) == server.port and row[3] != "0A"}
    folder = "/proc/%d/fd" % server.api_pid()
    held = 0
    for one in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            held += os.readlink(os.path.join(folder, one))[len("socket:["):-1] in mine
    return held


def test_values_over_the_cap_are_gone(server, key):
    server.owner("POST", "/projects", {"name": "small", "id": "small", "secretLimit": 1})
    server.put("small", "FIRST", "value")
    canary = Canary()
    target = "/api/v1/projects/small/secrets"
    for number in range(50):
        sent = request(server, key, body_of("KEY_%d" % number, canary.text), target=target)
        assert ask(server, sent) == 409
    check_gone(server, canary)
    check_in_no_file(server, canary)


def test_values_beyond_the_permission_or_rate_are_gone():
    with Server(limits_writes_per_minute=5) as server:
        server.make_project(PROJECT)
        reader = server.make_key(permissions=["read"], projects=[PROJECT])
        writer = server.make_key(permissions=["read", "write"], projects=[PROJECT])
        canary = Canary()
        sent = request(server, reader, body_of("KEY", canary.text))
        assert ask(server, sent) == 403
        statuses = [ask(server, request(server, writer, body_of("KEY", canary.text)))
                    for _ in range(20)]
        assert set(statuses) == {200, 429}
        wait_until(lambda: open_connections(server) == 0)
        check_gone(server, canary)


def test_pipelined_values_are_gone(server, key):
    canary = Canary()
    sent = b"".join(request(server, key, body_of("KEY_%d" % one, canary.text + "x" * 50 * one))
                    for one in range(40))
    with server.connect_raw() as raw:
        raw.sendall(sent)
        assert read_answers(raw, 40) == [200] * 40
        check_gone(server, canary)
    # One in the middle is refused and ends the connection: what follows is never looked at.
    bad = request(server, key, body_of("KEY", canary.text), more="Transfer-Encoding: chunked\r\n")
    with server.connect_raw() as raw:
        raw.sendall(sent[:len(sent) // 4] + bad + sent)
        with contextlib.suppress(ConnectionError):
            while raw.recv(65536):
                pass
    wait_until(lambda: open_connections(server) == 0)
    check_gone(server, canary)


@pytest.mark.parametrize("how", [socket.socket.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("kept", [1, 300], ids=["most-of-it", "a-part"])
def test_values_of_broken_connections_are_gone(server, key, how, kept):
    canary = Canary()
    sent = request(server, key, body_of("KEY", canary.text * 30))
    raws = []
    for _ in range(5):
        raw = server.connect_raw()
        raw.sendall(sent[:-kept])
        raws.append(raw)
    wait_until(lambda: canary.places(server.api_pid()))  # the control
    for raw in raws:
        how(raw)
    wait_until(lambda: open_connections(server) == 0)
    check_gone(server, canary)


def test_values_of_slow_requests_are_gone():
    """The body never ends: 408, and nothing stays."""
    with Server(limits_body_seconds=1) as server:
        server.make_project(PROJECT)
        canary = Canary()
        sent = request(server, server.make_key(), body_of("KEY", canary.text * 30))
        with server.connect_raw() as raw:
            raw.sendall(sent[:-1])
            wait_until(lambda: canary.places(server.api_pid()))
            assert read_answers(raw, 1) == [408]
        wait_until(lambda: open_connections(server) == 0)
        check_gone(server, canary)


def test_deleted_and_overwritten_values_are_gone(server, key):
    canary = Canary()
    for number in range(30):
        assert ask(server, request(server, key, body_of("KEY", canary.text + str(number)))) == 200
    assert server.call("DELETE", "/projects/%s/secrets/KEY" % PROJECT, key=key).status == 200
    assert server.values(PROJECT) == {}
    check_gone(server, canary)
    check_in_no_file(server, canary)


def test_over_the_local_socket_values_are_gone_as_well(server):
    canary = Canary()
    for number in range(50):
        server.put(PROJECT, "KEY_%d" % number, canary.text + str(number))
    check_gone(server, canary)
    check_in_no_file(server, canary)
