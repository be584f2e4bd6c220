"""docs/deploy.md word for word on a fresh machine: installation, first commands, backup, restore.
"""
import os
import re

import pytest

import machine as machines

TACIT = os.environ.get("TACIT_BIN", "build/release/tacit")
REPOSITORY = os.path.dirname(os.path.dirname(machines.HERE))
CLONE = "/root/clone"
DROP_IN = "/etc/systemd/system/tacit.service.d/two-users.conf"
USERS = {"as-shipped": "tacit", "two-users": "root"}


def read(name):
    with open(os.path.join(REPOSITORY, name)) as file:
        return file.read()


def blocks():
    """What docs/deploy.md has its reader type, by the heading that it stands under."""
    found = {}
    for part in re.split(r"^## ", read("docs/deploy.md"), flags=re.M)[1:]:
        heading = part.split("\n", 1)[0]
        found[heading] = re.findall(r"^```sh\n(.*?)^```$", part, re.M | re.S)
    return found


class Installed(machines.Machine):
    def __init__(self, user):
        super().__init__()
        self.user = user

    def boot(self):
        super().boot()
        with open(TACIT, "rb") as binary:
            self.write(CLONE + "/build/release/tacit", binary.read(), "0755")
        self.write(CLONE + "/conf/tacit.service", read("conf/tacit.service"))
        if self.user == "root":  # as it says: before the first start
            self.write(DROP_IN, read("conf/tacit-two-users.conf"))
        install, = [one for one in blocks()["Install from a clone"] if "./dev build" in one]
        self.type(install.replace("./dev build\n", ""))

    def type(self, text):
        """As root, so without sudo, which the machine has not."""
        return self.run("sh", "-euc", "PATH=/usr/local/sbin:/usr/local/bin:$PATH; cd %s\n%s"
                        % (CLONE, text.replace("sudo ", ""))).stdout.decode()


@pytest.fixture(scope="module", params=USERS)
def machine(request):
    with Installed(USERS[request.param]) as booted:
        yield booted


def test_the_command_line_finds_the_server_without_any_setting(machine):
    first = [one for one in blocks()["Install from a clone"] if "project create" in one][0]
    assert re.fullmatch(r"shop\ntac_\w{36}\n", machine.type(first))
    machine.type("printf %s a-value-of-17-chr | tacit secret set A --project shop")
    assert machine.type("tacit run --project shop -- sh -c 'echo ${#A}'") == "17\n"
    assert machine.type("stat -c %U /var/lib/tacit/root.key /var/lib/tacit/store") == (
        machine.user + "\ntacit\n")


def test_a_backup_comes_back_in_a_new_folder(machine):
    backup, = blocks()["Backup"]
    machine.type("tacit project create Kept --id kept; "
                 "printf %s kept-value | tacit secret set A --project kept")
    machine.type(backup)
    machine.type("tacit project delete kept")
    assert machine.type("systemctl is-active tacit") == "active\n"
    # The folder and the command are the service's user's, as the page says.
    machine.type("install -d -o %s -m 0711 /srv/restored; cp -a /backup/tacit/*/* "
                 "/var/lib/tacit/root.key /srv/restored" % machine.user)
    as_user = "setpriv --reuid {0} --regid {0} --clear-groups".format(machine.user)
    machine.type("cd /; systemd-run --unit=restored --property=Type=notify %s "
                 "/usr/local/bin/tacit serve --data /srv/restored --listen 127.0.0.1:0" % as_user)
    try:
        shown = "tacit run --data /srv/restored --project kept -- sh -c 'echo $A'"
        assert machine.type(shown) == "kept-value\n"
    finally:
        machine.type("systemctl stop restored")
