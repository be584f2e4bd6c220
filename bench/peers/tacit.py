"""tacit under load: started with stated settings, filled through api.sock as the local owner."""
import http.client
import json
import os
import socket

from peers.system import TACIT, Server, children

SECRETS = 25
KEY = "SERVICE_API_KEY_%04d"  # 20 characters
PROJECT = "bench-project-%06d"


def value_of(number):
    """40 characters, another for each number."""
    return ("%010d" % number) * 4


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Tacit(Server):
    """With projects of 25 secrets each, and an API key for all of them in .token."""
    name = "tacit"

    def __init__(self, core=None, projects=1, threads=None, settings=None, folder=None):
        super().__init__(core)
        self.projects = projects
        self.folder = folder
        self.token = None
        self.settings = {
            "TACIT_LIMITS_READS_PER_MINUTE": "0",
            "TACIT_LIMITS_WRITES_PER_MINUTE": "0",
            "TACIT_LOG_LEVEL": "warn",
        }
        if threads is not None:
            self.settings["TACIT_THREADS"] = str(threads)
        self.settings.update(settings or {})

    def command(self):
        return [TACIT, "serve", "--data", self.data, "--listen", "127.0.0.1:%d" % self.port]

    def is_ready(self):
        return self.answers("/readyz")

    def environment(self):
        kept = {name: text for name, text in os.environ.items() if not name.startswith("TACIT_")}
        return dict(kept, **self.settings)

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    @property
    def store(self):
        return os.path.join(self.data, "store")

    def serving_pids(self):
        return [self.process.pid] + children(self.process.pid)

    def request(self, connection, verb, path, body=None):
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(verb, "/api/v1" + path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise SystemExit("bench: tacit answered %d to %s %s" % (answer.status, verb, path))
        return json.loads(content)["data"]

    def owner(self):
        return UnixConnection(os.path.join(self.store, "api.sock"))

    def make_token(self, permissions=("read", "write")):
        body = {"name": "bench", "projects": "*", "permissions": list(permissions)}
        self.token = self.request(self.owner(), "POST", "/api-keys", body)["rawKey"]

    def prepare(self):
        owner = self.owner()
        for project in range(self.projects):
            identity = PROJECT % project
            self.request(owner, "POST", "/projects", {"name": identity, "id": identity})
            for key in range(SECRETS):
                self.request(owner, "POST", "/projects/%s/secrets" % identity,
                             {"key": KEY % key, "value": value_of(key)})
        self.make_token()

    def count_secrets(self, project):
        listed = self.request(self.owner(), "GET", "/projects/%s/secrets" % (PROJECT % project))
        return len(listed["secrets"])

    def list_url(self, project=0):
        return "%s/api/v1/projects/%s/secrets" % (self.url, PROJECT % project)

    def headers(self):
        return {"Authorization": "Bearer " + self.token}
