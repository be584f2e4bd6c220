"""What the memory of the two processes holds when values come over TLS, and of the TLS key."""
import re

import pytest

from harness import wait_until
from pki import openssl
from test_memory import (  # the tests run here too, with the server below
    PROJECT, make_key, pytestmark, search, test_answered_values_are_gone,
    test_escaped_values_are_gone, test_half_a_request_is_found_and_the_whole_is_not,
    test_pipelined_values_are_gone, test_refused_values_are_gone,
    test_values_in_several_segments_are_gone, test_values_of_broken_connections_are_gone)
from test_tls import make_pki, put_files, read_anew, subject_of, tls_server

ANEW = "serving with the certificate as read anew"


@pytest.fixture(name="server")
def make_server(pki):
    with tls_server(pki, log_level="debug", limits_secrets_per_project=300) as server:
        server.make_project(PROJECT)
        yield server


def forms_of(pair):
    """The private key as it may lie in memory: {form: bytes}."""
    text = openssl("pkey", "-in", pair.key, "-noout", "-text").decode()
    digits = re.search(r"priv:\s*((?:[0-9a-f]{2}:?\s*)+)", text).group(1)
    number = bytes.fromhex(re.sub(r"[:\s]", "", digits))[-32:]
    with open(pair.key, "rb") as file:
        pem = file.read().splitlines()
    return {"number": number, "words": number[::-1], "first line": pem[1], "second line": pem[2],
            "half": number[:16], "half of the words": number[::-1][:16]}


def held(pid, pair):
    forms = forms_of(pair)
    found = search(pid, list(forms.values()))
    return {form: len(found[needle]) for form, needle in forms.items() if found[needle]}


def test_the_tls_key_is_where_it_is_used_and_nowhere_else(server, pki):
    assert subject_of(server) == "server"
    assert held(server.pid, pki.server) == {}
    in_api = held(server.api_pid(), pki.server)
    assert in_api == {"words": 1}, in_api  # one number, as OpenSSL computes with it

    renewed = pki.issue("renewed")
    put_files(server, renewed)
    read_anew(server, ANEW)
    assert subject_of(server) == "renewed"
    assert held(server.pid, renewed) == {}
    # The old one goes with the last connection that knows it.
    wait_until(lambda: held(server.api_pid(), pki.server) == {})
    assert held(server.api_pid(), renewed) == {"words": 1}


def test_a_refused_key_is_forgotten(server, pki):
    stranger = pki.issue("stranger")
    pair = pki.issue("odd")
    pair.key = stranger.key
    put_files(server, pair)
    read_anew(server, "the certificate stays as it was")
    assert held(server.pid, stranger) == {}
    assert held(server.api_pid(), stranger) == {}
