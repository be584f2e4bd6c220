"""Slow and many clients beside a well-behaved one, in small: what ./dev torture slow measures at
length. No time is asserted here."""
import contextlib
import os
import random
import signal
import socket
import time

import pytest

from harness import BUILD, Server, is_alive, wait_until
from rawhttp import over_tcp, over_unix, request

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CROWD = 150
MIB = 1024 * 1024
GROWS_MIB_MAX = 24 if BUILD == "release" else 400  # a sanitizer's allocator keeps what was freed


class FewDescriptors(Server):
    def __init__(self, most):
        super().__init__(limits_failed_auth_per_minute=0)
        self.most = most

    def command(self):
        return ["prlimit", "--nofile=%d" % self.most, "--"] + super().command()


def resident(pid):
    with open("/proc/%d/statm" % pid) as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0, limits_head_seconds=2, limits_body_seconds=2,
                limits_idle_seconds=2) as one:
        one.make_project("p")
        one.put("p", "A", "value-of-a")
        one.key = one.make_key()
        yield one


def crowd(server, first, receive_bytes=None):
    every = []
    for _ in range(CROWD):
        raw = socket.socket()
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.connect(("127.0.0.1", server.port))
        raw.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            raw.send(first)
        every.append(raw)
    return every


def list_of(server):
    return request("GET", "/api/v1/projects/p/secrets", key=server.key)


