"""SIGTERM under load: every answered write is on disk, no answer is cut, exit 0."""
import json
import os
import random
import re
import signal
import socket
import threading

import pytest

from harness import Server

PROJECT = "proj_drain"
CONNECTIONS = 8
SECRETS = "/api/v1/projects/%s/secrets" % PROJECT
DEPTH = 16  # requests sent before the first answer, when pipelined


class Broken(Exception):
    """The connection ended in another way than between two answers."""


class Wire:
    """A connection that is read answer by answer; None when it ended between two."""

    def __init__(self, raw):
        self.raw = raw
        self.buffer = b""

    def send(self, data):
        """False when the server has closed already."""
        try:
            self.raw.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def read(self):
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head).group(1))
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return int(head.split()[1]), json.loads(rest[:length]), head
            chunk = self.raw.recv(65536)
            if not chunk:
                if self.buffer:
                    raise Broken("cut in an answer: %r" % self.buffer[-200:])
                return None
            self.buffer += chunk


class Client(threading.Thread):
    """Sends until the connection ends; keeps what was acknowledged."""

    def __init__(self, server, number, key, depth, gate):
        super().__init__()
        self.server, self.number, self.key, self.depth = server, number, key, depth
        self.gate = gate
        self.acknowledged = {}  # name -> turn
        self.values = {}  # name -> {turn: value}
        self.answers = 0
        self.lists = 0
        self.said_close = False
        self.failure = None

    def run(self):
        try:
            self.work()
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure
        finally:
            self.gate.count(end=True)

    def request(self, turn):
        """(bytes, what to remember) of one request."""
        common = "Host: localhost\r\nAuthorization: Bearer %s\r\n" % self.key
        if turn % 8 == 7:
            return ("GET %s HTTP/1.1\r\n%s\r\n" % (SECRETS, common)).encode(), None
        name = "KEY_%d_%d" % (self.number, turn % 2)
        value = "%d:%d:" % (self.number, turn) + "v" * (turn * 37 % 2000)
        self.values.setdefault(name, {})[turn] = value
        body = json.dumps({"key": name, "value": value})
        return ("POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s"
                % (SECRETS, common, len(body), body)).encode(), (name, turn)

    def take(self, answer, remembered):
        status, content, head = answer
        if self.said_close:
            raise Broken("an answer after Connection: close")
        self.said_close = re.search(rb"(?i)\r\nconnection: *close", head) is not None
        if status != 200:
            raise Broken("status %d: %r" % (status, content))
        if remembered is None:
            assert isinstance(content["data"]["secrets"], list)
            self.lists += 1
        else:
            name, turn = remembered
            assert content["data"]["secret"]["key"] == name
            self.acknowledged[name] = turn
        self.answers += 1
        self.gate.count()

    def work(self):
        wire = Wire(self.server.connect_raw())
        turn = 0
        try:
            while True:
                batch = []
                data = b""
                for _ in range(self.depth):
                    sent, remembered = self.request(turn)
                    turn += 1
                    data += sent
                    batch.append(remembered)
                wire.send(data)  # what was answered can be read also when not all could be sent
                for remembered in batch:
                    answer = wire.read()
                    if answer is None:
                        return
                    self.take(answer, remembered)
        finally:
            wire.raw.close()


class Gate:
    """Tells when so many answers have come, over all clients."""

    def __init__(self, after):
        self.left = after
        self.lock = threading.Lock()
        self.reached = threading.Event()

    def count(self, end=False):
        with self.lock:
            self.left -= 1
            if self.left <= 0 or end:
                self.reached.set()


def check_stored(server, clients):
    values = server.values(PROJECT)
    for client in clients:
        for name, turn in client.acknowledged.items():
            # The acknowledged value, or one that was sent later and whose answer did not come.
            later = {value for at, value in client.values[name].items() if at >= turn}
            assert values[name] in later, (name, turn, values[name][:40])
    listed = [one["key"] for one in server.owner("GET", "/projects/%s/secrets" % PROJECT)
              .data()["secrets"]]
    assert listed == sorted(values)
    count = server.owner("GET", "/projects/" + PROJECT).data()["project"]["secretCount"]
    assert count == len(listed)


