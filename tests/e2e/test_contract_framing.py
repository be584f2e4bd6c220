"""What of HTTP/1.1 is taken and what is refused, to the byte and however it is cut up."""
import json
import time

import pytest

from harness import Server, wait_until
from rawhttp import WAYS, Wire, ask, over_tcp, request

CLOSES, STAYS = True, False


@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0) as one:
        one.make_project("p")
        one.key = one.make_key()
        yield one


def get(*lines, start="GET /livez HTTP/1.1", host="Host: x"):
    every = [start] + ([host] if host else []) + list(lines)
    return "\r\n".join(every).encode("latin-1") + b"\r\n\r\n"


def post(*lines, body=b'{"name":"x"}', start="POST /api/v1/projects HTTP/1.1"):
    return get(*lines, start=start) + body


CHUNKED = b"3\r\nabc\r\n0\r\n\r\n"
LONGEST = "/" + "a" * 1023
FIELDS_63 = ["F%d: x" % i for i in range(63)]


def head_of(size):
    """A request whose head has exactly that many bytes."""
    start = get("Fill: ")
    return get("Fill: " + "x" * (size - len(start)))


# name, bytes, status, code (None: not an error), whether the connection closes
ROWS = [
    ("plain", get(), 200, None, STAYS),
    ("close asked for", get("Connection: close"), 200, None, CLOSES),
    ("close in a list", get("Connection: x, Close"), 200, None, CLOSES),
    ("http 1.0", get(start="GET /livez HTTP/1.0"), 200, None, CLOSES),
    ("http 1.0 keep-alive", get("Connection: keep-alive", start="GET /livez HTTP/1.0"), 200, None,
     STAYS),
    ("empty line first", b"\r\n" + get(), 200, None, STAYS),
    ("two empty lines first", b"\r\n\r\n" + get(), 400, "VALIDATION_ERROR", CLOSES),
    ("tab around a value", get("A:\tb\t"), 200, None, STAYS),
    ("empty value", get("A:"), 200, None, STAYS),
    ("latin-1 in a value", get("A: caf\u00e9"), 200, None, STAYS),
    ("body with GET", get("Content-Length: 3") + b"abc", 200, None, STAYS),
    ("length zero with GET", get("Content-Length: 0"), 200, None, STAYS),
    ("leading zeros in a length", get("Content-Length: 003") + b"abc", 200, None, STAYS),
    ("host with port", get(host="Host: localhost:80"), 200, None, STAYS),
    ("host in brackets", get(host="Host: [::1]:80"), 200, None, STAYS),
    # Transfer-Encoding
    ("chunked", post("Transfer-Encoding: chunked", body=CHUNKED), 411, "LENGTH_REQUIRED", CLOSES),
    ("chunked with GET", get("Transfer-Encoding: chunked") + CHUNKED, 411, "LENGTH_REQUIRED",
     CLOSES),
    ("gzip", post("Transfer-Encoding: gzip", body=b"x"), 411, "LENGTH_REQUIRED", CLOSES),
    ("identity", post("Transfer-Encoding: identity", "Content-Length: 12"), 411,
     "LENGTH_REQUIRED", CLOSES),
    ("chunked and length", post("Transfer-Encoding: chunked", "Content-Length: 5", body=CHUNKED),
     411, "LENGTH_REQUIRED", CLOSES),
    ("two encodings", post("Transfer-Encoding: gzip, chunked", body=CHUNKED), 411,
     "LENGTH_REQUIRED", CLOSES),
    ("chunked, strange case", post("tRANSFER-eNCODING: cHUNKED", body=CHUNKED), 411,
     "LENGTH_REQUIRED", CLOSES),
    # Content-Length
    ("no length with POST", post(body=b""), 411, "LENGTH_REQUIRED", CLOSES),
    ("no length with PUT", get(start="PUT /livez HTTP/1.1"), 411, "LENGTH_REQUIRED", CLOSES),
    ("two lengths", post("Content-Length: 12", "Content-Length: 13"), 400, "VALIDATION_ERROR",
     CLOSES),
    ("two equal lengths", post("Content-Length: 12", "Content-Length: 12"), 400,
     "VALIDATION_ERROR", CLOSES),
    ("list of lengths", post("Content-Length: 12, 12"), 400, "VALIDATION_ERROR", CLOSES),
    ("plus", post("Content-Length: +12"), 400, "VALIDATION_ERROR", CLOSES),
    ("minus", post("Content-Length: -1"), 400, "VALIDATION_ERROR", CLOSES),
    ("hexadecimal", post("Content-Length: 0xc"), 400, "VALIDATION_ERROR", CLOSES),
    ("point", post("Content-Length: 12.0"), 400, "VALIDATION_ERROR", CLOSES),
    ("empty length", post("Content-Length: "), 400, "VALIDATION_ERROR", CLOSES),
    ("length with a space in it", post("Content-Length: 1 2"), 400, "VALIDATION_ERROR", CLOSES),
    ("length beyond 64 bits", post("Content-Length: 18446744073709551628"), 400,
     "VALIDATION_ERROR", CLOSES),
    ("length of 64 KiB and one", post("Content-Length: 65537"), 413, "PAYLOAD_TOO_LARGE", CLOSES),
    ("length too large with GET", get("Content-Length: 65537"), 413, "PAYLOAD_TOO_LARGE", CLOSES),
    # Lines
    ("folded", get("A: b\r\n c"), 400, "VALIDATION_ERROR", CLOSES),
    ("folded with a tab", get("A: b\r\n\tc"), 400, "VALIDATION_ERROR", CLOSES),
    ("folded first line", b"GET /livez HTTP/1.1\r\n Host: x\r\n\r\n", 400, "VALIDATION_ERROR",
     CLOSES),
    ("bare LF everywhere", b"GET /livez HTTP/1.1\nHost: x\n\n", 400, "VALIDATION_ERROR", CLOSES),
    ("bare LF once", b"GET /livez HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, "VALIDATION_ERROR",
     CLOSES),
    ("bare CR", b"GET /livez HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 400, "VALIDATION_ERROR", CLOSES),
    ("NUL in a value", get("A: b\0c"), 400, "VALIDATION_ERROR", CLOSES),
    ("NUL in a name", get("A\0: c"), 400, "VALIDATION_ERROR", CLOSES),
    ("NUL in the target", get(start="GET /li\0vez HTTP/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("DEL in a value", get("A: b\x7fc"), 400, "VALIDATION_ERROR", CLOSES),
    ("escape in a value", get("A: b\x1bc"), 400, "VALIDATION_ERROR", CLOSES),
    ("space before the colon", get("A : b"), 400, "VALIDATION_ERROR", CLOSES),
    ("space before the colon of a length", post("Content-Length : 12"), 400, "VALIDATION_ERROR",
     CLOSES),
    ("no colon", get("Abc"), 400, "VALIDATION_ERROR", CLOSES),
    ("no name", get(": b"), 400, "VALIDATION_ERROR", CLOSES),
    ("bracket in a name", get("A[: b"), 400, "VALIDATION_ERROR", CLOSES),
    # The request line
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400,
     "VALIDATION_ERROR", CLOSES),
    ("words", b"hello there\r\n\r\n", 400, "VALIDATION_ERROR", CLOSES),
    ("no version", b"GET /livez\r\n\r\n", 400, "VALIDATION_ERROR", CLOSES),
    ("two spaces", get(start="GET  /livez HTTP/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("space in the target", get(start="GET /li vez HTTP/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("absolute form", get(start="GET http://x/livez HTTP/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("asterisk", get(start="OPTIONS * HTTP/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("authority form", get(start="CONNECT x:80 HTTP/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("http 2.0", get(start="GET /livez HTTP/2.0"), 400, "VALIDATION_ERROR", CLOSES),
    ("http 1.2", get(start="GET /livez HTTP/1.2"), 400, "VALIDATION_ERROR", CLOSES),
    ("http 0.9", get(start="GET /livez HTTP/0.9"), 400, "VALIDATION_ERROR", CLOSES),
    ("preface of http 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "VALIDATION_ERROR", CLOSES),
    ("lower-case http", get(start="GET /livez http/1.1"), 400, "VALIDATION_ERROR", CLOSES),
    ("lower-case method", get(start="get /livez HTTP/1.1"), 405, "METHOD_NOT_ALLOWED", STAYS),
    ("method of our own", get(start="BREW /livez HTTP/1.1"), 405, "METHOD_NOT_ALLOWED", STAYS),
    # Host
    ("no host", get(host=None), 400, "VALIDATION_ERROR", CLOSES),
    ("two hosts", get("Host: y"), 400, "VALIDATION_ERROR", CLOSES),
    ("two equal hosts", get("Host: x"), 400, "VALIDATION_ERROR", CLOSES),
    ("two names in the host", get(host="Host: x, y"), 400, "VALIDATION_ERROR", CLOSES),
    ("path in the host", get(host="Host: x/y"), 400, "VALIDATION_ERROR", CLOSES),
    ("user in the host", get(host="Host: u@x"), 400, "VALIDATION_ERROR", CLOSES),
    # Twice what can be there once
    ("two keys", get("Authorization: Bearer a", "Authorization: Bearer b"), 400,
     "VALIDATION_ERROR", CLOSES),
    ("two content types", post("Content-Length: 12", "Content-Type: text/plain",
                               "Content-Type: application/json"), 400, "VALIDATION_ERROR", CLOSES),
    ("an expectation of our own", get("Expect: tea"), 400, "VALIDATION_ERROR", CLOSES),
    # Limits
    ("target of 1024", get(start="GET %s HTTP/1.1" % LONGEST), 404, "NOT_FOUND", STAYS),
    ("target of 1025", get(start="GET %sa HTTP/1.1" % LONGEST), 414, "URI_TOO_LONG", CLOSES),
    ("target without an end", b"GET " + LONGEST.encode() + b"aaaa", 414, "URI_TOO_LONG", CLOSES),
    ("64 fields", get(*FIELDS_63), 200, None, STAYS),
    ("65 fields", get("F63: x", *FIELDS_63), 431, "HEADERS_TOO_LARGE", CLOSES),
    ("head of 8192", head_of(8192), 200, None, STAYS),
    ("head of 8193", head_of(8193), 431, "HEADERS_TOO_LARGE", CLOSES),
    ("head without an end", head_of(8300)[:-60], 431, "HEADERS_TOO_LARGE", CLOSES),
    ("body of 65536", post("Content-Length: 65536", body=b'{"name":"x"' + b" " * 65524 + b"}",
                           start="POST /livez HTTP/1.1"), 405, "METHOD_NOT_ALLOWED", STAYS),
]
BYTEWISE_MAX = 9000  # a longer one is cut once only


@pytest.mark.parametrize("how", WAYS)
def test_each_row_is_answered_alike_however_it_is_cut(server, how):
    wrong = []
    for seed, (name, data, status, code, closes) in enumerate(ROWS):
        if how == "bytes" and len(data) > BYTEWISE_MAX:
            continue
        with over_tcp(server) as wire:
            answer = wire.send(data, how, seed).answer()
            if answer is None:
                wrong.append((name, "closed without an answer"))
                continue
            got_code = answer.code() if answer.status >= 400 else None
            got = answer.status, got_code, wire.is_closed()
            if got != (status, code, closes):
                wrong.append((name, got))
            said = answer.get("Connection") == "close"
            if said != closes:
                wrong.append((name, "Connection says", answer.get("Connection")))
    assert wrong == []


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
    from rawhttp import over_unix
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
