"""Certificates for tests, made by openssl in a folder of their own."""
import os
import ssl
import subprocess
import time

HOUR = 3600


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *arguments], capture_output=True, **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def new_key(path, kind="ec"):
    parameters = {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                  "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                  "weak": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]}[kind]
    openssl("genpkey", *parameters, "-out", path)
    os.chmod(path, 0o600)
    return path


class Pair:
    """A certificate and its key, as files."""

    def __init__(self, folder, name):
        self.certificate = os.path.join(folder, name + ".pem")
        self.key = os.path.join(folder, name + ".key")

    def read(self):
        with open(self.certificate, "rb") as certificate, open(self.key, "rb") as key:
            return certificate.read(), key.read()

    def followed_by(self, authority):
        """The same with the authority's certificate behind its own."""
        both = Pair(os.path.dirname(self.certificate), os.path.basename(self.key) + "-and-chain")
        with open(both.certificate, "wb") as file:
            for path in (self.certificate, authority.certificate):
                with open(path, "rb") as one:
                    file.write(one.read())
        both.key = self.key
        return both


class Authority:
    """with folder, signs: issue("server", names=["127.0.0.1"]) is a Pair."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.own = Pair(folder, name)
        new_key(self.own.key)
        openssl("req", "-x509", "-new", "-key", self.own.key, "-out", self.own.certificate,
                "-days", "2", "-subj", "/CN=" + name,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    @property
    def certificate(self):
        return self.own.certificate

    def authority(self, name):
        """One that this one vouches for."""
        below = object.__new__(Authority)
        below.folder, below.own = self.folder, Pair(self.folder, name)
        new_key(below.own.key)
        request = openssl("req", "-new", "-key", below.own.key, "-subj", "/CN=" + name)
        extensions = os.path.join(self.folder, name + ".ext")
        with open(extensions, "w") as file:
            file.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        self._sign(request, extensions, below.certificate, -HOUR, HOUR)
        return below

    def issue(self, name, names=("127.0.0.1", "localhost"), kind="ec", begins=-HOUR, ends=HOUR,
              use="serverAuth,clientAuth"):
        """Valid from `begins` to `ends`, in seconds from now."""
        pair = Pair(self.folder, name)
        new_key(pair.key, kind)
        request = openssl("req", "-new", "-key", pair.key, "-subj", "/CN=" + name)
        alternatives = ",".join(("IP:" if one[0].isdigit() else "DNS:") + one for one in names)
        extensions = os.path.join(self.folder, name + ".ext")
        with open(extensions, "w") as file:
            file.write("basicConstraints=CA:FALSE\nextendedKeyUsage=%s\n" % use)
            if alternatives:
                file.write("subjectAltName=%s\n" % alternatives)
        self._sign(request, extensions, pair.certificate, begins, ends)
        return pair

    def _sign(self, request, extensions, into, begins, ends):
        """With `openssl ca`: `openssl x509` knows whole days from now only."""
        database = os.path.join(self.folder, "index-" + os.path.basename(into))
        config = database + ".cnf"
        with open(database, "w"):
            pass
        with open(config, "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nrand_serial=yes\nunique_subject=no\n"
                       "default_md=sha256\npolicy=p\nnew_certs_dir=%s\n[p]\ncommonName=supplied\n"
                       % (database, self.folder))
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + at))
                 for at in (begins, ends)]
        signed = openssl("ca", "-batch", "-notext", "-config", config, "-cert",
                         self.own.certificate, "-keyfile", self.own.key, "-in", "/dev/stdin",
                         "-startdate", dates[0], "-enddate", dates[1], "-extfile", extensions,
                         input=request)
        with open(into, "wb") as file:
            file.write(signed)

    def client(self, pair=None, alpn=()):
        """A client's SSLContext that trusts this authority, with a certificate of its own."""
        context = ssl.create_default_context(cafile=self.certificate)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
