"""What deploy/ describes, started without containers: its files as they are, but for addresses and folders.

    keys = Installation(folder)                  # deploy/compose/prepare.sh was run: keys.secrets, hospital certificates
    text = adapted("compose/haproxy.cfg", {":2575": "127.0.0.1:1234"})     # each must be found, or the test is about nothing
    with Program(folder, "haproxy", "-f", file) as balancer: ...           # stopped at the end, and with this process

Python's standard library only.
"""

import ctypes
import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import time

from hutong import BINARY, FACILITY, SOURCE, Broker, Mllp, until

DEPLOY = SOURCE / "deploy"
HOSPITAL = "testhosp.invalid"  # the name in the trial hospital's certificate


def adapted(path, replacements):
    """The text of a file of deploy/ with each of `replacements` made wherever it is."""
    text = (DEPLOY / path).read_text(encoding="utf-8")
    for old, new in replacements.items():
        assert old in text, f"deploy/{path} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def program(name):
    """Its path, or None; Debian keeps haproxy out of a user's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Installation:
    """deploy/compose/installation of this test's own, and a hospital's certificate from its authority."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.secrets = self.folder / "secrets"
        self.prepare("hutong.example.org")
        authority = ["-CA", self.secrets / "tls-authority.pem", "-CAkey", self.secrets / "tls-authority.key"]
        self.certificate, self.key = self.folder / "hospital.pem", self.folder / "hospital.key"
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={HOSPITAL}",
                      "-keyout", self.key, "-out", self.folder / "hospital.csr")
        self._openssl("x509", "-req", "-in", self.folder / "hospital.csr", *authority, "-CAcreateserial", "-days", "2",
                      "-out", self.certificate)

    def prepare(self, *names):
        subprocess.run([DEPLOY / "compose/prepare.sh", *names], env=dict(os.environ, HUTONG_INSTALLATION=str(self.folder)),
                       check=True, capture_output=True)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    # The hospital's way in; the broker's certificate must be for `name`.
    def feed(self, port, name="localhost", timeout=10):
        context = ssl.create_default_context(cafile=self.secrets / "tls-authority.pem")
        context.load_cert_chain(self.certificate, self.key)
        feed = Mllp("127.0.0.1", port, timeout)
        try:
            feed.socket = context.wrap_socket(feed.socket, server_hostname=name)
        except OSError:
            feed.close()
            raise
        return feed

    # GET over TLS: (status, body); None where nobody answers. The certificate must be the broker's.
    def get(self, port, path, host="localhost"):
        context = ssl.create_default_context(cafile=self.secrets / "tls-authority.pem")
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    # A broker by deploy/compose/hutong.toml; `engines` says where log and views are, "" means on this disk.
    def broker(self, folder, engines=""):
        config = adapted("compose/hutong.toml", {
            "/var/lib/hutong": str(folder), "0.0.0.0:2575": "127.0.0.1:0", "0.0.0.0:8080": "127.0.0.1:0",
            "/run/secrets/": f"{self.secrets}/"})
        if not engines:
            config = config[:config.index("[log]")] + config[config.index("[clients."):]
        elif callable(engines):
            config = engines(config)
        folder = pathlib.Path(folder)
        (folder / "keys").mkdir(parents=True, mode=0o700)
        for name in ("identifier.key", "token.key"):  # as the service `keys` of compose.yaml does
            shutil.copy(self.secrets / name, folder / "keys" / name)
            (folder / "keys" / name).chmod(0o600)
        broker = Broker(folder, config=config)
        (folder / "schemas/facilities/test.toml").write_text(FACILITY + f'certificate = "{HOSPITAL}"\n', encoding="utf-8")
        return broker


def ready(broker):
    """What its container's health check asks: /readyz by the socket of its own commands."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(broker.dir / "run/hutong.sock"))
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.makefile("rb").readline().split()[1:2] == [b"200"]
        except OSError:
            return False


class Program:
    """A program that runs beside the test."""

    def __init__(self, folder, *command, environment=None):
        self.log = pathlib.Path(folder) / (pathlib.Path(command[0]).name + f"-{free_port()}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program(command[0]), *map(str, command[1:])], stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                env=dict(os.environ, **(environment or {})),
                preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))  # PR_SET_PDEATHSIG

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def balancer(folder, installation, brokers):
    """HAProxy by deploy/compose/haproxy.cfg before these two brokers: the program and its ports."""
    ports = {"mllp": free_port(), "http": free_port(), "metrics": free_port()}
    names = {":2575\n  maxconn": f"127.0.0.1:{ports['mllp']}\n  maxconn", ":8080\n  maxconn": f"127.0.0.1:{ports['http']}\n  maxconn",
             "maxconn 22000": "maxconn 500",  # this machine may not allow as many open files as the container does
             "bind :8404": f"bind 127.0.0.1:{ports['metrics']}", "/run/secrets/": f"{installation.secrets}/"}
    for number, broker in enumerate(brokers, 1):
        for port, inside in (("mllp", 2575), ("http", 8080)):
            names[f"server broker-{number} broker-{number}:{inside}"] = (
                f"server broker-{number} 127.0.0.1:{broker.ports[port]} port {broker.ports['http']}")
            names[f"server anyway-{number} broker-{number}:{inside}"] = f"server anyway-{number} 127.0.0.1:{broker.ports[port]}"
    file = pathlib.Path(folder) / "haproxy.cfg"
    file.write_text(adapted("compose/haproxy.cfg", names), encoding="utf-8")
    started = Program(folder, "haproxy", "-W", "-db", "-f", file)
    until(lambda: listens(ports["metrics"]), f"HAProxy starts ({started.said()})")
    return started, ports


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


__all__ = ["BINARY", "DEPLOY", "HOSPITAL", "Installation", "Program", "adapted", "balancer", "free_port", "program", "ready", "until"]
