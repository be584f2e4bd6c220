"""Running as a service: the word that it serves, locked memory, the unit file."""
import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile

import pytest

from harness import BUILD, ORDINARY, ROOT, Server
from test_tls import make_pki, tls_server  # noqa: F401

UNIT = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "tacit.service")
EXPOSURE_TENTHS_MAX = 15

needs_root = pytest.mark.skipif(not ROOT, reason="needs root")


# --- The service manager's socket ----------------------------------------------------------------


@contextlib.contextmanager
def manager(abstract=False):
    """A socket as systemd gives in NOTIFY_SOCKET: (socket, name of it)."""
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-notify-") as folder, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "notify")
        told.bind("\0" + path if abstract else path)
        if not abstract:
            os.chmod(path, 0o777)
        told.setblocking(False)
        yield told, "@" + path if abstract else path


def everything_told(told):
    words = []
    with contextlib.suppress(BlockingIOError):
        while True:
            words.append(told.recv(4096))
    return words


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_the_manager_is_told_once_and_when_it_serves(abstract, sandbox):
    with manager(abstract) as (told, name):
        server = Server(environment={"NOTIFY_SOCKET": name}, sandbox=sandbox)
        with server:
            # Before the line that says where it listens.
            assert everything_told(told) == [b"READY=1"]
            assert server.call("GET", "/user/me").status == 401
            assert server.stop() == 0
            assert everything_told(told) == []
            assert "NOTIFY_SOCKET" not in server.log()


def test_a_start_that_fails_tells_nothing():
    with manager() as (told, name):
        server = Server(environment={"NOTIFY_SOCKET": name}, threads=0)
        status, _, _ = server.run_to_end()
        assert status == 1
        assert everything_told(told) == []


@pytest.mark.parametrize("name", ["/none/notify", "@tacit-e2e-nobody-listens", "/" + "x" * 200])
def test_a_manager_that_cannot_be_told_is_said_and_it_serves(name):
    with Server(environment={"NOTIFY_SOCKET": name}) as server:
        assert server.call("GET", "/user/me").status == 401
        said = [line for line in server.log().splitlines() if "NOTIFY_SOCKET" in line]
        assert len(said) == 1 and '"warn"' in said[0]


@needs_root
def test_the_api_process_cannot_speak_to_the_manager():
    with manager() as (_, name):
        with Server(environment={"NOTIFY_SOCKET": name}) as server:
            told = {}
            for pid in (server.pid, server.api_pid()):
                with open("/proc/%d/environ" % pid, "rb") as file:
                    told[pid] = b"NOTIFY_SOCKET" in file.read()
            assert told == {server.pid: True, server.api_pid(): False}
            open_now = [os.readlink("/proc/%d/fd/%s" % (server.pid, number))
                        for number in os.listdir("/proc/%d/fd" % server.pid)]
            with open("/proc/net/unix") as table:
                datagram = {line.split()[6] for line in list(table)[1:]
                            if line.split()[4] == "0002"}
            held = {one[len("socket:["):-1] for one in open_now if one.startswith("socket:[")}
            assert held and not held & datagram  # nor does the keeper keep it


# --- Locked memory -------------------------------------------------------------------------------


class LimitedServer(Server):
    """One that may lock so many bytes. As an ordinary user: root may lock what it likes."""

    def __init__(self, bytes_max, **settings):
        super().__init__(user=ORDINARY if ROOT else None, **settings)
        self.bytes_max = bytes_max

    def command(self):
        return ["prlimit", "--memlock=%d:%d" % (self.bytes_max, self.bytes_max), *super().command()]


def lines_on_locking(server):
    lines = [json.loads(line) for line in server.log().splitlines() if '"limit_bytes"' in line]
    assert all("LimitMEMLOCK" in line["event"] and line["level"] == "warn" for line in lines)
    return [(line["process"], line["limit_bytes"]) for line in lines]


