"""Requests as bytes, answers as bytes: for tests where a client library would tidy up."""
import json
import random
import re
import socket

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
            if how == "whole":
                self.raw.sendall(data)
            elif how == "bytes":
                for i in range(len(data)):
                    self.raw.sendall(data[i:i + 1])
            elif how == "cuts":
                draw = random.Random(seed)
                cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randint(1, 8)))
                for begin, end in zip([0] + cuts, cuts + [len(data)]):
                    self.raw.sendall(data[begin:end])
            else:
                at = random.Random(seed).randrange(1, max(2, len(data)))
                self.raw.sendall(data[:at])
                self.raw.sendall(data[at:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused and closed before it had read all: the answer counts
        return self

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
