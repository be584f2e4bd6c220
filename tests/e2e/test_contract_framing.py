"""What of HTTP/1.1 is taken and what is refused, to the byte and however it is cut up."""
import contextlib
import json
import os
import random
import re
import socket
import threading
import time

import pytest

from harness import ROOT, Server, wait_until
from framing_rows import CHUNKED, CODES, ROWS, STAYS, get, head_of, post
from rawhttp import WAYS, Wire, ask, over_tcp, over_unix, over_unix_as_a_stranger, request

@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0) as one:
        one.make_project("p")
        one.key = one.make_key()
        yield one


RANDOM_CUTTINGS = 3   # of each row
SEEN_BYTES_MAX = 9100  # of a row of which every byte is waited for


def answers_to(wire, data, how, seed, count):
    """The first `count` answers as statuses with their codes, what Connection says in the last,
    whether the connection then closes."""
    with wire:
        wire.send(data, how, seed)
        got, said = [], None
        for _ in range(count):
            answer = wire.answer()
            if answer is None:
                return got, said, True
            got.append((answer.status, answer.code() if answer.status >= 400 else None))
            said = answer.get("Connection")
        return got, said, wire.is_closed()


def wrong_rows(connect, how, seed, rows=tuple(ROWS)):
    for number, (clause, name, data, statuses, closes) in enumerate(rows):
        # The "all right" of an answer is its status, of an error also its code.
        expected = [(status, CODES.get(status)) for status in statuses]
        got, said, closed = answers_to(connect(), data, how, seed + number, len(statuses))
        if (got, closed) != (expected, closes):
            yield clause, name, "seed %d" % (seed + number), got, closed
        elif (said == "close") != closes:
            yield clause, name, "Connection says", said


def seed_of_this_run():
    """TACIT_SEED, or another each time: printed, and part of every finding."""
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    return seed


