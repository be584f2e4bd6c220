"""The loads: wrk for everything that speaks HTTP, redis-benchmark for Redis."""
import os
import resource
import subprocess
import time
from dataclasses import dataclass

from peers.system import busy_seconds, cpu_seconds, pinned

# Every script ends with this: the figures in full, on one line.
DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format("figures %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
"""

PLAIN = DONE
# Of the scripts below, which are filled in with %.
DONE = DONE.replace("%", "%%")

# The same request `depth` times in one write.
PIPELINED = """
function init(args)
  local one, all = wrk.format("GET"), {}
  for i = 1, %(depth)d do all[i] = one end
  request_bytes = table.concat(all)
end
function request() return request_bytes end
""" + DONE

# The requests of a file (path, tab, body; a line each) in turn, each thread from another place on.
# Formatted before the run, so that the client's work is the same small one for every server.
FROM_FILE = """
local started = 0
function setup(thread)
  thread:set("place", started)
  started = started + 1
end
function init(args)
  all = {}
  for line in io.lines("%(file)s") do
    local path, body = line:match("^([^\\t]*)\\t(.*)$")
    if body == "" then body = nil end
    all[#all + 1] = wrk.format("%(verb)s", path, nil, body)
  end
  at = place * 7919 %% #all
end
function request()
  at = at %% #all + 1
  return all[at]
end
""" + DONE

# The list of a project chosen uniformly.
UNIFORM_LISTS = """
local started = 0
function setup(thread)
  thread:set("place", started)
  started = started + 1
end
function init(args) math.randomseed(12345 + place) end
function request()
  local path = string.format("/api/v1/projects/%(form)s/secrets", math.random(0, %(projects)d - 1))
  return wrk.format("GET", path)
end
""" + DONE

# The lists of all projects in turn, each as far from the last as if it were chosen.
STRIDE = 7919  # a prime that divides no number of projects here: every project has its turn
LISTS_IN_TURN = """
local number = 0
function request()
  number = (number + %(stride)d) %% %(projects)d
  return wrk.format("GET", string.format("/api/v1/projects/%(form)s/secrets", number))
end
""" + DONE


class Meter:
    """CPU time of the client (which is waited for in between), the server and everybody else."""

    def __init__(self, server):
        self.pids = server.serving_pids()
        self.began = time.monotonic()
        self.before = self.read()

    def read(self):
        return client_seconds(), cpu_seconds(self.pids), busy_seconds()

    def stop(self):
        seconds = time.monotonic() - self.began
        client, cpu, busy = (now - then for now, then in zip(self.read(), self.before))
        return {"client_cpu": client, "cpu": cpu, "others_share":
                max(0.0, busy - client - cpu) / seconds}


def client_seconds():
    """CPU time of the processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass
class Figures:
    requests: int
    seconds: float
    p50: float  # microseconds
    p99: float
    client_cpu: float  # CPU seconds
    cpu: float  # the server's
    others_share: float  # of one core, taken by everybody else: how quiet the machine was
    meanwhile: list = None  # what was done while it ran gave this

    @property
    def rate(self):
        return self.requests / self.seconds

    @property
    def summary(self):
        return ("%.0f a second, p50 %.0f us, p99 %.0f us; of a core: server %.0f %%, client "
                "%.0f %%, others %.0f %%" % (self.rate, self.p50, self.p99,
                                             100 * self.cpu / self.seconds,
                                             100 * self.client_share,
                                             100 * self.others_share))

    @property
    def cpu_microseconds(self):
        return self.cpu / self.requests * 1e6

    @property
    def client_share(self):
        """How much of one core the client took: near 1 it may be what limits."""
        return self.client_cpu / self.seconds


@dataclass
class Wrk:
    """One load; run() may be called again."""
    server: object
    url: str
    connections: int
    core: object = None
    threads: int = 1
    script: str = PLAIN
    headers: dict = None

    def run(self, seconds, meanwhile=()):
        """`meanwhile`: (seconds from the start, what to do then), in order."""
        path = os.path.join(self.server.folder, "wrk.lua")
        with open(path, "w") as file:
            file.write(self.script)
        command = ["wrk", "-t", str(self.threads), "-c", str(self.connections),
                   "-d", "%ds" % seconds, "-s", path]
        for pair in (self.headers or {}).items():
            command += ["-H", "%s: %s" % pair]
        meter = Meter(self.server)
        began = time.monotonic()
        gave = []
        with subprocess.Popen(pinned(command + [self.url], self.core), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as running:
            for due, act in meanwhile:
                time.sleep(max(0, began + due - time.monotonic()))
                gave.append(act())
            out, err = running.communicate()
        line = [line for line in err.splitlines() if line.startswith("figures ")]
        if not line:
            raise SystemExit("bench: wrk failed:\n" + out + err)
        requests, duration, p50, p99, status, errors = map(int, line[0].split()[1:])
        if status or errors or not requests:
            raise SystemExit("bench: %d of %d answers of %s were wrong, %d broke"
                             % (status, requests, self.url, errors))
        return Figures(requests, duration / 1e6, p50, p99, meanwhile=gave, **meter.stop())


def redis_set(server, keys, connections, seconds, threads):
    """SET of 40 bytes under so many keys, as long as tacit's (project and key)."""
    def run(requests):
        command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port),
                   "-c", str(connections), "-n", str(requests), "-r", str(keys), "--csv"]
        if threads > 1:
            command += ["--threads", str(threads)]
        command += ["SET", "bench-project-000000/SERVICE___rand_int__", "v" * 40]
        meter = Meter(server)
        ran = subprocess.run(pinned(command, None), capture_output=True, text=True, check=False)
        last = ran.stdout.strip().splitlines()[-1].rsplit(",", 7)
        if ran.returncode or len(last) != 8:
            raise SystemExit("bench: redis-benchmark failed:\n" + ran.stdout + ran.stderr)
        rate, _, _, p50, _, p99, _ = (float(text.strip('"')) for text in last[1:])
        return Figures(requests, requests / rate, p50 * 1000, p99 * 1000,
                       **meter.stop())
    guess = run(20000)
    return run(int(guess.rate * seconds))
