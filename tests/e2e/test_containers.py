"""conf/podman-secrets.sh, as podman's own driver calls it and by podman itself."""
import os
import shutil
import stat
import subprocess

import pytest
from harness import ROOT, Server, clean_environment
from podman import Podman

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(REPOSITORY, "conf", "podman-secrets.sh")
VALUES = {"PLAIN": "a value", "LINES": "-----BEGIN\nq'\"$x\\\n-----END\n\n", "SPACES": " \t\r\n",
          "PERCENT": "%s%n\\n", "WIDE": "\U0001f600" * 4096}
ID = "73ca1b9715bb1c0b0530f6554"


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with Server() as server:
        server.make_project("my-shop_1")
        for name, value in VALUES.items():
            server.put("my-shop_1", name, value)
        yield server


@pytest.fixture(name="driver")
def fixture_driver(server, tmp_path):
    return Driver(server, tmp_path)


class Driver:
    """Calls the script as containers/common, pkg/secrets/shelldriver does: through /bin/sh -c,
    the id in SECRET_ID, the data of store on stdin."""

    def __init__(self, server, folder):
        binaries = folder / "bin"
        binaries.mkdir()
        (binaries / "tacit").symlink_to(os.path.abspath(server.binary))
        self.state = str(folder / "state folder")
        self.environment = clean_environment(TACIT_DATA_DIR=server.data)
        self.environment["PATH"] = "%s:%s" % (binaries, self.environment["PATH"])

    def option(self, command):
        return "%s %s '%s'" % (SCRIPT, command, self.state)

    def call(self, command, secret_id=ID, stdin=b""):
        surroundings = dict(self.environment)
        if secret_id is not None:
            surroundings["SECRET_ID"] = secret_id
        return subprocess.run(["/bin/sh", "-c", self.option(command)], input=stdin,
                              capture_output=True, env=surroundings)

    def good(self, command, secret_id=ID, stdin=b""):
        done = self.call(command, secret_id, stdin)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr
        return done.stdout

    def bad(self, command, part, secret_id=ID, stdin=b""):
        done = self.call(command, secret_id, stdin)
        assert (done.returncode, done.stdout) == (1, b""), done
        assert part in done.stderr.decode(), done.stderr
        return done.stderr.decode()


def test_the_life_of_a_secret(driver):
    assert driver.good("list") == b""
    for number, (name, value) in enumerate(VALUES.items()):
        own = "%s%d" % (ID[:-1], number)
        assert driver.good("store", own, b"my-shop_1/%s" % name.encode()) == b""
        assert driver.good("lookup", own) == value.encode(), name
    assert driver.good("list").decode().split() == ["%s%d" % (ID[:-1], n) for n in range(5)]
    assert driver.good("delete", ID[:-1] + "0") == b""
    driver.bad("lookup", "is not known", ID[:-1] + "0")
    driver.bad("delete", "is not known", ID[:-1] + "0")
    assert len(driver.good("list").split()) == 4


def test_the_folder_holds_names_and_no_values(driver):
    driver.good("store", stdin=b"my-shop_1/PLAIN\n")
    assert stat.S_IMODE(os.stat(driver.state).st_mode) == 0o700
    file = os.path.join(driver.state, ID)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    with open(file, encoding="utf-8") as opened:
        assert opened.read() == "my-shop_1/PLAIN\n"
    driver.bad("store", "is taken", stdin=b"my-shop_1/LINES")
    assert driver.good("lookup") == b"a value"


@pytest.mark.parametrize("text", [
    b"", b"hunter2", b"my-shop_1", b"my-shop_1/", b"/PLAIN", b"my-shop_1/plain", b"a/b/C",
    b"my-shop_1/PLAIN\nx", b"my-shop_1/PLAIN hunter2", b"../x/A", b"-p/A", b"_p/A", b"p/_A",
    b"p/9", b"p/A-B", b"$(id)/A", b"p/A;id", b"p" * 65 + b"/A", b"p/" + b"A" * 65,
    b"my-shop_1/PLAIN\0\xff\xfe"])
