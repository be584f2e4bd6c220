"""Two processes: who may do what, what each of them shows, and that neither outlives the other."""
import contextlib
import ctypes
import os
import re
import signal
import stat
import subprocess

import pytest

from harness import ORDINARY, ROOT, Server, as_user, clean_environment, is_alive, wait_until

NEEDS_ROOT = pytest.mark.skipif(not ROOT, reason="needs root: looks into processes of others")
NOBODY = 65534
PR_SET_CHILD_SUBREAPER = 36
CAPABILITY_SETS = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
VALUE = "processes-value-hQ7zvW2kLm"


@pytest.fixture(name="reaper")
def be_reaper():
    """The api process becomes a child of this process when its keeper has died."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def wait_for_orphan(pid):
    """The exit status of a process that came to us."""
    ended = []

    def has_ended():
        try:
            got, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # its parent is still there
            return False
        ended.append(status)
        return got == pid
    wait_until(has_ended)
    return os.waitstatus_to_exitcode(ended[-1])


def status_of(pid, thread=None):
    path = "/proc/%d/status" % pid if thread is None else "/proc/%d/task/%d/status" % (pid, thread)
    with open(path) as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status)


def threads_of(pid):
    return [int(one) for one in os.listdir("/proc/%d/task" % pid)]


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def open_files(pid):
    folder = "/proc/%d/fd" % pid
    return {int(one): os.readlink(os.path.join(folder, one)) for one in os.listdir(folder)}


def network_sockets(pid):
    """inode -> local port, of every socket that reaches a network."""
    found = {}
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        with open("/proc/%d/net/%s" % (pid, kind)) as table:
            for line in list(table)[1:]:
                fields = line.split()
                found[fields[9]] = (kind, int(fields[1].rsplit(":", 1)[1], 16))
    return found


def sockets_of(pid):
    return [text[len("socket:["):-1] for text in open_files(pid).values()
            if text.startswith("socket:[")]


# --- Ends ----------------------------------------------------------------------------------------


def test_a_killed_api_ends_serve_with_4():
    with Server() as server:
        api = server.api_pid()
        assert server.kill_api() == 4
        assert not is_alive(api)
        assert "the api process died" in server.log()


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crashed_api_ends_serve_with_4(how):
    with Server() as server:
        os.kill(server.api_pid(), how)
        assert server.process.wait(60) == 4


def test_a_killed_keeper_ends_the_api_with_3(reaper):
    with Server() as server:
        api = server.api_pid()
        os.kill(server.pid, signal.SIGKILL)
        assert server.process.wait(60) == -signal.SIGKILL
        assert wait_for_orphan(api) == 3


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whom", ["keeper", "api", "both"])
def test_asked_to_end_both_end_with_0(whom, how, reaper):
    with Server() as server:
        server.make_project("proj_ends")
        api = server.api_pid()
        if whom != "api":
            os.kill(server.pid, how)
        if whom != "keeper":
            os.kill(api, how)
        assert server.process.wait(60) == 0
        assert not is_alive(api)
        assert not os.path.exists(server.keeper_socket)
        server.start()
        assert server.owner("GET", "/projects/proj_ends").status == 200


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_again_and_again_both_end_with_0(how):
    """Also in the last moment, when they are ending already."""
    for _ in range(3):
        with Server() as server:
            api = server.api_pid()
            while server.process.poll() is None:
                os.kill(server.pid, how)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(api, how)
            assert server.process.returncode == 0


def test_a_group_as_a_terminal_interrupts_it_ends_with_0():
    with Server() as server:
        os.kill(server.api_pid(), signal.SIGINT)
        os.kill(server.pid, signal.SIGINT)
        assert server.process.wait(60) == 0


def test_clients_that_do_not_close_are_not_waited_for_forever():
    with Server() as server:
        with server.connect_raw() as idle:
            server.call("GET", "/projects")  # a later connection was served: ours is known
            assert server.stop() == 0
            assert idle.recv(1) == b""


# --- What they may do ----------------------------------------------------------------------------


def check_is_confined(pid, every_set):
    for thread in threads_of(pid):
        status = status_of(pid, thread)
        assert status["NoNewPrivs"] == "1", thread
        assert status["Seccomp"] == "2", thread
        for name in CAPABILITY_SETS if every_set else set(CAPABILITY_SETS) - {"CapBnd"}:
            assert int(status[name], 16) == 0, (thread, name, status[name])


@NEEDS_ROOT
def test_started_as_root_the_api_is_nobody_in_every_thread():
    with Server(api_user="nobody") as server:
        api = server.api_pid()
        assert len(threads_of(api)) > 2
        for thread in threads_of(api):
            status = status_of(api, thread)
            assert status["Uid"].split() == [str(NOBODY)] * 4
            assert status["Gid"].split() == [str(NOBODY)] * 4
            assert status["Groups"].split() == []
            assert status["Name"] != "exe"
        assert status_of(api)["Name"] == "tacit-api"
        check_is_confined(api, every_set=True)


@NEEDS_ROOT
def test_started_as_root_the_keeper_is_root_without_capabilities():
    with Server(api_user="nobody") as server:
        assert status_of(server.pid)["Uid"].split() == ["0"] * 4
        check_is_confined(server.pid, every_set=True)


@NEEDS_ROOT
def test_as_root_for_both_the_api_has_no_capabilities_either():
    with Server(api_user="root") as server:
        api = server.api_pid()
        assert status_of(api)["Uid"].split() == ["0"] * 4
        assert status_of(api)["Groups"].split() == []
        check_is_confined(api, every_set=True)


def test_started_as_an_ordinary_user_both_are_that_user():
    with Server(user=ORDINARY if ROOT else None) as server:
        for pid in (server.pid, server.api_pid()):
            wanted = ORDINARY if ROOT else str(os.geteuid())
            assert status_of(pid)["Uid"].split() == [wanted] * 4
            check_is_confined(pid, every_set=False)


def test_without_the_sandbox_the_same_look_sees_the_difference():
    """The control of check_is_confined(), and that "off" is said at every start."""
    with Server(sandbox="off") as server:
        assert status_of(server.pid)["Seccomp"] == "0"
        assert status_of(server.api_pid())["Seccomp"] == "0"
        assert "sandbox" in server.log()
        server.restart()
        assert server.log().count('sandbox = \\"off\\"') == 2


# --- What they hold and show ---------------------------------------------------------------------


@NEEDS_ROOT
@pytest.mark.parametrize("user", [None, ORDINARY], ids=["root", "ordinary-user"])
def test_only_the_api_holds_network_sockets_and_only_its_own(user):
    with Server(user=user) as server, server.connect_raw() as client:
        server.call("GET", "/projects")
        api = server.api_pid()
        network = network_sockets(api)
        assert [network[one] for one in sockets_of(server.pid) if one in network] == []
        held = [network[one] for one in sockets_of(api) if one in network]
        assert len(held) >= 2  # it listens, and has our connection
        assert set(held) == {("tcp", server.port)}
        client.close()


@NEEDS_ROOT
@pytest.mark.parametrize("user", [None, ORDINARY], ids=["root", "ordinary-user"])
def test_each_has_only_its_own_files_open(user):
    with Server(user=user) as server:
        server.make_project("proj_files")
        server.put("proj_files", "KEY", VALUE)
        assert server.values("proj_files") == {"KEY": VALUE}
        keeper = {path for path in open_files(server.pid).values() if path.startswith("/")}
        lock = os.path.join(server.data, "lock")
        book = os.path.join(server.data, "runtimes")  # opened before it was confined
        assert keeper <= {"/dev/null", "/dev/urandom", "/dev/random", server.log_path, lock, book}
        for path in open_files(server.api_pid()).values():
            if path.startswith(server.data):
                assert path == lock or path.startswith(os.path.join(server.data, "store")), path


@NEEDS_ROOT
def test_neither_can_be_looked_into_by_its_own_user():
    with Server(user=ORDINARY) as server:
        with subprocess.Popen(as_user(ORDINARY) + ["sleep", "600"]) as control:
            wait_until(lambda: read_bytes("/proc/%d/cmdline" % control.pid).startswith(b"sleep"))
            # An ordinary process of that user: its files are the user's and can be read.
            assert os.stat("/proc/%d/environ" % control.pid).st_uid == NOBODY
            assert reads_as_ordinary("/proc/%d/environ" % control.pid)
            control.kill()
        for pid in (server.pid, server.api_pid()):
            for name in ("environ", "mem", "maps", "auxv", "stack"):
                path = "/proc/%d/%s" % (pid, name)
                assert os.stat(path).st_uid == 0, path
                assert not reads_as_ordinary(path), path
            assert not lists_as_ordinary("/proc/%d/fd" % pid)


def reads_as_ordinary(path):
    return subprocess.run(as_user(ORDINARY) + ["head", "-c", "1", path],
                          capture_output=True).returncode == 0


def lists_as_ordinary(path):
    return subprocess.run(as_user(ORDINARY) + ["ls", path], capture_output=True).returncode == 0


@NEEDS_ROOT
def test_the_api_of_a_root_server_is_not_dumpable_either():
    """The change of user would have made it so again."""
    with Server(api_user="nobody") as server:
        assert os.stat("/proc/%d/environ" % server.api_pid()).st_uid == 0
        assert not reads_as_ordinary("/proc/%d/environ" % server.api_pid())


@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_no_core_file(sandbox):
    with Server(sandbox=sandbox) as server:
        for pid in (server.pid, server.api_pid()):
            limits = read_bytes("/proc/%d/limits" % pid).decode()
            assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits


@NEEDS_ROOT
def test_nothing_secret_in_arguments_and_environment():
    token = "tac_" + "0" * 36
    with Server(environment={"TACIT_TOKEN": token, "OTHERS_TOKEN": "theirs"}) as server:
        server.make_project("proj_shown")
        key = server.make_key()
        server.put("proj_shown", "SHOWN", VALUE, key)
        assert server.values("proj_shown") == {"SHOWN": VALUE}
        root_key = server.root_key()
        for pid in (server.pid, server.api_pid()):
            shown = read_bytes("/proc/%d/cmdline" % pid) + read_bytes("/proc/%d/environ" % pid)
            for secret in (root_key, root_key.hex().encode(), key.encode(), VALUE.encode()):
                assert secret not in shown
        of_keeper = read_bytes("/proc/%d/environ" % server.pid)
        of_api = read_bytes("/proc/%d/environ" % server.api_pid())
        assert b"OTHERS_TOKEN=theirs" in of_keeper  # so the look itself works
        assert [one for one in of_api.split(b"\0") if one and b"SAN_OPTIONS=" not in one] == []
        assert read_bytes("/proc/%d/cmdline" % server.api_pid()) == b"tacit\0api-process\0"


def test_modes_of_what_it_makes():
    with Server() as server:
        def mode(path):
            return oct(stat.S_IMODE(os.stat(os.path.join(server.data, path)).st_mode))
        assert mode("root.key") == "0o400"
        assert mode("store") == "0o700"
        assert mode("store/api.sock") == "0o600"
        assert mode("run") == "0o755"
        assert mode("run/keeper.sock") == "0o666"
        assert len(server.root_key()) == 32
        owner = os.stat(os.path.join(server.data, "store")).st_uid
        assert owner == int(status_of(server.api_pid())["Uid"].split()[0])


class StartedWithout(Server):
    """Started with some of its standard streams closed."""

    def __init__(self, closed):
        super().__init__()
        self.closed = closed

    def command(self):
        return ["sh", "-c", 'exec "$@" ' + self.closed, "sh", *super().command()]

    def start(self):
        self.spawn()
        wait_until(lambda: self.process.poll() is not None or
                   self.cli("project", "list").returncode == 0)
        assert self.process.poll() is None, self.log()
        return self


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_a_start_without_standard_streams(closed):
    """What is missing is not replaced by a file of the server's, which would get the log."""
    with StartedWithout(closed) as server:
        for pid in (server.pid, server.api_pid()):
            at = {number: name for number, name in open_files(pid).items() if number < 3}
            own = [name for name in at.values() if name not in ("/", "/dev/null")
                   and not name.startswith("pipe:") and name != server.log_path]
            assert own == [], at
        assert server.stop() == 0


def test_the_api_process_alone_is_nothing():
    """Started by hand, without its keeper, it ends and makes nothing."""
    with Server() as server:
        done = subprocess.run([server.binary, "api-process"], capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=clean_environment())
        assert done.returncode == 3
        assert server.owner("GET", "/projects").status == 200
