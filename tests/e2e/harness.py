"""A tacit of its own for a test: fresh folder, free port, stopped and removed afterwards."""
import atexit
import contextlib
import functools
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref

TACIT = os.environ.get("TACIT_BIN", "build/release/tacit")
PROBE = os.environ.get("TACIT_PROBE_BIN", "build/release/tacit-probe")
BUILD = os.environ.get("TACIT_BUILD", "release")
START_SECONDS_MAX = 60  # generous: sanitizer builds on a busy machine
ROOT = os.geteuid() == 0
ORDINARY = "65534"  # the user that servers run as which are not to run as root


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json["error"]["code"]

    def data(self):
        return self.json["data"]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(START_SECONDS_MAX)
        self.sock.connect(self.path)


def exchange(connection, method, target, body=None, headers=None):
    """One request on an http.client connection. A dict as body is sent as JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    if body is not None and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json"
    if body is None and method == "POST":
        headers["Content-Length"] = "0"
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    return Answer(answer.status, answer.headers, answer.read())


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TACIT_")}
    kept.pop("STATE_DIRECTORY", None)
    kept.pop("RUNTIME_DIRECTORY", None)
    kept.update(more)
    return kept


class Server:
    """with Server() as s: … — settings as keyword arguments: limits_writes_per_minute=0."""

    def __init__(self, binary=None, data=None, user=None, environment=None, arguments=(),
                 **settings):
        self.binary = binary or TACIT
        self.user = user
        # Everybody may pass through: the api process runs as another user when we are root.
        self.own_folder = None
        if data is None:
            self.own_folder = tempfile.mkdtemp(prefix="tacit-e2e-")
            # Also of one that is never started.
            weakref.finalize(self, shutil.rmtree, self.own_folder, ignore_errors=True)
            os.chmod(self.own_folder, 0o777)
            data = os.path.join(self.own_folder, "data")
        self.data = data
        self.arguments = list(arguments)
        self.settings = {"limits_reads_per_minute": "0", "limits_writes_per_minute": "0",
                         "listen": "127.0.0.1:0"}
        self.settings.update({k: str(v) for k, v in settings.items()})
        self.more_environment = environment or {}
        self.tls = None  # an ssl.SSLContext: what connect() and connect_raw() then speak
        self.process = None
        self.log_path = os.path.join(self.own_folder or os.path.dirname(data),
                                     "log-%d" % time.monotonic_ns())

    def environment(self):
        more = {"TACIT_" + k.upper(): v for k, v in self.settings.items()}
        more.update(self.more_environment)
        return clean_environment(**more)

    def command(self):
        command = [self.binary, "serve", "--data", self.data] + self.arguments
        if self.user is not None:
            command[0] = for_everybody(self.binary)
            command = as_user(self.user) + command
        return command

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log,
                                            env=self.environment())

    def start(self):
        """Starts and waits until it serves. Raises with the log when it does not."""
        self.spawn()
        line = self.process.stdout.readline().decode()
        if not line.startswith(("listening on http://", "listening on https://")):
            self.process.wait(START_SECONDS_MAX)
            raise RuntimeError("no start: %r %s" % (line, self.log()))
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def run_to_end(self, timeout=START_SECONDS_MAX):
        """For starts that must fail: (exit status, stdout, stderr)."""
        done = subprocess.run(self.command(), capture_output=True, env=self.environment(),
                              timeout=timeout)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def stop(self, how=signal.SIGTERM):
        """Ends the keeper; returns the exit status (negative: the signal)."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(START_SECONDS_MAX)
        self.process.stdout.close()
        return status

    def kill(self):
        """kill -9 on the keeper, and waits until the api process is gone too."""
        api = self.api_pid()
        self.stop(signal.SIGKILL)
        wait_until(lambda: not is_alive(api))

    def kill_api(self):
        """kill -9 on the api process; returns the exit status of serve."""
        os.kill(self.api_pid(), signal.SIGKILL)
        status = self.process.wait(START_SECONDS_MAX)
        self.process.stdout.close()
        return status

    def restart(self, how=signal.SIGTERM):
        self.kill() if how == signal.SIGKILL else self.stop(how)
        return self.start()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                self.api_pid()
                self.kill()
            self.stop(signal.SIGKILL)
        self.forget_limiter()
        if self.own_folder is not None:
            shutil.rmtree(self.own_folder, ignore_errors=True)

    def root_key(self):
        with open(os.path.join(self.data, "root.key"), "rb") as key:
            return key.read()

    def forget_limiter(self):
        """Removes the limiter's shared memory, which outlives a server on purpose."""
        if not os.path.isfile(os.path.join(self.data, "root.key")):
            return
        with contextlib.suppress(OSError, ValueError):
            os.unlink("/dev/shm/tacit-" + derive(self.root_key(), SUBKEY_INSTANCE, 16).hex())

    @property
    def pid(self):
        return self.process.pid

    def api_pid(self):
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as children:
            return int(children.read().split()[0])

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    @property
    def api_socket(self):
        return os.path.join(self.data, "store", "api.sock")

    @property
    def keeper_socket(self):
        return os.path.join(self.data, "run", "keeper.sock")

    # --- talking to it ---

    def connect(self):
        if self.tls is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=START_SECONDS_MAX,
                                               context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS_MAX)

    def connect_plain(self):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS_MAX)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return raw

    def connect_raw(self):
        raw = self.connect_plain()
        return raw if self.tls is None else self.tls.wrap_socket(raw, server_hostname="127.0.0.1")

    def call(self, method, target, body=None, key=None, headers=None):
        """One request on a connection of its own over TCP; target below /api/v1."""
        headers = dict(headers or {})
        if key is not None:
            headers["Authorization"] = "Bearer " + key
        with contextlib.closing(self.connect()) as connection:
            return exchange(connection, method, "/api/v1" + target, body, headers)

    def owner(self, method, target, body=None, headers=None):
        """The same as the local owner over api.sock."""
        with contextlib.closing(UnixConnection(self.api_socket)) as connection:
            return exchange(connection, method, "/api/v1" + target, body, headers)

    def deliver(self, project, headers=None):
        """Asks keeper.sock for a project's values."""
        with contextlib.closing(UnixConnection(self.keeper_socket)) as connection:
            return exchange(connection, "GET", "/v1/projects/%s/env" % project, None, headers)

    def make_project(self, project_id, **more):
        answer = self.owner("POST", "/projects", {"name": project_id, "id": project_id, **more})
        assert answer.status == 201, answer.body
        return project_id

    def make_key(self, **fields):
        """A new API key's text; admin by default."""
        wanted = {"name": "test", "permissions": ["admin"]}
        wanted.update(fields)
        answer = self.owner("POST", "/api-keys", wanted)
        assert answer.status == 201, answer.body
        return answer.data()["rawKey"]

    def put(self, project, name, value, key=None):
        target = "/projects/%s/secrets" % project
        body = {"key": name, "value": value}
        answer = self.call("POST", target, body, key) if key else self.owner("POST", target, body)
        assert answer.status == 200, answer.body
        return answer.data()["secret"]

    def values(self, project):
        answer = self.deliver(project)
        assert answer.status == 200, answer.body
        return answer.data()["env"]

    def cli(self, *arguments, stdin=None, timeout=START_SECONDS_MAX, **environment):
        """Runs `tacit …` against this server's folder."""
        return subprocess.run([self.binary, *arguments], input=stdin, capture_output=True,
                              timeout=timeout,
                              env=clean_environment(TACIT_DATA_DIR=self.data, **environment))