ATTACKS = {
    "idle": lambda server: (b"", None),
    "half a TLS hello": lambda server: (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", None),
    "half a head": lambda server: (GET[:-2], None),
    "half a body": lambda server: (request(
        "POST", "/api/v1/projects/p/secrets", [("Content-Length", "65536")], key=server.key)
        + b" " * 30000, None),
    "answers that are not read": lambda server: (list_of(server) * 300, 4096),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_well_behaved_client_keeps_its_answers(server, name):
    first, receive_bytes = ATTACKS[name](server)
    before = descriptors(server.api_pid())
    memory = resident(server.api_pid())
    with over_tcp(server) as good:
        expected = good.send(list_of(server)).answer().body
        every = crowd(server, first, receive_bytes)
        wait_until(lambda: descriptors(server.api_pid()) >= before + CROWD)
        for _ in range(100):
            assert good.send(list_of(server)).answer().body == expected
        if name != "idle":
            grown = (resident(server.api_pid()) - memory) // MIB
            assert grown <= GROWS_MIB_MAX, "%d MiB" % grown
        # They do not close, and hold their places (the control, seen above) for the time of a head
        # or a body and, behind the answer, of an idle connection; no longer.
        if name != "answers that are not read":
            wait_until(lambda: descriptors(server.api_pid()) <= before + 1)
        for raw in every:
            raw.close()
    wait_until(lambda: descriptors(server.api_pid()) <= before + 1)


def test_floods_leave_nothing_behind(server):
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    draw = random.Random(seed)
    before = descriptors(server.api_pid())
    memory = resident(server.api_pid())
    with over_tcp(server) as good:
        for _ in range(1500):
            raw = server.connect_raw()
            if draw.random() < 0.3:  # closing resets
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            with contextlib.suppress(OSError):
                raw.send(draw.choice([b"", GET, GET[:9], b"\0\r\n\r\n", GET * 50, b"A" * 9000]))
            raw.close()
        assert good.send(GET).answer().status == 200
    wait_until(lambda: descriptors(server.api_pid()) <= before + 1)
    assert (resident(server.api_pid()) - memory) // MIB <= GROWS_MIB_MAX


def test_a_crowd_that_is_there_at_once_is_accepted_whole(server):
    """More than the server accepts in one turn wait for it when it goes on."""
    every = []
    os.kill(server.api_pid(), signal.SIGSTOP)
    try:
        for _ in range(600):
            every.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            every[-1].sendall(GET)
    finally:
        os.kill(server.api_pid(), signal.SIGCONT)
    for raw in every:
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        raw.close()


def upsert(server):
    return request("POST", "/api/v1/projects/p/secrets", (), {"key": "B", "value": "v"}, server.key)


@pytest.mark.parametrize("asked", [lambda server: GET, upsert], ids=["read", "write"])
def test_a_client_that_never_reads_is_cut_off(server, asked):
    before = descriptors(server.api_pid())
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    raw.settimeout(1)
    with raw:
        with contextlib.suppress(OSError):  # it takes no more, or has cut it off
            for _ in range(10):
                raw.sendall(asked(server) * 500)
        wait_until(lambda: descriptors(server.api_pid()) <= before)


@pytest.mark.parametrize("asked", [
    lambda server: GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    lambda server: upsert(server).replace(b"Host:", b"Connection: close\r\nHost:"),
    lambda server: b"no request\r\n\r\n"], ids=["read", "write", "refused"])
def test_a_client_that_stays_behind_its_last_answer_is_cut_off(server, asked):
    before = descriptors(server.api_pid())
    with over_tcp(server) as wire:
        assert wire.send(asked(server)).answer().get("Connection") == "close"
        assert wire.answer() is None  # the server's half is closed, this one is not
        wait_until(lambda: descriptors(server.api_pid()) <= before)


def kernel_holds(server, client):
    """Bytes of answers that the kernel keeps for this client, which does not read."""
    pair = ["0100007F:%04X" % port for port in (server.port, client.getsockname()[1])]
    with open("/proc/net/tcp") as table:
        lines = [line.split() for line in table]
    return next(int(one[4].split(":")[0], 16) for one in lines if one[1:3] == pair)


def test_a_client_that_does_not_read_costs_little_of_the_kernels_memory(server):
    """Left alone, the kernel takes megabytes of answers for each connection."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    raw.settimeout(1)
    with raw:
        with pytest.raises(TimeoutError):
            for _ in range(100):  # 6 MB, which would be answered by 40
                raw.sendall(GET * 2000)
        assert 0 < kernel_holds(server, raw) <= 512 * 1024


def test_with_descriptors_used_up_who_is_connected_is_served():
    """By api.sock, for the network has fewer places than there are descriptors."""
    with FewDescriptors(120) as own:
        before = descriptors(own.api_pid())
        with over_tcp(own) as kept:
            assert kept.send(GET).answer().status == 200
            every = [over_unix(own.api_socket).send(GET) for _ in range(CROWD)]
            wait_until(lambda: descriptors(own.api_pid()) == 120)  # the control: they are used up
            for _ in range(50):
                assert kept.send(GET).answer().status == 200
            for wire in every:
                wire.raw.close()
        wait_until(lambda: descriptors(own.api_pid()) <= before + 1)
        assert own.call("GET", "/projects", key=own.make_key()).status == 200
        assert is_alive(own.pid)


def test_a_crowd_takes_no_descriptor_that_the_store_needs():
    """Its log is full several times, and it opens the next: without one it would end the server."""
    with FewDescriptors(200) as own:
        own.make_project("p")
        key = own.make_key()
        assert "fewer connections are taken" in own.log()
        value = "\U0001f511" * 4096
        with over_tcp(own) as kept:
            assert kept.send(GET).answer().status == 200
            every = crowd(own, GET) + crowd(own, GET)
            refused = [raw for raw in every if is_refused(raw)]
            assert len(refused) > CROWD  # the control: more than there are places for
            before = files_of_log(own)
            for number in range(2500):  # 40 MB
                kept.send(request("POST", "/api/v1/projects/p/secrets", (),
                                  {"key": "K%d" % (number % 20), "value": value}, key))
                assert kept.answer().status == 200
            assert not files_of_log(own) & before  # the control: it did open others
            for raw in every:
                raw.close()
        assert own.values("p")["K0"] == value
        assert own.stop() == 0


def is_refused(raw):
    raw.settimeout(60)
    return raw.recv(4096).startswith(b"HTTP/1.1 503 ")


def files_of_log(server):
    return {name for name in os.listdir(os.path.join(server.data, "store"))
            if name.endswith(".log")}
