"""What code in the api process could do, tried from inside it: tests/probe/attempts.hpp.

With the sandbox every attempt is refused. That says something only about an attempt that succeeds
without it, so the whole table is held both ways, in the three ways of starting a server.
"""
import json
import os
import shutil
import subprocess

import pytest

from harness import ORDINARY, PROBE, ROOT, TACIT, Server, wait_until
from test_tls import make_pki, tls_server  # noqa: F401

ALWAYS = """connect_keeper pidfd_open continue_keeper fork posix_spawn clone3 execve socket_unix
    socket_inet socket_inet6 socket_netlink socketpair io_uring_setup memfd_create map_executable
    make_dumpable read_passwd write_tmp""".split()
ALWAYS += """symlink_in_store pipe_in_store setuid_file_in_store watch_run list_root
    shared_memory_file keeper_status signal_group signals_of_descriptor_to_keeper shared_memory
    message_queue protect_executable protect_executable_by_key execution_domain
    move_pages_into_pipe unshare_files enter_namespace core_files signal_at_parents_end""".split()
SAME_UID = ["read_root_key", "rename_in_run", "create_in_run", "signal_keeper"]
SAME_UID += """chmod_key chown_key touch_key append_to_victim rename_victim_into_store
    open_truncating unlink_victim link_key_into_store attribute_on_run write_lock_file tkill_keeper
    tgkill_keeper queue_signal_to_keeper pidfd_signal_keeper priority_of_keeper limits_of_keeper
    cores_of_keeper read_runtimes write_runtimes rename_runtimes read_tls_key""".split()
BOTH_ROOT = """ptrace_keeper keeper_mem keeper_environ keeper_vm_readv pidfd_getfd socket_packet
    setuid_root""".split()
BOTH_ROOT += """truncate_key write_etc keeper_maps keeper_descriptors keeper_root keeper_folder
    keeper_oom_score own_mem compare_with_keeper locks_of_keeper change_root""".split()
ALL = set(ALWAYS + SAME_UID + BOTH_ROOT)

# name: (user that starts it, api_user, uid of the api, what succeeds without the sandbox)
WAYS = {
    "ordinary-user": (ORDINARY if ROOT else None, None, None, ALWAYS + SAME_UID),
    "root-and-nobody": (None, "nobody", 65534, ALWAYS),
    "root-and-root": (None, "root", 0, ALWAYS + SAME_UID + BOTH_ROOT),
}
NEEDED_CAPABILITIES = {"CAP_NET_RAW": 13, "CAP_SYS_CHROOT": 18, "CAP_SYS_PTRACE": 19}

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


def make_victim(server, user):
    """A file of the user that starts the server, beside its folder."""
    path = os.path.join(server.own_folder, "victim")
    with open(path, "w") as file:
        file.write("whole")
    os.chmod(path, 0o600)
    if ROOT:
        os.chown(path, int(user or 0), int(user or 0))
        os.chown(server.own_folder, int(user or 0), int(user or 0))
        os.chmod(server.own_folder, 0o755)
    return path


def probed_server(pki, way, sandbox):
    user, api_user, _, _ = WAYS[way]
    if api_user is not None and not ROOT:
        pytest.skip("needs root")
    settings = {} if api_user is None else {"api_user": api_user}
    server = tls_server(pki, binary=PROBE, user=user, sandbox=sandbox, **settings)
    if ROOT and user is not None:
        for name in ("tls_certificate", "tls_key"):
            os.chown(server.settings[name], int(user), int(user))
    server.more_environment = {"PROBE_KEY": os.path.join(server.data, "root.key"),
                               "PROBE_TLS_KEY": server.settings["tls_key"],
                               "PROBE_RUN": os.path.join(server.data, "run"),
                               "PROBE_STORE": os.path.join(server.data, "store"),
                               "PROBE_VICTIM": make_victim(server, user)}
    return server


def outcomes_in(text, way):
    """What was tried and came of it; nothing when it was not tried yet."""
    lines = [one for one in text.splitlines() if one.startswith('{"probe":')]
    if not lines:
        return None
    found = json.loads(lines[0])
    user, _, uid, _ = WAYS[way]
    assert found["uid"] == (uid if uid is not None else int(user or os.geteuid()))
    assert set(found["probe"]) == ALL, set(found["probe"]) ^ ALL
    return found["probe"]


def probe(pki, way, sandbox):
    with probed_server(pki, way, sandbox) as server:
        wait_until(lambda: outcomes_in(server.log(), way))
        # It serves on, so the attempts were made in a living server and harmed nothing.
        server.make_project("proj_probed")
        server.put("proj_probed", "KEY", "value")
        assert server.values("proj_probed") == {"KEY": "value"}
        assert server.stop() == 0
        return outcomes_in(server.log(), way)


@pytest.mark.parametrize("way", WAYS)
def test_with_the_sandbox_everything_is_refused(pki, way):
    outcomes = {name: one["outcome"] for name, one in probe(pki, way, "on").items()}
    assert outcomes == dict.fromkeys(ALL, "refused")


