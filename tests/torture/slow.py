#!/usr/bin/env python3
"""Slow and many clients beside a well-behaved one.

  ./dev torture slow [ATTACK…] [--runs N] [--seconds N] [--shared-cores]

For each attack, N times: tacit-bench asks 500 lists a second on 8 connections, alone and then
beside the attack. Reported: the medians of its 99th percentile and their ratio, what the server
used of one core alone and beside, the most memory, and what is left of descriptors and memory
afterwards. Wrong, and the end is 1: an answer that is
wrong or missing, more memory than MEMORY says, descriptors that do not come back, a fresh client
that is not served. A ratio above 2 is reported as such.

As if client and attack came from other machines, the server has one thread and the first core to
itself, and the others share the rest, the measuring client before everybody else (as root): what is
left is what the server makes a client wait. With --shared-cores all of them share all cores, client
and server at a higher priority than the attack (as root). The last rows are controls: a server that
pauses, that has limits too generous, that is too small: each must be found wanting.
"""
import argparse
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ.setdefault("TACIT_BIN", os.path.join(ROOT, "build", "release", "tacit"))

import attacks  # noqa: E402
from harness import Server, wait_until  # noqa: E402
from pki import Authority  # noqa: E402
from rawhttp import over_unix  # noqa: E402
from test_tls import tls_server  # noqa: E402

BENCH = os.environ.get("TACIT_BENCH_BIN", os.path.join(ROOT, "build", "release", "tacit-bench"))
MIB = 1024 * 1024
# Bytes that a server may grow by: a connection costs about 2 KB, one with a body 64 KB and its
# head, one whose answers are not read 256 KB, a TLS handshake under way 57 KB.
MEMORY = {"idle": 64 * MIB, "slow_body": 1000 * 72 * 1024 + 32 * MIB,
          "slow_read": 500 * 320 * 1024 + 32 * MIB, "pipelined_unread": 64 * 320 * 1024 + 32 * MIB,
          "tls_half": 1000 * 64 * 1024 + 16 * MIB}
MEMORY_ELSE = 32 * MIB
RATIO_MAX = 2.0
SERVER_CORE = 0


def resident(pid):
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def prefer(*pids):
    """A higher priority for all threads of these, when we may."""
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            try:
                os.setpriority(os.PRIO_PROCESS, int(task), -10)
            except PermissionError:
                return


def pin(cores, *pids):
    """All threads of these to those cores."""
    for pid in pids:
        for task in os.listdir("/proc/%d/task" % pid):
            os.sched_setaffinity(int(task), cores)


class Watch:
    """The most memory of a process for as long as it is watched."""

    def __init__(self, pid):
        self.pid, self.most, self.over = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, resident(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def well_behaved(server, asked):
    """What tacit-bench says; a fault when any answer is wrong."""
    first = ["chrt", "--fifo", "1"] if os.geteuid() == 0 and not asked.shared_cores else []
    command = first + [BENCH, "list", "--data", server.data, "--url", server.url, "--insecure",
               "--rate", "500", "--connections", "8", "--projects", "10", "--secrets", "10",
               "--warm-up", "0.5",
               "--timeout", "10", "--duration", str(asked.seconds), "--json", "-"]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             preexec_fn=lambda: os.nice(-10) if os.geteuid() == 0 else None)
    out, err = bench.communicate()
    if bench.returncode != 0:
        return None, err.decode().strip().splitlines()[-1:]
    told = json.loads(out)
    if told["errors"] or told["rate_limited"] or told["overdue"]:
        return told, ["%d wrong answers, %d overdue" % (told["errors"], told["overdue"])]
    return told, []


class Attack:
    """An attack of attacks.py, or a run of slowhttptest, under way."""

    def __init__(self, name, server, seconds, token):
        if name.startswith("slowhttptest"):
            mode = {"slowhttptest_headers": "-H", "slowhttptest_body": "-B",
                    "slowhttptest_read": "-X"}[name]
            self.folder = tempfile.TemporaryDirectory()
            command = ["nice", "-n", "10", "slowhttptest", mode, "-c", "1000", "-r", "1000", "-i",
                       "2", "-l", str(int(seconds)), "-p", "3", "-v", "1", "-u",
                       server.url + "/livez"]
        else:
            command = [sys.executable, "-B", attacks.__file__, name, str(server.port), str(seconds),
                       token]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        if name.startswith("slowhttptest"):
            time.sleep(2)  # it opens 1000 connections a second
            self.began = "1000 connections by slowhttptest"
        else:
            self.began = self.process.stdout.readline().strip().replace("under way: ", "")

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def is_served(server):
    with_key = server.call("GET", "/projects", key=server.key)
    return with_key.status == 200


def measured(server, asked):
    """(p99 in ns, cores used, what was wrong)"""
    cpu, began = cpu_seconds(server.api_pid()), time.monotonic()
    told, wrong = well_behaved(server, asked)
    cores = (cpu_seconds(server.api_pid()) - cpu) / (time.monotonic() - began)
    return (told["latency_ns"]["p99"] if told else 0), cores, wrong


