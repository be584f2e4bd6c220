"""A machine for a test: systemd booted in namespaces, on a root file system of its own.

The root is a Debian of the host's release, made once with debootstrap in build/systemd-root (or
$TACIT_SYSTEMD_ROOT). It is only read; what a machine writes is in memory and ends with it.
"""
import os
import subprocess
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.environ.get("TACIT_SYSTEMD_ROOT",
                      os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "systemd-root"))
MARK = ".tacit-test-machine"
BOOT_SECONDS_MAX = 120


def release():
    with open("/etc/os-release") as about:
        named = dict(line.rstrip().split("=", 1) for line in about if "=" in line)
    return named["VERSION_CODENAME"].strip('"')


def make_root():
    """Makes the root file system unless it is there whole."""
    if os.path.exists(os.path.join(ROOT, MARK)):
        return
    fresh = ROOT + ".new"
    subprocess.run(["rm", "-rf", "--one-file-system", fresh], check=True)
    os.makedirs(fresh)
    subprocess.run(["debootstrap", "--variant=minbase", "--include=systemd", release(), fresh],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(fresh, MARK), "w") as mark:
        mark.write(release() + "\n")
    os.rename(fresh, ROOT)


def check_root(root):
    """systemd must never meet the host's own files: it empties /tmp."""
    root = os.path.realpath(root)
    if root == "/" or os.path.samefile(root, "/") or os.path.ismount(root):
        raise RuntimeError(root + " is no folder of its own")
    for needed in (MARK, "lib/systemd/systemd", "etc/debian_version"):
        if not os.path.exists(os.path.join(root, needed)):
            raise RuntimeError("%s has no %s: remove the folder, and it is made again"
                               % (root, needed))
    return root


def cgroup_folder():
    """Where the unified hierarchy of cgroups is mounted."""
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            before, after = line.split(" - ")
            if after.split()[0] == "cgroup2":
                return before.split()[4]
    raise RuntimeError("this machine has no cgroup2 mounted")


class Machine:
    """with Machine() as m: m.run("systemctl", "start", "x.service")"""

    def __init__(self):
        self.root = check_root(ROOT)
        self.cgroup = os.path.join(cgroup_folder(), "tacit-test-" + uuid.uuid4().hex[:12])
        self.process = None
        self.leader = None

    def __enter__(self):
        os.mkdir(self.cgroup)
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def boot(self):
        namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup"]
        # The shell enters the cgroup before the namespace of cgroups begins there.
        enter = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
        self.process = subprocess.Popen(
            ["sh", "-c", enter, "sh", self.cgroup, "unshare", *namespaces, "--fork",
             "--kill-child", "--", os.path.join(HERE, "boot.sh"), self.root],
            stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + BOOT_SECONDS_MAX
        while not self.is_up():
            assert self.process.poll() is None, "the machine ended before it was up"
            assert time.monotonic() < end, "the machine did not come up"
            time.sleep(0.1)
        self.run("ip", "link", "set", "lo", "up", check=False)

    def find_leader(self):
        children = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        try:
            with open(children) as found:
                pid = int(found.read().split()[0])
            with open("/proc/%d/comm" % pid) as comm:
                return pid if comm.read() == "systemd\n" else None
        except (OSError, IndexError):
            return None

    def is_up(self):
        self.leader = self.find_leader()
        if self.leader is None:
            return False
        state = self.run("systemctl", "is-system-running", check=False)
        return state.stdout.strip() in (b"running", b"degraded")

    def run(self, *command, check=True, stdin=None, timeout=120):
        """A command in the machine, as root and beside all units."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--mount", "--pid", "--net", "--ipc",
             "--uts", "--cgroup", "--root", "--wd", "--", "/usr/bin/env", "-i",
             "PATH=/usr/sbin:/usr/bin", *command],
            input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True, timeout=timeout)
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
        return done

    def write(self, path, content, mode="0644"):
        if isinstance(content, str):
            content = content.encode()
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "sh",
                 path, mode, stdin=content)

    def read(self, path):
        return self.run("cat", path).stdout

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()  # and with it the first process of the pid namespace, and so all
            self.process.wait(60)
        self.remove_cgroup()

    def remove_cgroup(self):
        end = time.monotonic() + 30
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            while True:
                try:
                    os.rmdir(folder)
                    break
                except OSError:  # a process of it is still going
                    assert time.monotonic() < end, "cannot remove " + folder
                    time.sleep(0.05)
