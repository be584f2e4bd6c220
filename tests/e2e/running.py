"""`tacit run` as a process that a test talks to."""
import os
import select
import signal
import subprocess
import time

from harness import START_SECONDS_MAX, TACIT, clean_environment


class Run:
    """with Run(server, "--on-change", "restart", command=["sh", "-c", …]) as run: …"""

    def __init__(self, server, *options, command, project="p", environment=None, merge=False,
                 **popen):
        where = {"TACIT_DATA_DIR": server.data} if server is not None else {}
        self.process = subprocess.Popen(
            [TACIT, "run", "--project", project, *options, "--", *command],
            env=clean_environment(**{**where, **(environment or {})}), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE, bufsize=0, **popen)
        self.held = {1: b"", 2: b""}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(START_SECONDS_MAX)
        self.process.stdout.close()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def _read(self, number, seconds):
        pipe = {1: self.process.stdout, 2: self.process.stderr}[number]
        if not select.select([pipe], [], [], max(0, seconds))[0]:
            return None
        got = os.read(pipe.fileno(), 65536)
        self.held[number] += got
        return got

    def line(self, number=1, seconds=START_SECONDS_MAX):
        """The next line of stdout (1) or stderr (2)."""
        end = time.monotonic() + seconds
        while b"\n" not in self.held[number]:
            got = self._read(number, end - time.monotonic())
            assert got, "no line: %r %r %r" % (got, self.held, self.process.poll())
        line, self.held[number] = self.held[number].split(b"\n", 1)
        return line.decode(errors="replace")

    def says_nothing_for(self, seconds, number=1):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._read(number, end - time.monotonic()) == b"":
                break
        return self.held[number] == b""

    def signal(self, how):
        self.process.send_signal(how)
        return self

    def end(self, how=None):
        """(status, rest of stdout, rest of stderr); sends a signal first when one is named."""
        if how is not None:
            self.signal(how)
        if self.process.stdin is not None and self.process.stdin.closed:
            self.process.stdin = None  # or it is flushed
        out, err = self.process.communicate(timeout=START_SECONDS_MAX)
        return (self.process.returncode, (self.held[1] + out).decode(errors="replace"),
                (self.held[2] + (err or b"")).decode(errors="replace"))


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        return [int(one) for one in children.read().split()]


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
           signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH, signal.SIGURG, signal.SIGIO,
           signal.SIGRTMIN, signal.SIGRTMAX]
