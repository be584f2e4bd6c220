#!/usr/bin/env python3
"""A system call that fails, for every one of them in a scripted run.

    ./dev torture errors [--seed N] [--calls write,…] [--errors EIO,…] [--starts first]
                         [--from N] [--to N]

strace makes the n-th call of a kind fail in every thread that gets so far, for n = 1, 2, … until
none does.
The script makes, changes and deletes secrets and projects, delivers, and ends the server. Three
ways to begin: on no store (first), on one whose server was killed (again), and from the moment on
that a server serves (running). Then a start without faults must show every acknowledged write with
its value, nothing that nobody wrote, counters that count and caps that hold. And the server must
have gone on or have ended with a status of its own: 5 behind a write of unknown outcome, 1 at a
start, 0 at the end. Of calls on descriptors those on files of the data folder fail: no kernel
refuses a wake-up of a thread.
"""
import collections
import concurrent.futures
import contextlib
import copy
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

from harness import Server, UnixConnection, exchange, wait_until  # noqa: E402
from ledger import Ledger, Script, message_of  # noqa: E402
from verdict import parser_of  # noqa: E402

# As strace names them; glibc and RocksDB use either of a pair.
CALLS = {"fdatasync": "fdatasync,fsync", "write": "write", "pwrite64": "pwrite64",
         "openat": "openat,open", "renameat": "rename,renameat,renameat2"}
ERRORS = ("EIO", "ENOSPC")
ON_DESCRIPTORS = ("fdatasync", "write", "pwrite64")
NUMBERS_MAX = 100  # of the store's files: more than a run makes
SECONDS_MAX = 30


