#!/usr/bin/env python3
"""Power cuts of the real program: its folder lies on an ext4 of its own, which is shut down so that
what was not synced is lost (EXT4_IOC_SHUTDOWN, without flushing the journal), mounted again, and
the server started on what is left: it has kept its word (checks.py). Needs root.

  ./dev torture ext4 [--cuts N] [--seed N] [--round N]

The rounds are those of ./dev torture kill, and every kill of one is followed by a cut; with
"signal" the disk goes first, under the server, all threads of which are stopped where they are.
(When they are not, Linux 6.18 sometimes says of an fdatasync under way that it succeeded and loses
the bytes: 5 of 300 cuts under a program of ten lines. After a real cut nobody hears of it.) Every
tenth round is a server's first start instead, cut on the way or behind its first changes. The
control is a server that does not sync.
"""
import contextlib
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import kill
import writers
from checks import check
from harness import ROOT, Server, wait_until
from verdict import first_faults, must_be_right, must_find, parser_of

IMAGE_BYTES = 512 << 20  # sparse; the store keeps 64 MiB free
# _IOR('X', 125, __u32) and its flag, of the kernel's fs/ext4/ext4.h.
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
CONTROL_ROUNDS = 20
YOUNG_EVERY = 10


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def tasks_of(pid):
    """The state of each thread, as one letter."""
    states = []
    for task in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(OSError), open("/proc/%d/task/%s/stat" % (pid, task)) as stat:
            states.append(stat.read().rsplit(")", 1)[1].split()[0])
    return states


def freeze(*pids):
    """Returns once no thread runs; one inside the kernel ("D") stops when it leaves it."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(set(tasks_of(pid)) <= set("TDZX") for pid in pids))


class Disk:
    """An ext4 in a file. The kernel writes nothing back by itself while a round lasts."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tacit-ext4-")
        os.chmod(self.folder, 0o755)  # the api process is another user
        self.image = os.path.join(self.folder, "image")
        self.at = os.path.join(self.folder, "at")
        os.mkdir(self.at)
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_BYTES)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop,commit=300", self.image, self.at)
        os.chmod(self.at, 0o755)

    def cut(self):
        at = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(at, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(at)

    def mount_again(self):
        run("umount", self.at)
        # Mount namespaces that others made meanwhile keep the file system, shut down, and its loop
        # device; mounted then, it would be that one again.
        wait_until(lambda: not self.loop_devices(), 60)
        self.mount()

    def loop_devices(self):
        return subprocess.run(["losetup", "--associated", self.image], check=True,
                              capture_output=True).stdout

    def remove(self):
        subprocess.run(["umount", self.at], check=False)
        shutil.rmtree(self.folder)


class PowerCampaign(kill.Campaign):
    def __init__(self, disk, server, *more, **binaries):
        super().__init__(server, *more, **binaries)
        self.disk = disk
        self.cuts = 0

    def kill(self, plan):
        if plan.kind == "signal":
            api = self.server.api_pid()
            freeze(self.server.pid, api)
            self.disk.cut()
            os.kill(api, signal.SIGKILL)
            self.end(signal.SIGKILL)
            return
        super().kill(plan)

    def end(self, how):
        super().end(how)
        self.disk.cut()
        self.disk.mount_again()

    def round(self, number):
        self.cuts += 1
        if number % YOUNG_EVERY == YOUNG_EVERY - 1:
            return self.first_start(number)
        return super().round(number)

    def first_start(self, number):
        """A folder of its own, cut while or after it is made."""
        draw = random.Random("young %d/%d" % (self.seed, number))
        young = Server(binary=self.tacit, data=os.path.join(self.disk.at, "young"))
        young.log_path = os.path.join(self.disk.folder, "log-young")
        try:
            return ["round %d: a first start: %s" % (number, fault)
                    for fault in self.live_and_die(young, draw)]
        finally:
            young.__exit__()
            shutil.rmtree(young.data)
            run("sync", "-f", self.disk.at)  # or the next cut brings it back

    def live_and_die(self, young, draw):
        one = PowerCampaign(self.disk, young, self.seed, self.points, tacit=self.tacit)
        if draw.random() < 0.5:
            young.spawn()
            time.sleep(draw.uniform(0, 0.15))
        else:
            young.start()
            writers.prepare(young, one.ledger, 2)
            for value in range(draw.randrange(20)):
                slot = one.ledger.slot("shared-0", "A%d" % value)
                row = young.put("shared-0", "A%d" % value, "value-%d" % value)
                one.ledger.acknowledged_secret("shared-0", slot, "value-%d" % value, row)
        one.end(signal.SIGKILL)
        if not one.is_up():
            return ["it does not open again: " + young.log()[-300:]]
        return check(young, one.ledger)


@contextlib.contextmanager
def campaign(seed, points, **more):
    disk = Disk()
    server = Server(data=os.path.join(disk.at, "data"))
    server.log_path = os.path.join(disk.folder, "log")
    try:
        one = PowerCampaign(disk, server, seed, points, **more)
        one.prepare()
        yield one
    finally:
        server.__exit__()
        disk.remove()


def control(seed, points):
    """The faults that were found in a server that does not sync."""
    unsynced = kill.planted("unsynced")
    with campaign(seed, points, tacit=unsynced, probe=unsynced) as one:
        return first_faults(CONTROL_ROUNDS, one.round)


def main():
    asked = parser_of("ext4", cuts=100, round=0).parse_args()
    if not ROOT:
        sys.exit("torture: ext4 needs root: it mounts a file system")
    points = kill.census()
    print("seed %d, %d points" % (asked.seed, len(points)), flush=True)
    faults, rounds = control(asked.seed, points)
    must_find("unsynced", faults, " in round %d" % rounds)
    with campaign(asked.seed, points) as one:
        number = asked.round
        while one.cuts < asked.cuts:
            must_be_right(one.round(number), "seed %d" % asked.seed)
            number += 1
        print("%d cuts: %s" % (one.cuts, one.report()))


if __name__ == "__main__":
    main()
