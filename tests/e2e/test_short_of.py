"""Starts that the system gives too little: one clear line, and never the root key in reach."""
import os
import re
import resource
import shutil
import subprocess
import tempfile

import pytest

from harness import BUILD, ROOT, TACIT, Server, clean_environment
from test_bad_starts import can_unshare, in_own_mounts, refused

NEEDS_MOUNTS = pytest.mark.skipif(not can_unshare(), reason="needs root that may mount")
UNSANITIZED = pytest.mark.skipif(BUILD in ("asan", "tsan"),
                                 reason="a sanitizer needs more than such a start gives")


# --- Where the root key and the keeper's sockets may not lie -------------------------------------


@pytest.mark.parametrize("through", ["", "/../store", "a link"])
def test_the_root_key_does_not_lie_in_the_store(through):
    """The api process reads its store's folder, whatever it is told."""
    with Server() as server:
        assert server.stop() == 0
        inside = os.path.join(server.data, "store", "root.key")
        named = os.path.join(server.data, "store" + through, "root.key")
        if through == "a link":
            named = os.path.join(server.data, "link.key")
            os.symlink(inside, named)
        shutil.copy2(os.path.join(server.data, "root.key"), inside)
        server.arguments += ["--key-file", named]
        refused(server, "lies in the store's folder", "--key-file")
        os.unlink(inside)
        # Nor is one made there: where the link leads to nothing it is as if there were none.
        refused(server, "is missing" if through == "a link" else "lies in the store's folder")
        assert not os.path.exists(inside)


def test_the_keepers_sockets_do_not_lie_in_the_store():
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-") as folder:
        os.chmod(folder, 0o755)
        data = os.path.join(folder, "data")
        server = Server(data=data, run_dir=os.path.join(data, "store", "run"))
        refused(server, "run_dir", "choose another")
        assert os.listdir(os.path.join(data, "store")) == []


# --- Shared memory -------------------------------------------------------------------------------


@NEEDS_MOUNTS
@pytest.mark.parametrize("how,words", [
    ("size=64k", ["cannot be made (No space left on device)", "make room in /dev/shm"]),
    ("ro", ["cannot be opened (Read-only file system)", "must be able to write to /dev/shm"]),
], ids=["full", "read-only"])
def test_shared_memory_that_is_not_to_be_had(how, words):
    """Written to while there is no room for it, it would end the process without a word."""
    with Server() as server:
        assert server.stop() == 0
        server.forget_limiter()
        command = in_own_mounts(server, "mount -t tmpfs -o %s none /dev/shm;" % how)
        server.command = lambda: command
        refused(server, *words)


# --- What the start of the api process needs -----------------------------------------------------


@NEEDS_MOUNTS
@UNSANITIZED
@pytest.mark.parametrize("missing, advice", [("/proc", "mount /proc"), ("/dev", "mount /dev")])
def test_what_an_exec_needs_is_missing(missing, advice):
    server = Server()
    command = in_own_mounts(server, "mount -t tmpfs none %s;" % missing)
    server.command = lambda: command
    try:
        refused(server, "cannot start the second process", advice)
        assert not os.path.exists(server.data + "/root.key")  # nothing was made
    finally:
        server.__exit__()


@pytest.mark.skipif(not ROOT, reason="needs root: changes its user")
@pytest.mark.parametrize("missing", ["setuid", "setgid"])
def test_a_change_of_user_that_is_refused(missing):
    """As of root in a container without the capability."""
    with Server() as server:
        assert server.stop() == 0
        for command in (server.command(), [TACIT, "recover", "--data", server.data]):
            without = ["setpriv", "--bounding-set=-" + missing, *command]
            server.command = lambda without=without: without
            line = refused(server, "CAP_SETUID and CAP_SETGID")
            assert re.match(r"tacit: cannot change to the user [1-9]\d*: Operation not permitted",
                            line), line


# --- Limits of the process -----------------------------------------------------------------------


def line_of_a_start_under(limit, value, server):
    """What the start ends with; None when it serves. Other lines may be of others' code."""
    def lower():
        resource.setrlimit(limit, (value, value))
    process = subprocess.Popen(server.command(), env=server.environment(), preexec_fn=lower,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    serves = process.stdout.readline() != ""
    if serves:
        process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == (0 if serves else 1), err
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    return None if serves else lines[-1]


@UNSANITIZED
def test_too_few_descriptors_are_told():
    with Server() as server:
        assert server.stop() == 0
        lines = [line_of_a_start_under(resource.RLIMIT_NOFILE, most, server)
                 for most in [*range(8, 32), 40, 60, 80]]
    told = [line for line in lines if line is not None]
    assert told and lines[-1] is None
    for line in told:
        assert line.startswith("tacit: ") and "oo many open files" in line, line
        assert "sandbox" not in line, line  # no advice to go without


@UNSANITIZED
@pytest.mark.skipif(not ROOT, reason="needs a user who has no other process")
def test_too_few_threads_are_told():
    with Server(user=str(100_000 + os.getpid())) as server:
        assert server.stop() == 0
        lines = [line_of_a_start_under(resource.RLIMIT_NPROC, most, server)
                 for most in range(2, 60, 6)]
    told = [line for line in lines if line is not None]
    assert told and lines[-1] is None
    for line in told:
        assert re.match(r"tacit: .*(threads|died while it started \(signal 6\))", line), line


@UNSANITIZED
def test_too_little_memory_is_told():
    with Server() as server:
        assert server.stop() == 0
        lines = [line_of_a_start_under(resource.RLIMIT_AS, megabytes << 20, server)
                 for megabytes in (40, 60, 90, 130, 200, 300, 2_000)]
    told = [line for line in lines if line is not None]
    assert told and lines[-1] is None
    for line in told:
        assert re.match(r"tacit: .*(memory|threads)", line), line


def test_files_that_may_not_grow_are_told():
    """Of itself the kernel ends who writes too much, with a signal and without a word."""
    with Server() as server:
        assert server.stop() == 0
        lines = []
        for kilobytes in (0, 1, 16, 64, 4096):
            server.forget_limiter()
            lines.append(line_of_a_start_under(resource.RLIMIT_FSIZE, kilobytes << 10, server))
    told = [line for line in lines if line is not None]
    assert told and lines[-1] is None
    for line in told:
        assert re.match(r"tacit: .*File too large.*LimitFSIZE=", line), line


# --- An identity file ----------------------------------------------------------------------------


@NEEDS_MOUNTS
def test_an_identity_that_does_not_fit_leaves_nothing_behind(tmp_path):
    script = """mount -t tmpfs -o size=4k none "$0"; cd "$0"
        head -c 9000 /dev/zero > fill 2>/dev/null || :
        "$1" runtime keygen --identity x 2>&1 && exit 9; test ! -e x; rm fill
        "$1" runtime keygen --identity x >/dev/null; cat x"""
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-ec", script,
                           str(tmp_path), os.path.abspath(TACIT)], capture_output=True, text=True,
                          env=clean_environment())
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == "tacit: cannot write the identity file x: No space left on device"
    assert rest[0] == "tacit identity 1"