@pytest.mark.parametrize("whom", ["keeper", "api"])
@pytest.mark.parametrize("depth", [1, DEPTH], ids=["one-by-one", "pipelined"])
@pytest.mark.parametrize("turn", range(3))
def test_sigterm_under_load(depth, whom, turn):
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    with Server() as server:
        server.make_project(PROJECT)
        key = server.make_key()
        gate = Gate(random.Random(seed).randint(20, 2000))
        clients = [Client(server, number, key, depth, gate) for number in range(CONNECTIONS)]
        for one in clients:
            one.start()
        assert gate.reached.wait(60)
        os.kill(server.pid if whom == "keeper" else server.api_pid(), signal.SIGTERM)
        for one in clients:
            one.join(60)
            assert not one.is_alive()
        assert server.process.wait(60) == 0
        assert [one.failure for one in clients if one.failure is not None] == [], seed
        assert sum(one.answers for one in clients) >= 20
        server.start()
        check_stored(server, clients)


@pytest.mark.parametrize("kept", [1, 12, 40, -1])
def test_a_cut_answer_would_be_seen(kept):
    """The control: an answer that ends too early, and one that is whole."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"data\":{}}"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer + answer[:kept])
        theirs.close()
        wire = Wire(ours)
        assert wire.read()[:2] == (200, {"data": {}})
        with pytest.raises(Broken):
            wire.read()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.close()
        wire = Wire(ours)
        assert wire.read()[0] == 200
        assert wire.read() is None


def test_a_request_that_is_coming_in_is_answered():
    """Its head and half of its body were there when the end was asked for."""
    with Server() as server:
        server.make_project(PROJECT)
        body = json.dumps({"key": "HALF", "value": "the whole value"}).encode()
        head = ("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                "Content-Length: %d\r\n\r\n" % (SECRETS, server.make_key(), len(body))).encode()
        wire = Wire(server.connect_raw())
        wire.send(head + body[:10])
        with server.connect_raw() as idle:
            for _ in range(8):  # others were served: ours was read
                server.call("GET", "/projects")
            os.kill(server.pid, signal.SIGTERM)
            assert idle.recv(1) == b""  # the drain has begun
        wire.send(body[10:])
        status, content, head = wire.read()
        assert (status, content["data"]["secret"]["key"]) == (200, "HALF")
        assert re.search(rb"(?i)\r\nconnection: *close", head)
        assert wire.read() is None
        wire.raw.close()
        assert server.process.wait(60) == 0
        server.start()
        assert server.values(PROJECT) == {"HALF": "the whole value"}


def test_during_the_drain_no_new_connection_is_served():
    with Server() as server:
        with server.connect_raw() as unfinished, server.connect_raw() as idle:
            unfinished.sendall(b"GET /livez HTTP/1.1\r\nHost: local")
            for _ in range(8):
                server.call("GET", "/projects")
            os.kill(server.pid, signal.SIGTERM)
            assert idle.recv(1) == b""
            refused = False
            with socket.socket() as late:
                late.settimeout(60)
                try:
                    late.connect(("127.0.0.1", server.port))
                    late.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    refused = late.recv(1) == b""
                except OSError:
                    refused = True
            assert refused
            unfinished.sendall(b"host\r\n\r\n")
            assert unfinished.recv(12) == b"HTTP/1.1 200"
            unfinished.close()
            idle.close()
            assert server.process.wait(60) == 0


def test_deliveries_under_way_are_answered_or_refused_whole():
    """Peers of keeper.sock during the drain: 200 with all, 503, or a clean end; never a 404."""
    with Server() as server:
        server.make_project(PROJECT)
        expected = {"KEY_%d" % number: "v" * 4000 for number in range(20)}
        for name, value in expected.items():
            server.put(PROJECT, name, value)
        seen, failures = set(), []
        gate = Gate(40)

        def fetch():
            try:
                while True:
                    try:
                        answer = server.deliver(PROJECT)
                    except (FileNotFoundError, ConnectionRefusedError):
                        return
                    except OSError as broken:
                        seen.add(type(broken).__name__)
                        return
                    except Exception as cut:  # pylint: disable=broad-except
                        seen.add(type(cut).__name__)  # RemoteDisconnected: before any byte
                        return
                    seen.add(answer.status)
                    if answer.status == 200 and answer.data()["env"] != expected:
                        failures.append(answer.body)
                    gate.count()
            finally:
                gate.count(end=True)
        threads = [threading.Thread(target=fetch) for _ in range(6)]
        for one in threads:
            one.start()
        assert gate.reached.wait(60)
        assert server.stop() == 0
        for one in threads:
            one.join(60)
        assert failures == []
        assert 200 in seen
        assert seen <= {200, 503, "RemoteDisconnected", "ConnectionResetError"}, seen