# The numbers of the root key's subkeys (core/crypto.cpp).
SUBKEY_STORE_PAIR_SEED, SUBKEY_RECORD, SUBKEY_INSTANCE = 1, 2, 6
SUBKEY_ROW, SUBKEY_TOWARDS_RUNTIMES = 7, 8


def derive(root_key, number, size=32):
    """libsodium's crypto_kdf_derive_from_key with tacit's context."""
    return hashlib.blake2b(b"", digest_size=size, key=root_key, person=b"tacit_v1".ljust(16, b"\0"),
                           salt=number.to_bytes(8, "little").ljust(16, b"\0")).digest()


def as_user(user):
    """What to put before a command so that another user runs it (a number; needs root)."""
    return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]


@functools.lru_cache
def for_everybody(binary):
    """The binary, or a copy of it, where an ordinary user can run it."""
    binary = os.path.abspath(binary)
    reachable = as_user(ORDINARY) + ["test", "-x", binary]
    if not ROOT or subprocess.run(reachable).returncode == 0:
        return binary
    folder = tempfile.mkdtemp(prefix="tacit-e2e-bin-")
    os.chmod(folder, 0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = shutil.copy(binary, folder)
    os.chmod(copy, 0o755)
    return copy


def is_alive(pid):
    """Also while only threads beside the first one are left: they hold its sockets."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] != "Z":
                return True
        return len(os.listdir("/proc/%d/task" % pid)) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds=START_SECONDS_MAX):
    """Polls; a test never sleeps for luck."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def files_with(folder, text):
    """The regular files below the folder that hold these bytes."""
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            if not os.path.isfile(file):
                continue
            # The store may remove a file between the two calls.
            with contextlib.suppress(FileNotFoundError), open(file, "rb") as opened:
                if text in opened.read():
                    found.append(file)
    return found
