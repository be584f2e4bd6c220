"""What takes another file's place is on disk before it does, and its place is before anything goes
on: as strace sees the calls. (Nothing else shows it but a cut of power in the wrong moment.)"""
import glob
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import Server, clean_environment
from test_recover import change_byte, filled

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")

CALLS = "openat,write,fsync,mkdir,rename,renameat2"


def traced(trace, command):
    return ["strace", "-f", "-qq", "-y", "-s", "0", "-o", trace, "-e", "trace=" + CALLS, *command]


class TracedServer(Server):
    def command(self):
        self.trace = os.path.join(self.own_folder, "trace")
        return traced(self.trace, super().command())

    def stop(self, how=signal.SIGTERM):
        os.kill(self.api_pid(), how)  # strace's child: the keeper
        status = self.process.wait(60)
        self.process.stdout.close()
        return status


def calls_of(trace):
    """For each thread its calls, in order, as text."""
    threads = {}
    with open(trace, errors="replace") as lines:
        for line in lines:
            thread, call = line.split(None, 1)
            if re.match(r"\w+\(", call):
                threads.setdefault(thread, []).append(call)
    return threads.values()


def faults_of(threads, unfinished, final):
    """What is wrong with the way `unfinished` got the name `final`; None when it never did."""
    seen, wrong = False, []
    for calls in threads:
        for at, call in enumerate(calls):
            if not (call.startswith("rename") and call.count('"%s"' % unfinished) == 1
                    and '"%s"' % final in call):
                continue
            seen = True
            earlier = [one.split("(")[0] for one in calls[:at] if "<%s>" % unfinished in one]
            if os.path.isfile(final) and earlier[-2:] != ["write", "fsync"]:
                wrong.append("not synced before: " + call)
            folder = os.path.dirname(final)
            later = [one for one in calls[at + 1:] if not one.startswith(("openat", "rename"))]
            if not later or not re.match(r"fsync\(\d+<%s>" % re.escape(folder), later[0]):
                wrong.append("its folder was not synced behind: " + call)
    return wrong if seen else None


def made_unsynced(threads, folder):
    """Whether its name was not synced as soon as it was made; None when it was not made."""
    for calls in threads:
        for at, call in enumerate(calls):
            if call.startswith('mkdir("%s"' % folder) and call.endswith(" = 0\n"):
                later = [one for one in calls[at + 1:] if not one.startswith("openat")]
                return not later[0].startswith("fsync(") or (
                    "<%s>" % os.path.dirname(folder) not in later[0])
    return None


def without(threads, pattern):
    return [[one for one in calls if not re.search(pattern, one)] for calls in threads]


def test_the_root_key_and_the_stores_mark():
    server = TracedServer()
    try:
        server.start()
        server.make_project("p")
        assert server.stop() == 0
        threads = list(calls_of(server.trace))
        for final in (server.data + "/root.key", server.data + "/store/STORE"):
            unfinished = final + ".new"
            assert faults_of(threads, unfinished, final) == []
            # The control: the same without the one and the other call.
            for call in (r"fsync\(\d+<%s>" % unfinished,
                         r"fsync\(\d+<%s>" % os.path.dirname(final)):
                assert faults_of(without(threads, call), unfinished, final), call
    finally:
        server.__exit__()


def test_the_folders_of_a_first_start():
    server = TracedServer()
    try:
        above = server.data
        server.data = above + "/within/data"
        server.start()
        assert server.stop() == 0
        threads = list(calls_of(server.trace))
        for folder in (above, above + "/within", server.data, server.data + "/store"):
            assert made_unsynced(threads, folder) is False, folder
            assert made_unsynced(without(threads, r"fsync\(\d+<%s>" % os.path.dirname(folder)),
                                 folder), folder
    finally:
        server.__exit__()


def test_a_store_that_was_made_by_recover():
    server = filled()
    try:
        server.kill()
        log = max(glob.glob(server.data + "/store/*.log"), key=os.path.getsize)
        change_byte(log, os.path.getsize(log) // 2)
        trace = server.data + ".trace"
        done = subprocess.run(traced(trace, [server.binary, "recover", "--data", server.data,
                                             "--drop"]),
                              capture_output=True, env=clean_environment(), timeout=60)
        assert done.returncode == 0, done.stderr
        aside, = glob.glob(server.data + "/store.damaged-*")
        threads = list(calls_of(trace))
        made = server.data + "/store.new"
        assert faults_of(threads, made, aside) == []
        assert faults_of(without(threads, r"fsync\(\d+<%s>" % server.data), made, aside)
        server.start()
    finally:
        server.__exit__()
