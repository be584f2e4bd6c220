"""Debian's podman in a folder of its own, for what needs no container to run: how it reads files,
and what it asks a secret driver for."""
import json
import os
import shutil
import subprocess
import tempfile

from harness import clean_environment


class Podman:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="tp-", dir="/tmp")  # podman takes 50 characters
        self.rootfs = os.path.join(self.folder, "rootfs")
        os.mkdir(self.rootfs)
        self.environment = clean_environment()
        return self

    def __exit__(self, *_):
        self.run("rm", "--all", "--force")
        shutil.rmtree(self.folder)

    def run(self, *arguments, stdin=None):
        return subprocess.run(
            ["podman", "--root", os.path.join(self.folder, "root"), "--runroot",
             os.path.join(self.folder, "run"), "--storage-driver", "vfs", "--cgroup-manager",
             "cgroupfs", "--events-backend", "none", *arguments],
            input=stdin, capture_output=True, env=self.environment)

    def good(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def create(self, *arguments):
        """A container that is never started; its id."""
        return self.good("create", "--network", "none", *arguments, "--rootfs", self.rootfs,
                         "/bin/true").decode().strip()

    def environment_of(self, container):
        """As podman will give it to the container, one text each."""
        return json.loads(self.good("inspect", container))[0]["Config"]["Env"]

    def mounted_secret(self, container, name):
        """The bytes that will be /run/secrets/NAME: podman takes them when it makes a container."""
        folder = os.path.join(self.folder, "root", "vfs-containers", container, "userdata")
        with open(os.path.join(folder, "secrets", name), "rb") as file:
            return file.read()
