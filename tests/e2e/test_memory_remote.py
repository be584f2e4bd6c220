"""What the memory of the two processes holds when values go to another machine, plain and over TLS:
neither a value, nor the runtime's key, nor, but in the keeper, the key that the server has for
runtimes."""
import base64

import pytest

from harness import SUBKEY_TOWARDS_RUNTIMES, Server, derive
from remote import Runtime
from test_memory import (
    PROJECT, Canary, check_gone, check_in_no_file, pytestmark, search)  # noqa: F401
from test_tls import make_pki, tls_server  # noqa: F401


@pytest.fixture(name="server", params=["http", "https"])
def make_server(request, pki):
    more = {"log_level": "debug", "limits_secrets_per_project": 300}
    made = Server(**more) if request.param == "http" else tls_server(pki, **more)
    with made as server:
        server.make_project(PROJECT)
        yield server


def private_key(runtime):
    with open(runtime.file) as file:
        word, text = file.read().splitlines()[1].split()
    assert word == "private"
    return base64.urlsafe_b64decode(text + "="), text.encode()


def test_after_a_delivery_to_a_runtime_nothing_is_left(server, pki, tmp_path):
    canary = Canary()
    values = {"KEY_%d" % number: "%s%d%s" % (canary.text, number, "w" * number * 30)
              for number in range(100)}
    for name, value in values.items():
        server.put(PROJECT, name, value)
    runtime = Runtime(tmp_path).enrol(server, PROJECT)
    own, text = private_key(runtime)
    for _ in range(3):
        done = runtime.tacit("run", "--project", PROJECT, *runtime.options(server.url), "--",
                             "printenv", "KEY_7", TACIT_CA_FILE=pki.certificate)
        assert done.stdout.decode() == values["KEY_7"] + "\n", done.stderr
        assert canary.text.encode() not in done.stderr
    check_gone(server, canary)
    check_in_no_file(server, canary)

    towards_runtimes = derive(server.root_key(), SUBKEY_TOWARDS_RUNTIMES)
    secret = [own[:16], own[16:], text[:16], text[-16:]]
    halves = [towards_runtimes[:16], towards_runtimes[16:]]
    in_keeper = search(server.pid, secret + halves + [base64.urlsafe_b64decode(
        runtime.public_key + "=")])
    found = {needle for needle, places in in_keeper.items() if places}
    assert found == set(in_keeper) - set(secret)  # the control: its own key, and who is enrolled
    in_api = search(server.api_pid(), secret + halves + [PROJECT.encode()])
    assert {needle for needle, places in in_api.items() if places} == {PROJECT.encode()}
