#!/usr/bin/env python3
"""What testssl.sh finds wrong with the TLS of a server of our own.

  ./dev torture tls [--all]

Prints every finding of testssl.sh that is not "OK" or "INFO", for a P-256 and for an RSA
certificate; --all prints those too. The end is 1 when one is worse than those that the certificate
itself brings with it (EXPECTED): it is a test's own, of no authority that the world knows. Beside
it the control: openssl's s_server with all that is old and weak must be found wanting.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ.setdefault("TACIT_BIN", os.path.join(ROOT, "build", "release", "tacit"))

from pki import Authority  # noqa: E402
from test_tls import easy_going_server, tls_server  # noqa: E402

GOOD = {"OK", "INFO", "DEBUG"}
# What is not the server's, each with its reason.
EXPECTED = {
    "cert_chain_of_trust": "the authority is the test's own",
    "cert_notAfter": "made for an hour",
    "cert_expirationStatus": "made for an hour",
    "cert_revocation": "the authority publishes neither a list nor an OCSP responder",
    "DNS_CAArecord": "localhost has none",
    "HSTS": "an API answers no browser",
    "engine_problem": "the testing openssl has no GOST, which the server does not speak",
}


def findings(port, folder):
    """What testssl.sh says of the port, by the name of its check."""
    path = os.path.join(folder, "testssl-%d.json" % port)
    ran = subprocess.run(
        ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--jsonfile", path,
         "--ip", "127.0.0.1", "https://127.0.0.1:%d/livez" % port],
        capture_output=True, text=True, timeout=550, stdin=subprocess.DEVNULL)
    if not os.path.exists(path):
        raise SystemExit("torture: testssl.sh failed:\n" + ran.stdout[-2000:] + ran.stderr[-2000:])
    with open(path) as file:
        return json.load(file)


def is_bad(one):
    return one["severity"] not in GOOD and one["id"].split(" ")[0] not in EXPECTED


def report(label, found, show_all):
    bad = [one for one in found if is_bad(one)]
    print("%s: %d findings, %d not good, %d of these not the test certificate's own" % (
        label, len(found), sum(one["severity"] not in GOOD for one in found), len(bad)))
    for one in found:
        if show_all or one["severity"] not in GOOD:
            print("  %-8s %-34s %s%s" % (one["severity"], one["id"], one["finding"][:110],
                                        "" if is_bad(one) else "  [expected]"
                                        if one["severity"] not in GOOD else ""))
    return len(bad)


def main():
    parser = argparse.ArgumentParser(prog="./dev torture tls")
    parser.add_argument("--all", action="store_true", help="also what is good")
    parser.add_argument("--no-control", action="store_true")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="tacit-tls-") as folder:
        pki = Authority(folder)
        for kind in ("ec", "rsa"):
            with tls_server(pki, pki.issue("server-" + kind, kind=kind)) as server:
                wrong += report("tacit, %s" % kind, findings(server.port, folder), given.all)
        if not given.no_control:
            with easy_going_server(folder, pki.issue("control", kind="rsa"), "-www") as port:
                bad = report("the control", findings(port, folder), given.all)
            if bad < 5:
                raise SystemExit("torture: testssl.sh finds nothing wrong with a weak server")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