def test_what_is_no_name_of_a_secret_is_refused_and_not_repeated(driver, text):
    said = driver.bad("store", "stdin must be PROJECT/KEY", stdin=text)
    assert "hunter2" not in said
    assert driver.good("list") == b""


@pytest.mark.parametrize("secret_id", [None, "", "../x", "a/b", "a b", ".x", "x" * 65, "a\nb"])
def test_an_id_that_podman_does_not_make(driver, secret_id):
    for command in ("store", "lookup", "delete"):
        driver.bad(command, "SECRET_ID is not an id", secret_id, b"my-shop_1/PLAIN")
    assert not os.path.exists(driver.state)


def test_what_cannot_be_had_is_nothing_and_a_failure(driver, server):
    for number, (name, said) in enumerate([("my-shop_1/NONE", "has no secret NONE"),
                                           ("my-shop_1/PATH", "has no secret PATH"),
                                           ("absent/PLAIN", "no such project")]):
        driver.good("store", str(number), name.encode())
        driver.bad("lookup", said, str(number))
    driver.good("store", stdin=b"my-shop_1/PLAIN")
    with open(os.path.join(driver.state, ID), "w", encoding="utf-8") as file:
        file.write("my-shop_1/PLAIN --format json\n")
    driver.bad("lookup", "is damaged")
    server.stop()
    driver.bad("lookup", "unavailable", "0")
    server.start()


def test_wrong_usage(driver):
    for words in ([], ["list"], ["list", driver.state, "x"], ["other", driver.state]):
        done = subprocess.run([SCRIPT, *words], capture_output=True,
                              env={**driver.environment, "SECRET_ID": ID})
        assert (done.returncode, done.stdout) == (1, b""), words
    driver.state = "relative"
    driver.bad("list", "DIR must begin with /")


@pytest.mark.skipif(not ROOT, reason="podman needs more set up for other users")
def test_podman_itself(driver, server):
    options = ",".join("%s=%s" % (command, driver.option(command))
                       for command in ("list", "store", "lookup", "delete"))
    create = ["secret", "create", "--driver", "shell", "--driver-opts", options]
    with Podman() as podman:
        podman.environment = driver.environment
        ids = {}
        for name in VALUES:
            ids[name] = podman.good(*create, name.lower(), "-",
                                    stdin=b"my-shop_1/" + name.encode()).decode().strip()
        assert driver.good("list").decode().split() == sorted(ids.values())
        listed = podman.good("secret", "ls", "--format", "{{.ID}} {{.Driver}}").decode()
        assert sorted(listed.splitlines()) == sorted(one + " shell" for one in ids.values())
        for name, value in VALUES.items():
            container = podman.create("--secret", name.lower())
            assert podman.mounted_secret(container, name.lower()) == value.encode(), name
        server.put("my-shop_1", "PLAIN", "another value")  # a look-up is never of an old one
        container = podman.create("--secret", "plain")
        assert podman.mounted_secret(container, "plain") == b"another value"
        server.put("my-shop_1", "PLAIN", VALUES["PLAIN"])
        refused = podman.run(*create, "wrong", "-", stdin=b"hunter2")
        assert refused.returncode != 0 and b"stdin must be PROJECT/KEY" in refused.stderr
        podman.good("secret", "rm", "plain")
        assert ids["PLAIN"] not in driver.good("list").decode()
        server.stop()
        failed = podman.run("create", "--network", "none", "--secret", "lines", "--rootfs",
                            podman.rootfs, "/bin/true")
        server.start()
        assert failed.returncode != 0 and b"unavailable" in failed.stderr
        shutil.rmtree(driver.state)
        assert podman.run("create", "--secret", "lines", "--rootfs", podman.rootfs,
                          "/bin/true").returncode != 0
