"""A runtime on another machine: its identity, its commands, and what may stand between it and the
server."""
import base64
import contextlib
import http.client
import http.server
import json
import os
import subprocess
import threading

from harness import START_SECONDS_MAX, TACIT, clean_environment


class Runtime:
    """An identity in a folder of the test's own."""

    def __init__(self, folder, name="web"):
        self.file = os.path.join(str(folder), name + ".identity")
        made = self.tacit("runtime", "keygen", "--identity", self.file)
        assert made.returncode == 0, made.stderr
        self.public_key = made.stdout.decode().strip()

    @staticmethod
    def tacit(*arguments, **environment):
        return subprocess.run([TACIT, *arguments], capture_output=True, timeout=START_SECONDS_MAX,
                              env=clean_environment(**environment))

    def enrol(self, server, project="p", name=None, expires=None):
        """Enrols it and pins the server's key."""
        more = (["--name", name] if name else []) + (["--expires", expires] if expires else [])
        done = server.cli("runtime", "enrol", "--project", project, "--public-key",
                          self.public_key, *more)
        assert done.returncode == 0, done.stderr
        self.pin(done.stdout.decode().strip())
        return self

    def pin(self, server_key):
        done = self.tacit("runtime", "pin", "--identity", self.file, "--server-key", server_key)
        assert done.returncode == 0, done.stderr
        return self

    def env(self, url, *more, project="p"):
        """`tacit env`: (exit status, the values or None, stderr)."""
        done = self.tacit("env", "--project", project, "--format", "json", "--wait", "0s",
                          *self.options(url), *more)
        said = done.stderr.decode()
        return done.returncode, json.loads(done.stdout) if done.stdout else None, said

    def options(self, url):
        return ("--server", url, "--identity", self.file)

    def verdict(self, url, project="p"):
        """The one word that `tacit env` begins its refusal with, "" for a set."""
        status, values, said = self.env(url, project=project)
        if values is not None:
            assert status == 0
            return ""
        assert status == 1, said
        return said.removeprefix("tacit: ").split(":")[0]


def unpacked(body):
    """The sealed bytes in a message of the API."""
    text = json.loads(body)["message"]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def packed(sealed):
    text = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    return json.dumps({"message": text}).encode()


class Between:
    """A proxy that a captured api process could be: sees and changes what passes. `change` takes
    (number of the exchange, request's body, forward) and returns (status, body)."""

    def __init__(self, server, change=None):
        self.server, self.change = server, change
        self.seen = []  # (request's body, status, answer's body)

    def forward(self, body):
        with contextlib.closing(http.client.HTTPConnection(
                "127.0.0.1", self.server.port, timeout=START_SECONDS_MAX)) as connection:
            connection.request("POST", "/api/v1/runtime", body,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def __enter__(self):
        between = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                number = len(between.seen)
                if between.change is None:
                    status, answer = between.forward(body)
                else:
                    status, answer = between.change(number, body, between.forward)
                between.seen.append((body, status, answer))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.http.server_port
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
