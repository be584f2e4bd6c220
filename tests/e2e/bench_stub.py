"""A server of tacit's API in memory, to see whether tacit-bench notices what is wrong with one."""
import http.server
import json
import re
import socket
import threading
import time

TIME = "2026-04-18T09:12:44.000Z"


class Stub(http.server.ThreadingHTTPServer):
    """with Stub(lie) as s: … — lie(request, status, document) returns what is answered instead.

    request is (method, what), what being "projects", "project", "secrets" or "secret". Requests
    are answered one at a time."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, lie=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lie = lie or (lambda request, status, document: (status, document))
        self.projects = {}
        self.keys = set()
        self.version = 0
        self.lock = threading.Lock()
        self.url = "http://127.0.0.1:%d" % self.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # connections that break are part of the tests

    def next_version(self):
        self.version += 1
        return self.version

    def answer(self, method, path, body):
        """(what, status, document, ETag or None)"""
        if path == "/projects":
            if method == "GET":
                return "projects", 200, {"data": [{"id": p} for p in self.projects]}, None
            self.projects[body["id"]] = {}
            return "projects", 201, {"data": {"project": {"id": body["id"]}}}, None
        if path == "/api-keys":
            self.keys.add("k1")
            made = {"id": "k1", "rawKey": "tac_stub", "keyPrefix": "tac_"}
            return "keys", 201, {"data": made}, None
        if path.startswith("/api-keys/"):
            self.keys.discard("k1")
            return "key", 200, {"data": {"success": True}}, None
        project, rest = re.fullmatch("/projects/([^/]+)(.*)", path).groups()
        if rest == "":
            existed = self.projects.pop(project, None) is not None
            return "project", 200, {"data": {"success": True, "existed": existed}}, None
        secrets = self.projects[project]
        if method == "GET":
            shown = [secrets[key] for key in sorted(secrets)]
            return "secrets", 200, {"data": {"secrets": shown}}, 1
        if method == "DELETE":
            existed = secrets.pop(rest.rsplit("/", 1)[1], None) is not None
            return "secret", 200, {"data": {"success": True, "existed": existed}}, None
        secret = {"key": body["key"], "lastFour": body["value"][-4:], "createdAt": TIME,
                  "updatedAt": TIME}
        secrets[body["key"]] = secret
        return "secret", 200, {"data": {"secret": secret}}, self.next_version()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.removeprefix("/api/v1")
        with self.server.lock:
            what, status, document, tag = self.server.answer(
                self.command, path, json.loads(body) if body else None)
            document = json.loads(json.dumps(document))  # a copy, for the lie to change
            status, document = self.server.lie((self.command, what), status, document)
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if tag is not None:
            self.send_header("ETag", '"%d"' % tag)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass


class Stall:
    """A lie that stops the whole server once, so many lists after the first."""

    def __init__(self, after, seconds):
        self.left, self.seconds = after, seconds

    def __call__(self, request, status, document):
        if request == ("GET", "secrets"):
            self.left -= 1
            if self.left == 0:
                time.sleep(self.seconds)
        return status, document


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