class FaultyServer(Server):
    """A server below strace. Nothing raises when it does not start."""

    def __init__(self, inject, from_start, **settings):
        super().__init__(**settings)
        self.trace = self.data + ".trace"
        self.inject = inject
        self.from_start = from_start
        self.tracer = None

    def strace(self):
        calls = self.inject.split(":")[0]
        paths = self.files() if calls.split(",")[0] in ON_DESCRIPTORS else []
        return ["strace", "-f", "-qq", "-y", "-o", self.trace, "-e", "trace=" + calls, "-e",
                "inject=" + self.inject, *[one for path in paths for one in ("-P", path)]]

    def files(self):
        """Every file and folder that a server may write to, by name."""
        store = os.path.join(self.data, "store")
        numbered = ("%06d.log", "%06d.sst", "%06d.dbtmp", "MANIFEST-%06d", "OPTIONS-%06d")
        return [self.data, store, *(os.path.join(self.data, name) for name in
                                    ("root.key.new", "runtimes", "runtimes.new")),
                *(os.path.join(store, name) for name in ("STORE.new", "STORE", "IDENTITY")),
                *(os.path.join(store, name % number) for name in numbered
                  for number in range(1, NUMBERS_MAX))]

    def command(self):
        return (self.strace() if self.from_start else []) + super().command()

    def attach(self):
        """Faults from now on, in all threads of the api process."""
        api = self.api_pid()
        self.tracer = subprocess.Popen([*self.strace(), "-p", str(api)],
                                       stderr=subprocess.DEVNULL)

        def is_traced(task):
            with open("/proc/%d/task/%s/status" % (api, task)) as status:
                return "TracerPid:\t0\n" not in status.read()
        wait_until(lambda: all(map(is_traced, os.listdir("/proc/%d/task" % api))))

    def begin(self):
        """Whether it serves."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log,
                                            env=self.environment())
        return self.process.stdout.readline().startswith(b"listening on http://")

    def ask_to_end(self):
        """The keeper, which is strace's child."""
        with contextlib.suppress(OSError, IndexError):
            os.kill(self.api_pid() if self.from_start else self.pid, signal.SIGTERM)

    def end(self):
        """The exit status; None when it does not end."""
        try:
            status = self.process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            status = None
        self.process.stdout.close()
        if status is not None and self.tracer is not None:
            self.tracer.wait(SECONDS_MAX)
        return status

    def kill_all(self):
        """Both processes and strace, which cannot be waited for otherwise."""
        tracer = [self.tracer.pid] if self.tracer else []
        for pid in [*tracer, *self.descendants(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(SECONDS_MAX)

    def descendants(self, pid):
        with contextlib.suppress(OSError):
            with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
                for child in map(int, children.read().split()):
                    yield from [*self.descendants(child), child]

    def injected(self):
        """The calls that were made to fail, as strace wrote them."""
        if not os.path.exists(self.trace):
            return []
        with open(self.trace, errors="replace") as trace:
            return [line.split(None, 1)[1].strip() for line in trace if "(INJECTED)" in line]


class Asker:
    """One connection to api.sock, opened again when it breaks."""

    def __init__(self, server):
        self.server = server
        self.connection = None

    def __call__(self, method, target, body):
        try:
            if self.connection is None:
                self.connection = UnixConnection(self.server.api_socket)
                self.connection.connect()
                self.connection.sock.settimeout(SECONDS_MAX)
            return exchange(self.connection, method, "/api/v1" + target, body).status
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            if isinstance(error, TimeoutError):
                raise
            return None


def status_faults(status, served):
    """What is wrong with the way it ended."""
    return [] if status in ((0, 5) if served else (1, 5)) else ["ended with %s" % status]


def run_once(inject, seed, start="first", prepared=None):
    """One run with a fault: (what was injected, exit status, ledger, what is wrong, log)."""
    with contextlib.ExitStack() as after:
        folder = tempfile.mkdtemp(prefix="errors-")
        after.callback(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o777)
        data = os.path.join(folder, "data")
        ledger = Ledger()
        if start == "again":
            subprocess.run(["cp", "-a", prepared.data, data], check=True)
            ledger = copy.deepcopy(prepared.ledger)
        server = FaultyServer(inject, start != "running", data=data)
        after.callback(server.forget_limiter)
        wrong = []
        served = server.begin()
        if served:
            if start == "running":
                server.attach()
            ask = Asker(server)
            try:
                Script(seed).run(ask, ledger)
                with contextlib.suppress(OSError, http.client.HTTPException):
                    server.deliver("shop")
            except TimeoutError:
                wrong.append("no answer in %d s" % SECONDS_MAX)
            server.ask_to_end()
        status = server.end()
        if status is None:
            server.kill_all()
        injected = server.injected()
        wrong += status_faults(status, served)
        again = Server(data=data)
        try:
            again.start()
            wrong += ledger.faults(again)
            status_again = again.stop()
            if status_again != 0:
                wrong.append("ends with %s after the start without faults" % status_again)
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            wrong.append("the start without faults: %s" % error)
            again.stop(signal.SIGKILL)
        return Outcome(injected, status, ledger, wrong, server.log() + again.log())


Outcome = collections.namedtuple("Outcome", "injected status ledger wrong log")


class Prepared:
    """A store whose server was killed, so that the next start has a log to replay."""

    def __init__(self, seed):
        self.folder = tempfile.mkdtemp(prefix="errors-")
        os.chmod(self.folder, 0o777)
        self.data = os.path.join(self.folder, "data")
        self.ledger = Ledger()
        server = Server(data=self.data).start()
        Script(seed + 1).run(Asker(server), self.ledger)
        server.kill()
        server.forget_limiter()
        for name in ("store/api.sock", "run/keeper.sock", "run/credentials.sock"):
            os.unlink(os.path.join(self.data, name))

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Campaign:
    def __init__(self, seed, say=print):
        self.seed = seed
        self.say = say
        self.statuses = collections.Counter()
        self.runs = self.acknowledged = self.unknown = self.faults = 0

    def take(self, label, came_of):
        self.runs += 1
        self.acknowledged += came_of.ledger.acknowledged
        self.unknown += came_of.ledger.unknown
        self.statuses[(label.split()[1].split(":")[0], came_of.status)] += 1
        if came_of.wrong:
            self.faults += 1
            self.say("%s: %s" % (label, "; ".join(came_of.wrong)))
            for one in came_of.injected[:4]:
                self.say("    " + one)
            for line in came_of.log.splitlines()[-12:]:
                self.say("    log: " + message_of(line)[:200])

    def sweep(self, start, call, error, numbers, prepared=None, workers=2):
        """Each n in turn until nothing is injected; the last n at which something was."""
        last = 0
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            numbers = iter(numbers)
            ended = False
            while not ended:
                batch = [n for _, n in zip(range(workers), numbers)]
                if not batch:
                    break
                asked = ["%s:error=%s:when=%d" % (CALLS[call], error, n) for n in batch]
                for n, inject, came_of in zip(batch, asked, pool.map(
                        lambda one: run_once(one, self.seed, start, prepared), asked)):
                    ended = ended or not came_of.injected
                    if came_of.injected:
                        last = n
                    self.take("%s %s:%s:%d" % (start, call, error, n), came_of)
        return last


def main():
    parser = parser_of("errors")
    parser.add_argument("--calls", default=",".join(CALLS))
    parser.add_argument("--errors", default=",".join(ERRORS))
    parser.add_argument("--starts", default="first,again,running")
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--to", dest="last", type=int, default=10_000)
    arguments = parser.parse_args()
    print("errors: --seed %d" % arguments.seed)
    campaign = Campaign(arguments.seed)
    prepared = Prepared(arguments.seed)
    try:
        for start in arguments.starts.split(","):
            for call in arguments.calls.split(","):
                for error in arguments.errors.split(","):
                    numbers = range(arguments.first, arguments.last + 1)
                    last = campaign.sweep(start, call, error, numbers, prepared)
                    print("%-7s %-9s %-6s n = %d to %d"
                          % (start, call, error, arguments.first, last),
                          flush=True)
    finally:
        prepared.remove()
    for (call, status), count in sorted(campaign.statuses.items(), key=str):
        print("  %-9s ended with %-4s %5d times" % (call, status, count))
    print("%d runs, %d writes acknowledged, %d of unknown outcome, %d runs wrong"
          % (campaign.runs, campaign.acknowledged, campaign.unknown, campaign.faults))
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