def one_attack(name, server, asked):
    pid = server.api_pid()
    faults, alone, beside, most, cores = [], [], [], 0, ([], [])
    before_memory, before_descriptors = resident(pid), descriptors(pid)
    for _ in range(asked.runs):
        p99, used, wrong = measured(server, asked)
        alone.append(p99)
        cores[0].append(used)
        faults += ["alone: " + one for one in wrong]
        attack = Attack(name, server, asked.seconds + 60, server.key)
        with Watch(pid) as watch:
            p99, used, wrong = measured(server, asked)
        attack.end()
        beside.append(p99)
        cores[1].append(used)
        faults += wrong
        most = max(most, watch.most)
        try:
            wait_until(lambda: descriptors(pid) <= before_descriptors + 2, 30)
            wait_until(lambda: is_served(server), 5)
        except (AssertionError, OSError):
            faults.append("not recovered: %d descriptors of %d" % (descriptors(pid),
                                                                   before_descriptors))
    grown = most - before_memory
    if grown > MEMORY.get(name, MEMORY_ELSE):
        faults.append("grew by %d MiB" % (grown // MIB))
    ratio = statistics.median(beside) / max(1, statistics.median(alone))
    print("%-22s %-34s p99 %6.2f ms alone, %6.2f ms beside: x%-5.2f%s CPU %.2f, %.2f cores, grew "
          "%3d MiB, %3d left  %s" % (
        name, attack.began, statistics.median(alone) / 1e6, statistics.median(beside) / 1e6, ratio,
        " MORE THAN DOUBLED" if ratio > RATIO_MAX else "", statistics.median(cores[0]),
        statistics.median(cores[1]), grown // MIB,
        max(0, resident(pid) - before_memory) // MIB, "; ".join(faults) or "ok"), flush=True)
    return faults, ratio


class LimitedServer(Server):
    """A server under limits of prlimit, as "--nofile=200"."""
    limits = ()

    def command(self):
        return ["prlimit", *self.limits, "--"] * bool(self.limits) + super().command()


def started(limits=(), **settings):
    server = LimitedServer(limits_failed_auth_per_minute=0, **settings)
    server.limits = limits
    server.__enter__()
    server.key = server.make_key()
    prefer(server.pid, server.api_pid())
    return server


@contextlib.contextmanager
def server_of(name, shared_cores):
    """One that speaks TLS for what begins with tls_."""
    settings = {} if shared_cores else {"threads": 1}
    if not name.startswith("tls_"):
        server = started(**settings)
        try:
            yield server
        finally:
            server.__exit__()
        return
    with tempfile.TemporaryDirectory(prefix="tacit-tls-") as folder:
        pki = Authority(folder)
        with tls_server(pki, pki.issue("server"), **settings) as server:
            server.key = server.make_key()
            prefer(server.pid, server.api_pid())
            yield server


# --- what has a server of its own ---

def used_up_descriptors(_):
    """More connections than descriptors: who is connected is served, others are when it is over."""
    server, faults = started(["--nofile=120"]), []
    try:
        pid = server.api_pid()
        before = descriptors(pid)
        kept = server.connect()
        kept.request("GET", "/livez")
        kept.getresponse().read()
        # By api.sock, for the network has fewer places than there are descriptors.
        crowd = [over_unix(server.api_socket).raw for _ in range(200)]
        for one in crowd:
            one.sendall(attacks.GET)
        answered = 0
        for one in crowd:
            one.settimeout(0.05)
            try:
                answered += one.recv(100).startswith(b"HTTP/1.1 200")
            except OSError:
                pass
        for _ in range(100):
            kept.request("GET", "/livez")
            if kept.getresponse().read() == b"":
                faults.append("who was connected was not served")
        cpu = cpu_seconds(pid)
        time.sleep(1)
        cpu = cpu_seconds(pid) - cpu
        if cpu > 0.5:
            faults.append("it spins: %.2f s of CPU in a second" % cpu)
        for one in crowd:
            one.close()
        wait_until(lambda: is_served(server), 10)
        wait_until(lambda: descriptors(pid) <= before + 2, 10)
        if answered >= 100:
            faults.append("the descriptors were not used up")
        print("descriptors used up: %d of 200 served, who was connected kept its answers, %.2f s "
              "of CPU in a second, recovered  %s" % (answered, cpu, "; ".join(faults) or "ok"))
    finally:
        server.__exit__()
    return faults


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def crowd_of_bodies(server, count):
    """Connections that each sent a body of 1 MiB but for its last bytes, as far as it was taken."""
    head = ("POST /api/v1/projects/none/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            % MIB).encode()
    every = [server.connect_raw() for _ in range(count)]
    for one in every:
        one.settimeout(2)
        try:
            one.sendall(head + b" " * (MIB - 10))
        except OSError:
            break
    return every


def little_memory(_):
    """Less address space than is asked for: refused, or an end that a supervisor sees; what was
    acknowledged is there."""
    server = started(limits_body_bytes=MIB)
    with open("/proc/%d/statm" % server.api_pid()) as statm:
        usual = int(statm.read().split()[0]) * resource.getpagesize()
    server.__exit__()
    server, faults = started(["--as=%d" % (usual + 16 * MIB)], limits_body_bytes=MIB), []
    try:
        server.make_project("kept")
        server.put("kept", "A", "value-of-a")
        crowd = []
        try:
            crowd = crowd_of_bodies(server, 600)
        except OSError:
            pass  # it has ended
        try:
            status = server.process.wait(3)
        except subprocess.TimeoutExpired:
            status = None
        for one in crowd:
            one.close()
        if status is not None:
            server.process.stdout.close()
            server.limits = ()
            server.start()
        wait_until(lambda: is_served(server), 15)
        if server.values("kept") != {"A": "value-of-a"}:
            faults.append("a value was lost")
        if status is None:
            faults.append("the memory was not used up")
        print("memory used up: %s, values kept  %s" % (
            "went on" if status is None else "ended with status %d and started again" % status,
            "; ".join(faults) or "ok"), flush=True)
    finally:
        server.__exit__()
    return faults


# --- controls ---

def control_pauses(asked):
    """A server that stops for 100 ms, twice a second: the 99th percentile must tell."""
    server = started()
    try:
        told, _ = well_behaved(server, asked)
        over = threading.Event()

        def pause():
            while not over.wait(0.4):
                os.kill(server.api_pid(), signal.SIGSTOP)
                time.sleep(0.1)
                os.kill(server.api_pid(), signal.SIGCONT)

        thread = threading.Thread(target=pause)
        thread.start()
        paused, _ = well_behaved(server, asked)
        over.set()
        thread.join()
        ratio = paused["latency_ns"]["p99"] / told["latency_ns"]["p99"]
    finally:
        server.__exit__()
    print("control, a server that pauses: x%.1f, %s" % (
        ratio, "found" if ratio > RATIO_MAX else "NOT FOUND"))
    return [] if ratio > RATIO_MAX else ["control: pauses were not found"]


def control_patience(asked):
    """A server that waits an hour for a head, with few places: slow clients keep others out."""
    server = started(limits_head_seconds=3600, limits_connections=500)
    try:
        attack = Attack("slow_header", server, 20, server.key)
        _, wrong = well_behaved(server, asked)
        attack.end()
    finally:
        server.__exit__()
    print("control, a server of endless patience: %s" % ("found: " + wrong[0] if wrong
                                                         else "NOT FOUND"))
    return [] if wrong else ["control: endless patience was not found"]


def control_room(_):
    """A server that takes bodies of 1 MiB: memory must tell."""
    server = started(limits_body_bytes=MIB)
    try:
        pid = server.api_pid()
        before = resident(pid)
        with Watch(pid) as watch:
            every = crowd_of_bodies(server, 150)
            time.sleep(0.5)
            for one in every:
                one.close()
        grown = watch.most - before
    finally:
        server.__exit__()
    found = grown > MEMORY["slow_body"]
    print("control, a server with too much room: grew %d MiB, %s" % (
        grown // MIB, "found" if found else "NOT FOUND"))
    return [] if found else ["control: memory was not found"]


OWN = {"descriptors": used_up_descriptors, "memory": little_memory}
CONTROLS = (control_pauses, control_patience, control_room)
SLOWHTTPTEST = ["slowhttptest_headers", "slowhttptest_body", "slowhttptest_read"]


def main():
    every = list(attacks.ATTACKS) + SLOWHTTPTEST + list(OWN) + ["controls"]
    parser = argparse.ArgumentParser(prog="./dev torture slow")
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(every))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--shared-cores", action="store_true")
    asked = parser.parse_args()
    for name in asked.attacks:
        if name not in every:
            parser.error("no such attack: %s; there are %s" % (name, ", ".join(every)))
    names = asked.attacks or every
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    faults = []
    crowd = [name for name in names if name in attacks.ATTACKS or name in SLOWHTTPTEST]
    for group in ([name for name in crowd if not name.startswith("tls_")],
                  [name for name in crowd if name.startswith("tls_")]):
        if not group:
            continue
        with server_of(group[0], asked.shared_cores) as server:
            if not asked.shared_cores:
                pin({SERVER_CORE}, server.pid, server.api_pid())
                pin(os.sched_getaffinity(0) - {SERVER_CORE}, os.getpid())  # and who is begun
            for name in group:
                faults += ["%s: %s" % (name, one) for one in one_attack(name, server, asked)[0]]
    for name in names:
        if name in OWN:
            faults += OWN[name](asked)
    if "controls" in names:
        for control in CONTROLS:
            faults += control(asked)
    for one in faults:
        print("FAULT " + one)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