def locked_kib(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmLck:\s+(\d+) kB", status.read()).group(1))


def test_memory_for_keys_and_values_is_locked():
    with LimitedServer(8 << 20, threads=1) as server:
        server.make_project("p")
        server.put("p", "KEY", "value")
        assert server.values("p") == {"KEY": "value"}
        assert lines_on_locking(server) == []
        if ROOT and BUILD not in ("asan", "tsan"):
            # The share of the keys: a page each at least; the api's buffers besides.
            assert locked_kib(server.pid) >= 4
            assert locked_kib(server.api_pid()) >= 80


@pytest.mark.skipif(BUILD in ("asan", "tsan"), reason="a sanitizer makes mlock do nothing")
@pytest.mark.parametrize("bytes_max", [0, 64 << 10])
def test_a_failed_lock_is_said_once_a_process_and_it_serves(bytes_max):
    with LimitedServer(bytes_max, threads=2) as server:
        server.make_project("p")
        for _ in range(5):
            server.put("p", "KEY", "value")
            assert server.values("p") == {"KEY": "value"}
        processes = ["api", "keeper"] if bytes_max == 0 else ["api"]
        assert sorted(lines_on_locking(server)) == [(one, bytes_max) for one in processes]


@pytest.mark.skipif(BUILD in ("asan", "tsan"), reason="a sanitizer makes mlock do nothing")
def test_a_delivery_that_is_too_large_to_be_locked_is_said():
    with LimitedServer(1 << 20, threads=1, limits_secrets_per_project=200) as server:
        server.make_project("p")
        server.put("p", "KEY", "value")
        assert server.values("p") == {"KEY": "value"}
        assert lines_on_locking(server) == []
        for number in range(100):
            server.put("p", "KEY_%d" % number, "\U0001f511" * 4096)
        for _ in range(3):
            assert len(server.values("p")) == 101
        assert lines_on_locking(server) == [("keeper", 1 << 20)]


@pytest.mark.skipif(BUILD in ("asan", "tsan"), reason="a sanitizer makes mlock do nothing")
@pytest.mark.parametrize("tls", [False, True])
def test_memory_for_the_keys_of_tls_is_locked_or_that_is_said(pki, tls):
    """OpenSSL asks the kernel itself. What is enough without TLS is not with it."""
    server = tls_server(pki, threads=1, user=ORDINARY if ROOT else None)
    for name in ("tls_certificate", "tls_key"):
        if ROOT:
            os.chown(server.settings[name], int(ORDINARY), int(ORDINARY))
        if not tls:
            del server.settings[name]
    plain = server.command()
    server.command = lambda: ["prlimit", "--memlock=%d:%d" % (1 << 20, 1 << 20), *plain]
    with server:
        assert lines_on_locking(server) == ([("api", 1 << 20)] if tls else [])


# --- The unit ------------------------------------------------------------------------------------


def directives():
    with open(UNIT) as unit:
        return [line.strip() for line in unit if "=" in line and not line.startswith("#")]


def exposure_is_within(text, tenths):
    """What systemd says of the unit without starting anything. Needs Debian's package systemd."""
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-unit-") as folder:
        path = os.path.join(folder, "tacit.service")
        with open(path, "w") as unit:
            unit.write(text)
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                               "--threshold=%d" % tenths, path], capture_output=True, text=True)
    assert "Overall exposure level" in done.stdout, done.stderr
    assert "Unknown" not in done.stderr and "ignoring" not in done.stderr, done.stderr
    return done.returncode == 0


def unit_text():
    with open(UNIT) as unit:
        return unit.read()


def test_the_units_exposure_is_within_the_bound():
    assert exposure_is_within(unit_text(), EXPOSURE_TENTHS_MAX)


@pytest.mark.parametrize("without", ["User=", "CapabilityBoundingSet=", "SystemCallFilter=",
                                     "PrivateDevices=", "ProtectSystem=", "RestrictNamespaces=",
                                     "RestrictAddressFamilies=", "NoNewPrivileges="])
def test_each_wall_of_the_unit_counts(without):
    """The control: without it the unit is over the bound."""
    text = unit_text()
    less = "".join(line + "\n" for line in text.splitlines() if not line.startswith(without))
    assert less != text
    assert not exposure_is_within(less, EXPOSURE_TENTHS_MAX)


def test_the_unit_leaves_out_what_would_change_who_a_peer_is():
    """PrivateUsers would make every peer of keeper.sock look like root, tacit or nobody."""
    set_to = dict(line.split("=", 1) for line in directives())
    assert "PrivateUsers" not in set_to and "DynamicUser" not in set_to
    assert set_to["RestartPreventExitStatus"] == "2 5"
    assert set_to["LimitCORE"] == "0"
    assert (set_to["StateDirectory"], set_to["RuntimeDirectory"]) == ("tacit", "tacit")


class FewCapabilities(Server):
    """Started as root, as docs/deploy.md says for two users."""

    def command(self):
        return ["setpriv", "--bounding-set=-all,+chown,+setgid,+setpcap,+setuid", "--no-new-privs",
                *super().command()]


def held_capabilities(pid):
    with open("/proc/%d/status" % pid) as status:
        held = dict(line.split(":", 1) for line in status)
    return {name: int(held[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")}


@needs_root
def test_started_as_root_four_capabilities_are_enough():
    with FewCapabilities(api_user="nobody") as server:
        server.make_project("p")
        server.put("p", "KEY", "value")
        server.restart()
        assert server.values("p") == {"KEY": "value"}
        for pid in (server.pid, server.api_pid()):
            assert set(held_capabilities(pid).values()) == {0}
        with open("/proc/%d/status" % server.api_pid()) as status:
            assert "Uid:\t65534" in status.read()


@needs_root
def test_without_capabilities_root_still_sees_that_a_store_exists():
    """It may not look into the api user's folder; a new key would be worse than none."""
    with FewCapabilities(api_user="nobody") as server:
        server.make_project("p")
        assert server.stop() == 0
        key = os.path.join(server.data, "root.key")
        os.rename(key, key + ".away")
        status, _, said = server.run_to_end()
        assert status == 1 and "restore the key from a copy" in said
        assert not os.path.exists(key)
        os.rename(key + ".away", key)
        server.start()
        assert server.owner("GET", "/projects/p").status == 200
