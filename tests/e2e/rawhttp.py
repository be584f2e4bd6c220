"""Requests as bytes, answers as bytes: for tests where a client library would tidy up."""
import fcntl
import json
import os
import random
import re
import socket
import struct
import termios
import time

WAYS = ("whole", "bytes", "split")
CHARS_OF_DATE = r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"


class RawAnswer:
    def __init__(self, status_line, fields, body, raw):
        self.status_line, self.fields, self.body, self.raw = status_line, fields, body, raw
        self.status = int(status_line.split()[1])

    def get(self, name):
        """The field's value, None without it; a field that comes twice is a failure."""
        found = [value for field, value in self.fields if field.lower() == name.lower()]
        assert len(found) <= 1, (name, found)
        return found[0] if found else None

    def names(self):
        return sorted(field.lower() for field, _ in self.fields)

    @property
    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json["error"]["code"]

    def __repr__(self):
        return "<%r>" % self.raw


class Wire:
    """A connection that sends bytes as they are and reads answers one by one."""

    def __init__(self, raw):
        self.raw, self.held = raw, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()

    def send(self, data, how="whole", seed=0):
        try:
            for piece in pieces_of(data, how, seed):
                self.send_piece(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused and closed before it had read all: the answer counts
        return self

    def send_piece(self, piece):
        self.raw.sendall(piece)

    def more(self):
        try:
            got = self.raw.recv(65536)
        except ConnectionResetError:
            got = b""
        self.held += got
        return bool(got)

    def answer(self, to_head=False):
        """The next answer, None when the connection ends instead."""
        while b"\r\n\r\n" not in self.held:
            if not self.more():
                assert self.held == b"", self.held
                return None
        head, _, rest = self.held.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("ascii").split("\r\n")
        fields = [tuple(line.split(": ", 1)) for line in lines]
        length = 0
        for name, value in fields:
            if name.lower() == "content-length":
                length = int(value)
        status = int(status_line.split()[1])
        if status == 304 or 100 <= status < 200 or to_head:
            length = 0
        while len(rest) < length:
            assert self.more(), "the body of the answer is cut off: %r" % self.held
            rest = self.held.partition(b"\r\n\r\n")[2]
        body, self.held = rest[:length], rest[length:]
        return RawAnswer(status_line, fields, body, head + b"\r\n\r\n" + body)

    def is_closed(self):
        """True when the server ended the connection, False when it still answers."""
        try:
            self.raw.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return True
        answer = self.answer()
        if answer is None:
            return True
        assert answer.status == 200, answer
        return False


def pieces_of(data, how, seed):
    if how == "whole":
        cuts = []
    elif how == "bytes":
        cuts = range(1, len(data))
    elif how == "cuts":
        draw = random.Random(seed)
        cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randint(1, 8)))
    else:
        cuts = [random.Random(seed).randrange(1, max(2, len(data)))]
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)])]


class SeenWire(Wire):
    """Each piece is read by the server before the next is sent, which over TCP is for the two
    kernels to say: a busy server finds many pieces in one."""

    def send_piece(self, piece):
        super().send_piece(piece)
        waited = 0
        while self.unread():
            waited += 1
            time.sleep(0 if waited < 100 else 0.0002)

    def unread(self):
        """Whether the server has left anything of it. unix(7), tcp(7): SIOCOUTQ."""
        return struct.unpack("i", fcntl.ioctl(self.raw, termios.TIOCOUTQ, b"\0" * 4))[0] != 0


def request(method, target, fields=(), body=None, key=None, host="x", version="HTTP/1.1"):
    """A request's bytes. The length of a body is added."""
    lines = ["%s %s %s" % (method, target, version)]
    if host is not None:
        lines.append("Host: " + host)
    if key is not None:
        lines.append("Authorization: Bearer " + key)
    lines += ["%s: %s" % field for field in fields]
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    if body is not None:
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def over_tcp(server):
    return Wire(server.connect_raw())


def over_unix(path):
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(60)
    raw.connect(path)
    return Wire(raw)


def over_unix_as_a_stranger(path):
    """To api.sock, with whose every piece is seen, as a user whom it does not know: needs root."""
    os.seteuid(os.stat(path).st_uid)
    try:
        return SeenWire(over_unix(path).raw)
    finally:
        os.seteuid(0)


def ask(server, data, how="whole", to_head=False):
    """One answer on a connection of its own."""
    with over_tcp(server) as wire:
        answer = wire.send(data, how).answer(to_head)
        assert answer is not None, "closed without an answer"
        return answer


def without_changing_parts(answer):
    """The answer's bytes but for the request id, the date and the rate counters."""
    text = answer.raw.decode()
    text = re.sub(r"(?m)^Date: " + CHARS_OF_DATE + r"\r$", "Date\r", text)
    text = re.sub(r"(?m)^X-Request-Id: [A-Za-z0-9._-]{1,128}\r$", "Id\r", text)
    text = re.sub(r"(?m)^(X-RateLimit-(?:Remaining|Reset)): \d+\r$", r"\1\r", text)
    return re.sub(r"(?m)^(RateLimit: \"(?:read|write)\");r=\d+;t=\d+\r$", r"\1\r", text)
