"""Processes, cores, memory and the machine."""
import functools
import os
import platform
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.path.join(ROOT, "build", "release")
TACIT = os.path.join(BINARIES, "tacit")
TACIT_BENCH = os.path.join(BINARIES, "tacit-bench")

# Where Debian has nginx: not in everybody's path.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin"

CORES = sorted(os.sched_getaffinity(0))[:2]
TICKS = os.sysconf("SC_CLK_TCK")


def server_core():
    return CORES[0]


def client_core():
    return CORES[-1]


def pinned(command, core):
    """The command on one core, or on all that there are when core is None."""
    return command if core is None else ["taskset", "-c", str(core)] + command


def note(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@functools.lru_cache(maxsize=None)
def any_server():
    """For TLS with servers of our own, whose certificate nobody needs to look at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(port, tls, timeout=60):
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    if not tls:
        return connection
    try:
        return any_server().wrap_socket(connection)
    except BaseException:
        connection.close()
        raise


def raise_descriptor_limit(wanted):
    """For this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except ValueError:
        raise SystemExit("bench: needs root, or a limit of %d open files" % wanted) from None


def cpu_seconds(pids):
    """User and system time of all threads of the processes."""
    ticks = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def busy_seconds():
    """CPU time of everything on the machine."""
    with open("/proc/stat") as stat:
        fields = [int(text) for text in stat.readline().split()[1:]]
    idle_and_guest = fields[3] + fields[4]
    return (sum(fields[:8]) - idle_and_guest) / TICKS


def wait_until_quiet(share, at_most_seconds):
    """Until all that runs takes less than this share of one core, or the time is up."""
    end = time.monotonic() + at_most_seconds
    while time.monotonic() < end:
        busy, began = busy_seconds(), time.monotonic()
        time.sleep(0.5)
        if busy_seconds() - busy < share * (time.monotonic() - began):
            return


def resident_kilobytes(pid):
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as found:
        return [int(text) for text in found.read().split()]


def temporary_folder():
    folder = tempfile.mkdtemp(prefix="tacit-peers-")
    os.chmod(folder, 0o755)  # the api process is another user when root starts it
    return folder


class Server:
    """A server of our own on loopback, with a folder of its own, gone after the `with`."""
    name = ""
    keeps_folder = False
    tls = False

    def __init__(self, core=None):
        self.core = core
        self.folder = None
        self.process = None
        self.port = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def is_ready(self):
        """Asked until it is true, while the process lives."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def answers(self, path):
        """For is_ready() of those that take connections before they answer."""
        asked = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path
        try:
            with connect(self.port, self.tls, 5) as connection:
                connection.sendall(asked.encode())
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def prepare(self):
        """Once it serves."""

    def serving_pids(self):
        return [self.process.pid]

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.tls else "http", self.port)

    def start(self):
        self.folder = self.folder or temporary_folder()
        self.port = free_port()
        command = pinned(self.command(), self.core)
        with open(os.path.join(self.folder, "output.txt"), "wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env=self.environment())
        deadline = time.monotonic() + 60
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("bench: %s did not start:\n%s" % (self.name, self.output()))
            time.sleep(0.005)

    def output(self):
        with open(os.path.join(self.folder, "output.txt"), errors="replace") as output:
            return output.read()[-2000:]

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def __enter__(self):
        try:
            self.start()
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        if self.folder is not None and not self.keeps_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def first_line(command):
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "not installed"
    text = (ran.stdout + ran.stderr).strip()
    return text.splitlines()[0] if text else "?"


def disk():
    """The file system and device under the temporary folder."""
    ran = subprocess.run(["findmnt", "-no", "FSTYPE,SOURCE,OPTIONS", "--target",
                          tempfile.gettempdir()], capture_output=True, text=True, check=False)
    return " ".join(ran.stdout.split()) or "?"


def machine():
    """What the figures hang on, as (name, text)."""
    with open("/proc/cpuinfo") as cpuinfo:
        model = next((line.split(":", 1)[1].strip() for line in cpuinfo
                      if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as meminfo:
        memory = int(meminfo.readline().split()[1]) / 1048576
    git = ["git", "-c", "safe.directory=" + ROOT, "-C", ROOT]
    commit = first_line(git + ["rev-parse", "--short", "HEAD"])
    changed = subprocess.run(git + ["status", "--porcelain", "--", "core", "kv", "net", "app"],
                             capture_output=True, text=True, check=False).stdout.strip()
    return [
        ("date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("processor", "%s, %d cores" % (model, os.cpu_count())),
        ("memory", "%.1f GB" % memory),
        ("kernel", platform.release()),
        ("disk", disk()),
        ("tacit", commit + (" with changes that are not committed" if changed else "")),
        ("nginx", first_line(["nginx", "-v"])),
        ("redis", first_line(["redis-server", "--version"])),
        ("etcd", first_line(["etcd", "--version"])),
        ("wrk", first_line(["wrk", "-v"]).split(" Copyright")[0]),
    ]
