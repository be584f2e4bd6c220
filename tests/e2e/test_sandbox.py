"""What code in the api process could do, tried from inside it: tests/probe/attempts.hpp.

With the sandbox every attempt is refused. That says something only about an attempt that succeeds
without it, so the whole table is held both ways, in the three ways of starting a server.
"""
import json
import os

import pytest

from harness import ORDINARY, PROBE, ROOT, TACIT, Server, wait_until

ALWAYS = """connect_keeper pidfd_open continue_keeper fork posix_spawn clone3 execve socket_unix
    socket_inet socket_inet6 socket_netlink socketpair io_uring_setup memfd_create map_executable
    make_dumpable read_passwd write_tmp""".split()
SAME_UID = ["read_root_key", "rename_in_run", "create_in_run", "signal_keeper"]
BOTH_ROOT = """ptrace_keeper keeper_mem keeper_environ keeper_vm_readv pidfd_getfd socket_packet
    setuid_root""".split()
ALL = set(ALWAYS + SAME_UID + BOTH_ROOT)

# name: (user that starts it, api_user, uid of the api, what succeeds without the sandbox)
WAYS = {
    "ordinary-user": (ORDINARY if ROOT else None, None, None, ALWAYS + SAME_UID),
    "root-and-nobody": (None, "nobody", 65534, ALWAYS),
    "root-and-root": (None, "root", 0, ALWAYS + SAME_UID + BOTH_ROOT),
}
NEEDED_CAPABILITIES = {"CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19}

pytestmark = pytest.mark.skipif(not os.path.exists(PROBE), reason="tacit-probe was not built")


def own_capabilities():
    with open("/proc/self/status") as status:
        held = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return {name for name, bit in NEEDED_CAPABILITIES.items() if held >> bit & 1}


def io_uring_is_disabled():
    try:
        with open("/proc/sys/kernel/io_uring_disabled") as disabled:
            return disabled.read().strip() != "0"
    except FileNotFoundError:
        return False


def probe(way, sandbox):
    user, api_user, uid, _ = WAYS[way]
    if api_user is not None and not ROOT:
        pytest.skip("needs root")
    settings = {} if api_user is None else {"api_user": api_user}
    server = Server(binary=PROBE, user=user, sandbox=sandbox, **settings)
    server.more_environment = {"PROBE_KEY": os.path.join(server.data, "root.key"),
                               "PROBE_RUN": os.path.join(server.data, "run")}
    with server:
        line = []

        def has_probed():
            line[:] = [one for one in server.log().splitlines() if one.startswith('{"probe":')]
            return line
        wait_until(has_probed)
        found = json.loads(line[0])
        assert found["uid"] == (uid if uid is not None else int(user or os.geteuid()))
        assert set(found["probe"]) == ALL
        # It serves on, so the attempts were made in a living server and harmed nothing.
        server.make_project("proj_probed")
        server.put("proj_probed", "KEY", "value")
        assert server.values("proj_probed") == {"KEY": "value"}
        assert server.stop() == 0
        return found["probe"]


@pytest.mark.parametrize("way", WAYS)
def test_with_the_sandbox_everything_is_refused(way):
    outcomes = {name: one["outcome"] for name, one in probe(way, "on").items()}
    assert outcomes == dict.fromkeys(ALL, "refused")


@pytest.mark.parametrize("way", WAYS)
def test_without_the_sandbox_the_same_attempts_succeed(way):
    succeeds = set(WAYS[way][3])
    if way == "root-and-root" and own_capabilities() != set(NEEDED_CAPABILITIES):
        pytest.skip("this root lacks " + " or ".join(NEEDED_CAPABILITIES))
    if io_uring_is_disabled():
        succeeds.discard("io_uring_setup")
    found = probe(way, "off")
    outcomes = {name: (one["outcome"], one.get("errno")) for name, one in found.items()}
    expected = {name: "succeeded" if name in succeeds else "refused" for name in ALL}
    assert {name: one[0] for name, one in outcomes.items()} == expected, outcomes


def test_what_users_get_has_no_probe_in_it():
    names = [b"PROBE_KEY", b"read_root_key", b"rename_in_run", b"keeper_vm_readv"]

    def held_by(binary):
        with open(binary, "rb") as file:
            text = file.read()
        return [name for name in names if name in text]
    assert held_by(PROBE) == names  # the control
    assert held_by(TACIT) == []