@pytest.mark.parametrize("way", WAYS)
def test_without_the_sandbox_the_same_attempts_succeed(pki, way):
    succeeds = set(WAYS[way][3])
    if way == "root-and-root" and own_capabilities() != set(NEEDED_CAPABILITIES):
        pytest.skip("this root lacks " + " or ".join(NEEDED_CAPABILITIES))
    if io_uring_is_disabled():
        succeeds.discard("io_uring_setup")
    found = probe(pki, way, "off")
    outcomes = {name: (one["outcome"], one.get("errno")) for name, one in found.items()}
    expected = {name: "succeeded" if name in succeeds else "refused" for name in ALL}
    assert {name: one[0] for name, one in outcomes.items()} == expected, outcomes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("flags", [[], ["--drop"]])
def test_recover_reads_a_store_as_confined(pki, way, flags):
    with probed_server(pki, way, "on") as server:
        server.make_project("p")
        server.put("p", "KEY", "value")
        assert server.stop() == 0
        with open(server.keeper_socket, "w"):  # what is renamed must be there
            shutil.chown(server.keeper_socket, *[int(server.user or os.geteuid())] * 2)
        command = server.command()
        command[command.index("serve"):] = ["recover", "--data", server.data, *flags]
        done = subprocess.run(command, capture_output=True, env=server.environment(), timeout=60)
        assert done.returncode == 0, done.stderr
        assert b"left: projects: 1, secrets: 1, API keys: 0\n" in done.stdout
        outcomes = {name: one["outcome"]
                    for name, one in outcomes_in(done.stderr.decode(), way).items()}
        assert outcomes == dict.fromkeys(ALL, "refused")


def links_of(pid):
    folder = "/proc/%d/fd" % pid
    return {int(number): os.readlink(os.path.join(folder, number)) for number in os.listdir(folder)}


def flags_of(pid, number):
    with open("/proc/%d/fdinfo/%d" % (pid, number)) as info:
        return int(next(line for line in info if line.startswith("flags:")).split()[1], 8)


@pytest.mark.skipif(not ROOT, reason="the processes are not dumpable: only root sees this")
@pytest.mark.parametrize("sandbox", ["on", "off"])
def test_the_api_inherits_nothing_but_what_it_is_given(sandbox, tmp_path):
    """Whoever starts tacit may have a secret file or a terminal open."""
    secret = tmp_path / "secret"
    secret.write_text("not for the network")

    class LeavesOpen(Server):
        def command(self):
            line = "exec 9<%s 77<%s; exec \"$@\" <%s" % (secret, secret, secret)
            return ["bash", "-c", line, "bash", *super().command()]
    with LeavesOpen(sandbox=sandbox) as server:
        keeper, api = links_of(server.pid), links_of(server.api_pid())
        assert [keeper[number] for number in (0, 9, 77)] == [str(secret)] * 3  # the control
        assert str(secret) not in api.values()
        assert api[0] == "/dev/null"
        assert api[4] == os.path.join(server.data, "lock")
        assert flags_of(server.api_pid(), 4) & os.O_ACCMODE == os.O_RDONLY
        # Of the keeper's files it has that one, and the two of the log.
        files = {link for link in api.values() if link.startswith("/")}
        own = os.path.join(server.data, "store")
        others = {link for link in files if not link.startswith(own)}
        assert others <= {"/dev/null", os.path.join(server.data, "lock"), server.log_path}


PLANTED = ["api.sock", "LOG", "LOG.old", "LOCK", "CURRENT.dbtmp", "000001.log"]


@pytest.mark.parametrize("way", ["ordinary-user", "root-and-nobody"])
def test_links_in_the_store_lead_nobody_out_of_it(way):
    """What a captured api process could have left behind, were it able to: the next start, by
    whoever starts tacit, harms nothing that they point to."""
    user, api_user, _, _ = WAYS[way]
    if api_user is not None and not ROOT:
        pytest.skip("needs root")
    with Server(user=user, **({} if api_user is None else {"api_user": api_user})) as server:
        server.make_project("p")
        server.put("p", "KEY", "value")
        server.stop()
        victim = make_victim(server, user)
        key = server.root_key()
        store = os.path.join(server.data, "store")
        key_file = os.path.join(server.data, "root.key")
        for name in PLANTED:
            path = os.path.join(store, name)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(victim if name != "api.sock" else key_file, path)
        # It may serve, or refuse in one line.
        try:
            server.start()
            assert server.values("p") == {"KEY": "value"}
            server.stop()
        except RuntimeError as refused:
            assert "tacit: " in str(refused)
        with open(victim) as file:
            text = file.read()
        assert server.root_key() == key
        assert text == "whole"
        assert os.stat(os.path.join(server.data, "root.key")).st_mode & 0o777 == 0o400


def test_what_users_get_has_no_probe_in_it():
    names = [b"PROBE_KEY", b"read_root_key", b"rename_in_run", b"keeper_vm_readv"]

    def held_by(binary):
        with open(binary, "rb") as file:
            text = file.read()
        return [name for name in names if name in text]
    assert held_by(PROBE) == names  # the control
    assert held_by(TACIT) == []