def test_the_table_is_large_and_says_each_thing_once():
    assert len(ROWS) >= 150
    assert len({(clause, name) for clause, name, *_ in ROWS}) == len(ROWS)
    assert len({data for _, _, data, *_ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("how", ["whole", "bytes"])
def test_each_row_is_answered_as_it_says(server, how):
    assert list(wrong_rows(lambda: over_tcp(server), how, 0)) == []


def test_each_row_is_answered_alike_cut_at_random_places(server):
    seed = seed_of_this_run()
    for again in range(RANDOM_CUTTINGS):
        assert list(wrong_rows(lambda: over_tcp(server), "cuts", seed + again * 1_000_000)) == []


@pytest.mark.skipif(not ROOT, reason="needs root, to be a stranger at api.sock")
@pytest.mark.parametrize("how", ["bytes", "cuts"])
def test_each_row_is_answered_alike_when_every_piece_is_seen_before_the_next(server, how):
    seed = seed_of_this_run()
    rows = [row for row in ROWS if how == "cuts" or len(row[2]) <= SEEN_BYTES_MAX]
    assert len(rows) > 250
    assert list(wrong_rows(lambda: over_unix_as_a_stranger(server.api_socket), how, seed,
                           rows)) == []


@pytest.mark.skipif(not ROOT, reason="needs root, to be a stranger at api.sock")
def test_a_client_of_http_1_1_is_told_to_go_on_and_one_of_1_0_is_not(server):
    """The control of the above: what depends on where a request is cut is seen."""
    for version, statuses in (("1.1", [100, 401]), ("1.0", [401])):
        data = post("Expect: 100-continue", "Content-Length: 12",
                    start="POST /api/v1/projects HTTP/" + version)
        with over_unix_as_a_stranger(server.api_socket) as wire:
            wire.send(data, "bytes")
            assert [wire.answer().status for _ in statuses] == statuses


def test_rows_that_stay_are_answered_alike_behind_one_another(server):
    """In any order on one connection, and each twice: nothing is left of the one before."""
    draw = random.Random(seed_of_this_run())
    staying = [row for row in ROWS if row[4] == STAYS and len(row[2]) < 5000] * 2
    draw.shuffle(staying)
    with over_tcp(server) as wire:
        for clause, name, data, statuses, _ in [one for row in staying for one in (row, row)]:
            wire.send(data, "cuts", draw.randrange(1 << 30))
            to_head = data.startswith(b"HEAD")
            assert [wire.answer(to_head).status for _ in statuses] == statuses, (clause, name)


class EasyGoingServer:
    """Takes whatever looks like a request, by the first length that it can read: the control."""

    def __enter__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listening.close()

    def serve(self):
        while True:
            try:
                taken, _ = self.listening.accept()
            except OSError:
                return
            with taken, contextlib.suppress(OSError):
                self.serve_one(taken)

    def serve_one(self, taken):
        taken.settimeout(0.1)
        held = b""
        while True:
            try:
                got = taken.recv(65536)
                if not got:
                    return
                held += got
                continue
            except TimeoutError:
                pass  # all is here that will come
            while held:
                head, _, held = held.replace(b"\r\n", b"\n").partition(b"\n\n")
                length = re.search(rb"(?i)content-length:\s*(\d+)", head)
                held = held[int(length.group(1)) if length else 0:]
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def connect_raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


def test_the_table_tells_a_strict_server_from_an_easy_going_one():
    refused = [row for row in ROWS if max(row[3]) >= 400 and len(row[2]) < 200][::8]
    with EasyGoingServer() as control:
        for number, (clause, name, data, statuses, closes) in enumerate(refused):
            expected = [(status, CODES.get(status)) for status in statuses]
            got, _, closed = answers_to(over_tcp(control), data, "whole", number, len(statuses))
            assert (got, closed) != (expected, closes), (clause, name)


def statuses(server, data):
    got = []
    for how in WAYS:
        with over_tcp(server) as wire:
            got.append(wire.send(data, how).answer().status)
    return got


def test_bytes_behind_a_head_do_not_touch_it(server):
    assert statuses(server, get() + b"\0") == [200] * 3
    assert statuses(server, get("Content-Length: 6") + b"\0\n\r\r\n\0") == [200] * 3


def test_two_faults_are_answered_alike_however_they_are_cut(server):
    late = statuses(server, head_of(8300)[:-10] + b"\0\r\n\r\n")
    inside = statuses(server, get(start="GET /" + "a" * 500 + "\0" + "a" * 600 + " HTTP/1.1"))
    assert (len(set(late)), len(set(inside))) == (1, 1)


def test_every_place_to_cut_a_request(server):
    data = post("Content-Length: 2", "Content-Type: application/json", body=b"{}",
                start="POST /api/v1/projects HTTP/1.1")
    for at in range(1, len(data)):
        with over_tcp(server) as wire:
            wire.raw.sendall(data[:at])
            wire.raw.sendall(data[at:])
            assert wire.answer().status == 401, at


def test_a_refused_request_says_so_like_any_other(server):
    answer = ask(server, get("Transfer-Encoding: chunked"))
    assert answer.names() == ["cache-control", "connection", "content-length", "content-type",
                              "date", "x-content-type-options", "x-request-id"]
    assert answer.body == (b'{"error":{"code":"LENGTH_REQUIRED",'
                           b'"message":"Send the body with one Content-Length"}}')


# --- pipelining ---

def test_pipelined_requests_are_answered_in_order(server):
    data = b"".join(request("GET", "/livez", [("X-Request-Id", "n%d" % i)]) for i in range(200))
    for how in WAYS:
        with over_tcp(server) as wire:
            wire.send(data, how, 7)
            assert [wire.answer().get("X-Request-Id") for _ in range(200)] == [
                "n%d" % i for i in range(200)]
            assert not wire.is_closed()


def test_a_pipelined_read_sees_the_write_before_it(server):
    server.make_project("pipe")
    target = "/api/v1/projects/pipe/secrets"
    data = b""
    for i in range(10):
        data += request("GET", target, key=server.key)
        data += request("POST", target, body={"key": "K%d" % i, "value": "v"}, key=server.key)
    data += request("GET", target, key=server.key)
    with over_tcp(server) as wire:
        wire.send(data, "split", 3)
        for i in range(10):
            assert len(wire.answer().json["data"]["secrets"]) == i
            assert wire.answer().json["data"]["secret"]["key"] == "K%d" % i
        assert len(wire.answer().json["data"]["secrets"]) == 10


def test_bytes_of_a_body_are_no_request(server):
    inner = request("GET", "/api/v1/user/me", key=server.key)
    with over_tcp(server) as wire:
        wire.send(request("GET", "/livez", body=inner) + request("GET", "/healthz", [("A", "b")]))
        assert wire.answer().json["data"]["status"] == "ok"
        assert wire.answer().json["data"]["status"] == "ok"
        assert not wire.is_closed()


def test_nothing_is_answered_behind_a_refused_request(server):
    ahead = request("GET", "/livez")
    for refused in (get("Transfer-Encoding: chunked"), get("A : b"), post(body=b"")):
        with over_tcp(server) as wire:
            wire.send(ahead + refused + request("GET", "/livez") * 5)
            assert wire.answer().status == 200
            assert wire.answer().status in (400, 411)
            assert wire.answer() is None


def test_requests_behind_an_ordinary_error_are_answered(server):
    with over_tcp(server) as wire:
        wire.send(request("GET", "/nowhere") + request("GET", "/api/v1/user/me") +
                  request("POST", "/livez", body=b"abc") + request("GET", "/livez"))
        assert [wire.answer().status for _ in range(4)] == [404, 401, 405, 200]


def test_nothing_is_answered_behind_a_connection_close(server):
    with over_tcp(server) as wire:
        wire.send(get("Connection: close") + request("GET", "/livez"))
        assert wire.answer().status == 200
        assert wire.answer() is None


def test_a_write_with_connection_close_is_answered_and_done(server):
    with over_tcp(server) as wire:
        wire.send(request("POST", "/api/v1/projects/p/secrets", [("Connection", "close")],
                          {"key": "CLOSED", "value": "v"}, server.key))
        answer = wire.answer()
        assert (answer.status, answer.get("Connection")) == (200, "close")
        assert wire.answer() is None
    assert server.values("p")["CLOSED"] == "v"


def test_a_client_that_stops_sending_still_gets_its_answer(server):
    with over_tcp(server) as wire:
        wire.send(request("POST", "/api/v1/projects/p/secrets", (), {"key": "HALF", "value": "v"},
                          server.key))
        wire.raw.shutdown(1)
        assert wire.answer().status == 200
        assert wire.answer() is None


def test_a_large_refused_body_does_not_break_the_answer(server):
    data = post("Content-Length: 100000", body=b"x" * 100000)
    for _ in range(20):
        answer = ask(server, data)
        assert (answer.status, answer.code()) == (413, "PAYLOAD_TOO_LARGE")


def test_any_transfer_encoding_is_411_whatever_stands_before_it(server):
    for length in ("5", "0", "x"):
        answer = ask(server, post("Content-Length: " + length, "Transfer-Encoding: chunked",
                                  body=CHUNKED))
        assert (answer.status, answer.code()) == (411, "LENGTH_REQUIRED")


def test_no_answer_to_head_has_a_body(server):
    for target, status in (("/livez", 405), ("/none", 404), ("/api/v1/projects", 405)):
        with over_tcp(server) as wire:
            wire.send(request("HEAD", target) + request("GET", "/livez"))
            answer = wire.answer(to_head=True)
            assert answer.status == status
            assert wire.answer().status == 200
    for fault, status in (("Content-Length: 65537", 413), ("A : b", 400), ("Host: y", 400)):
        with over_tcp(server) as wire:
            wire.send(get(fault, start="HEAD /livez HTTP/1.1"))
            answer = wire.answer(to_head=True)
            assert (answer.status, answer.get("Connection")) == (status, "close")


def test_a_client_that_waits_for_100_continue_is_told(server):
    data = request("POST", "/api/v1/projects/p/secrets",
                   [("Expect", "100-continue"), ("Content-Length", "29")], key=server.key)
    with over_tcp(server) as wire:
        wire.raw.settimeout(3)
        wire.send(data)
        assert wire.answer().status == 100
        wire.send(b'{"key":"EXPECTED","value":1 }')
        assert wire.answer().status == 400


def test_no_100_for_what_is_refused_or_has_no_body(server):
    expects = "Expect: 100-continue"
    for data, status in ((post(expects, "Content-Length: 65537", body=b""), 413),
                         (post(expects, body=b""), 411), (get(expects), 200),
                         (post(expects, "Content-Length: 0", body=b""), 401)):
        assert ask(server, data).status == status


def test_expect_with_the_body_sent_at_once(server):
    body = {"key": "EXPECTED", "value": "v"}
    with over_tcp(server) as wire:
        wire.send(request("POST", "/api/v1/projects/p/secrets", [("Expect", "100-continue")],
                          body, server.key))
        answer = wire.answer()
        if answer.status == 100:
            answer = wire.answer()
        assert answer.status == 200


# --- time ---

@pytest.fixture(scope="module")
def impatient():
    with Server(limits_head_seconds=1, limits_body_seconds=1, limits_idle_seconds=2) as one:
        yield one


def test_slow_clients(impatient):
    """All at once, so that their waits overlap."""
    half_head = over_tcp(impatient).send(b"GET /livez HTTP/1.1\r\nHost:")
    half_body = over_tcp(impatient).send(get("Content-Length: 5") + b"abc")
    idle = over_tcp(impatient)
    after_one = over_tcp(impatient).send(get())
    assert after_one.answer().status == 200
    for wire in (half_head, half_body):
        answer = wire.answer()
        assert (answer.status, answer.code()) == (408, "REQUEST_TIMEOUT")
        assert answer.get("Connection") == "close"
        assert answer.body == (b'{"error":{"code":"REQUEST_TIMEOUT",'
                               b'"message":"The request did not arrive in time"}}')
        assert wire.answer() is None
    for wire in (idle, after_one):
        assert wire.answer() is None  # idle: closed without a word


def test_a_trickle_does_not_buy_time(impatient):
    import time
    with over_tcp(impatient) as wire:
        wire.raw.settimeout(0.2)
        began = time.monotonic()
        answer = None
        while answer is None and time.monotonic() - began < 10:
            wire.send(b"G" if time.monotonic() - began < 0.1 else b"a")
            try:
                answer = wire.answer()
            except TimeoutError:
                continue
        assert answer.status == 408
        assert time.monotonic() - began < 5


# --- connections ---

def test_one_connection_too_many_is_told():
    with Server(limits_connections=4) as server:
        taken = [over_tcp(server) for _ in range(4)]
        for wire in taken:
            assert wire.send(get()).answer().status == 200
        for _ in range(20):
            with over_tcp(server) as wire:
                answer = wire.answer()
                assert (answer.status, answer.code()) == (503, "SERVICE_UNAVAILABLE")
                assert answer.get("Retry-After") == "1"
                assert answer.get("Connection") == "close"
                assert wire.answer() is None
        taken.pop().raw.close()

        def is_served():
            with over_tcp(server) as wire:
                answer = wire.send(get()).answer()
                return answer is not None and answer.status == 200

        wait_until(is_served, 10)
        for wire in taken:
            assert not wire.is_closed()


def test_a_crowd_on_the_network_keeps_no_owner_out():
    """Who would end it, by revoking an API key, comes over api.sock."""
    with Server(limits_connections=2) as server:
        taken = [over_tcp(server) for _ in range(2)]
        for wire in taken:
            assert wire.send(get()).answer().status == 200
        assert ask(server, get()).status == 503  # the control
        assert server.owner("GET", "/projects").status == 200
        for wire in taken:
            assert not wire.is_closed()


def test_places_on_the_owners_socket_are_counted_for_themselves():
    with Server(limits_connections=2) as server:
        taken = [over_unix(server.api_socket) for _ in range(128)]
        for wire in taken:
            assert wire.send(get()).answer().status == 200
        with over_unix(server.api_socket) as wire:
            assert wire.answer().status == 503
        assert ask(server, get()).status == 200
        for wire in taken:
            wire.raw.close()

        def is_served():
            with contextlib.suppress(OSError):  # a refused one may be closed before it has sent
                return server.owner("GET", "/projects").status == 200

        wait_until(is_served, 10)


def test_a_connection_too_many_has_the_headers_of_every_answer():
    with Server(limits_connections=1) as server:
        with over_tcp(server) as first, over_tcp(server) as second:
            assert first.send(get()).answer().status == 200
            third = second.answer()
            assert third.names() == ["cache-control", "connection", "content-length",
                                     "content-type", "date", "retry-after",
                                     "x-content-type-options", "x-request-id"]
            assert third.get("X-Request-Id") != "none"


def test_a_connection_too_many_that_has_sent_already_is_told_too():
    with Server(limits_connections=1) as server:
        with over_tcp(server) as first:
            assert first.send(get()).answer().status == 200
            for _ in range(50):
                assert ask(server, get()).status == 503


def test_the_body_limit_is_a_setting():
    with Server(limits_body_bytes=1024, limits_head_bytes=1024) as server:
        assert ask(server, post("Content-Length: 1024", body=b" " * 1024)).status == 401
        assert ask(server, post("Content-Length: 1025", body=b" " * 1025)).status == 413
        assert ask(server, head_of(1024)).status == 200
        assert ask(server, head_of(1025)).status == 431


def test_bytes_that_arrive_late_are_not_mixed_up(server):
    """Two connections on their way at the same time, byte by byte in turn."""
    one = request("POST", "/api/v1/projects/p/secrets", (), {"key": "ONE", "value": "1" * 30},
                  server.key)
    two = request("POST", "/api/v1/projects/p/secrets", (), {"key": "TWO", "value": "2" * 30},
                  server.key)
    with over_tcp(server) as first, over_tcp(server) as second:
        for a, b in zip(one, two):
            first.raw.sendall(bytes([a]))
            second.raw.sendall(bytes([b]))
        assert json.loads(first.answer().body)["data"]["secret"]["key"] == "ONE"
        assert json.loads(second.answer().body)["data"]["secret"]["key"] == "TWO"
    values = server.values("p")
    assert (values["ONE"], values["TWO"]) == ("1" * 30, "2" * 30)


def test_the_socket_of_the_owner_takes_the_same_requests(server):
    for data, status in ((get(), 200), (get("Host: y"), 400), (get("A: b\r\n c"), 400),
                         (get(start="GET /api/v1/user/me HTTP/1.1"), 200)):
        with over_unix(server.api_socket) as wire:
            assert isinstance(wire, Wire) and wire.send(data).answer().status == status


def test_a_steady_pipelining_client_is_not_timed_out():
    """Each request has its own time: a piece of the next behind every answer is no slow head."""
    whole = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with Server(limits_head_seconds=1) as own:
        raw = own.connect_raw()
        raw.sendall(whole[:9])
        end = time.monotonic() + 4
        while time.monotonic() < end:
            raw.sendall(whole[9:] + whole[:9])
            assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.02)
        raw.close()
