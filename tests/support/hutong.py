"""Drives the real broker for the stories in tests/e2e, tests/crash and tests/corpus. Python's standard library only.

    from hutong import Broker, Mllp, Story, run

    class AcknowledgedSurvivesRestart(Story):
        def test_it(self):
            broker = self.broker()                    # real binary, its own directory, ports chosen by the system
            with broker.mllp() as feed:
                self.assertEqual(ack(feed.exchange(oru(control="1"))).code, "AA")
            broker.kill()                             # SIGKILL
            broker.start()

    if __name__ == "__main__":
        run()

The environment says what to test: HUTONG_BINARY, HUTONG_SOURCE, HUTONG_DATA (public samples, may be absent), HUTONG_ROUNDS
(how often a crash story kills; a campaign raises it), HUTONG_SEED, HUTONG_KEEP=1 (leave directories for a look), HUTONG_SANITIZE
(what the binary was built with). With HUTONG_KAFKA_BOOTSTRAP and HUTONG_POSTGRES the same stories are told to brokers on
those (tests/support/engines.py).
Threads: a Broker may be shared; a Mllp connection belongs to one thread.
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import uuid

SOURCE = pathlib.Path(os.environ.get("HUTONG_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BINARY = pathlib.Path(os.environ.get("HUTONG_BINARY", SOURCE / "build/release/hutong"))
DATA = pathlib.Path(os.environ.get("HUTONG_DATA", SOURCE.parent / "shared/data"))
SEED = int(os.environ.get("HUTONG_SEED", "1"))
# What AddressSanitizer keeps of freed memory before it gives it out again: a bound on the broker's memory allows it that.
SANITIZER_BYTES = 256 << 20 if "address" in os.environ.get("HUTONG_SANITIZE", "") else 0


def rounds(usual):
    """How many rounds a crash story plays: `usual` in a test run, more in a campaign."""
    return int(os.environ.get("HUTONG_ROUNDS", usual))


def seeded(name):
    """A generator of its own for each story, the same in every run with the same HUTONG_SEED."""
    return random.Random(f"{SEED}/{name}")


# --- the broker -------------------------------------------------------------------------------------------------------

CONFIG = """\
# Written by tests/support/hutong.py; the data lie beside this file
[mllp]
listen = "127.0.0.1:0"
unknown_senders = "accept"

[http]
listen = "127.0.0.1:0"
"""


# The invented hospital of tests/support/messages.py, registered as an installation registers its own.
FACILITY = """\
[[facility]]
code = "TESTHOSP"
name_zh = "测试医院"
name_en = "Test hospital"
level = "2"
kind = "hospital"
area = "230803"
aliases = [{ msh4 = "TESTHOSP" }]
"""


# The configuration of an installation of its own on this Kafka and PostgreSQL; by default those that the environment
# names. "" where it names none: on this machine's disk. `log` is more of [log.kafka].
def engines(bootstrap=os.environ.get("HUTONG_KAFKA_BOOTSTRAP"), connection=os.environ.get("HUTONG_POSTGRES"), log=""):
    if not bootstrap or not connection:
        return ""
    os.environ["HUTONG_POSTGRES"] = connection  # a secret, so by reference
    name = "t" + uuid.uuid4().hex[:12]
    return f"""
[log]
kind = "kafka"
[log.kafka]
bootstrap = "{bootstrap}"
topic_prefix = "{name}."
{log}
[store]
kind = "postgres"
[store.postgres]
connection = "env:HUTONG_POSTGRES"
schema = "{name}"
"""


class BrokerFailed(Exception):
    """The broker did not start, or ended when it should not have; says its last words."""


class Broker:
    """One `hutong serve` with its own directory. `config` is the text of its hutong.toml, where there is none yet."""

    def __init__(self, directory, config=CONFIG, environment=None, wrapper=()):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.config = self.dir / "hutong.toml"
        if not self.config.exists():
            own = "[log" in config or "[store" in config  # a story about an engine says itself which
            self.config.write_text(config + ("" if own else engines()), encoding="utf-8")
            facilities = self.dir / "schemas" / "facilities"
            facilities.mkdir(parents=True, exist_ok=True)
            (facilities / "test.toml").write_text(FACILITY, encoding="utf-8")
        self.log_file = self.dir / "serve.log"
        self.environment = dict(os.environ, **(environment or {}))
        self.wrapper = list(wrapper)
        self.process = None
        self.ports = {}

    # Starts and waits until /readyz answers 200 (or, with ready=False, until the ports are known).
    def start(self, deadline=60.0, ready=True, environment=None):
        assert self.process is None or self.process.poll() is not None, "already running"
        ports_file = self.dir / "run" / "ports.json"
        with contextlib.suppress(FileNotFoundError):
            ports_file.unlink()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(BINARY), "serve", "--config", str(self.config)],
                stdout=log, stderr=subprocess.STDOUT, cwd=self.dir, env=dict(self.environment, **(environment or {})))
        began = time.monotonic()
        while True:
            if self.process.poll() is not None:
                raise BrokerFailed(f"serve ended with {self.process.returncode}\n{self.last_words()}")
            try:
                self.ports = json.loads(ports_file.read_text())
                if not ready or self.http("GET", "/readyz").status == 200:
                    return self
            except (FileNotFoundError, ValueError, OSError, http.client.HTTPException):
                pass
            if time.monotonic() - began > deadline:
                raise BrokerFailed(f"serve was not ready after {deadline:.0f} s\n{self.last_words()}")
            time.sleep(0.005)

    # SIGTERM: drains and stops. Returns the exit code.
    def stop(self, deadline=60.0):
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self._signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerFailed(f"serve did not stop {deadline:.0f} s after SIGTERM\n{self.last_words()}") from None

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    # Returns once the broker has said what became of it.
    def reload(self):
        def said():
            words = self.log_file.read_text(errors="replace")
            return words.count(" reloaded") + words.count("reload refused")

        before = said()
        self._signal(signal.SIGHUP)
        until(lambda: said() > before, "the reload", 30)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    # The broker's own process: behind a wrapper (strace) it is the child.
    @property
    def pid(self):
        if not self.wrapper:
            return self.process.pid
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, number)

    def last_words(self, lines=30):
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(it said nothing)"

    def memory_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BrokerFailed("no VmRSS")

    # --- ways in ---

    def mllp(self, timeout=30.0):
        return Mllp("127.0.0.1", self.ports["mllp"], timeout)

    def http(self, method, path, body=None, headers=None, token=None, timeout=30.0):
        return request("127.0.0.1", self.ports["http"], method, path, body, headers, token, timeout)

    # A client's access token. Clients of a fresh installation: "clinic" (system/*.rs), "operator" (hutong/operate).
    def token(self, client="clinic"):
        return self.command("token", "--client", client).stdout.strip()

    # `hutong COMMAND ... --config` of this installation; fails the story on another exit code than `expect`.
    def command(self, *arguments, expect=0, deadline=300.0, stdin=None):
        done = subprocess.run(
            [str(BINARY), arguments[0], "--config", str(self.config), *map(str, arguments[1:])],
            capture_output=True, text=True, cwd=self.dir, env=self.environment, timeout=deadline, input=stdin, check=False)
        if expect is not None and done.returncode != expect:
            raise BrokerFailed(f"hutong {' '.join(map(str, arguments))}: exit {done.returncode}, expected {expect}\n"
                               f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done

    # GET as the community centre; follows paging links with `pages`. Returns the parsed resource.
    def fhir(self, path, token=None, expect=200):
        answer = self.http("GET", "/fhir/" + path, token=token or self.token())
        if expect is not None and answer.status != expect:
            raise AssertionError(f"GET /fhir/{path}: {answer.status}\n{answer.text[:2000]}")
        return answer.json()

    # Value of one series in /metrics (summed over its labels when several match); None when it is not there.
    def metric(self, name, **labels):
        total = None
        for line in self.http("GET", "/metrics").text.splitlines():
            if not line.startswith(name) or line[len(name):len(name) + 1] not in (" ", "{"):
                continue
            series, _, value = line.rpartition(" ")
            if all(f'{key}="{wanted}"' in series for key, wanted in labels.items()):
                total = (total or 0.0) + float(value)
        return total

    # Until the projector has caught up with the log's end: what was acknowledged before can be read now.
    def settle(self, deadline=60.0):
        token = self.token("operator")

        def settled():
            status = self.http("GET", "/api/v1/status", token=token).json()
            return status if status["projected"] >= status["logEnd"] else None

        return until(settled, "the projector at the log's end", deadline)

    # What `hutong quarantine list` shows, once it shows `least` messages (its topic is projected beside the events).
    def quarantined(self, least, deadline=10.0):
        def listed():
            messages = json.loads(self.command("quarantine", "list", "--json").stdout)["messages"]
            return messages if len(messages) >= least else None

        return until(listed, f"{least} quarantined messages", deadline)


# --- HTTP -------------------------------------------------------------------------------------------------------------

class Response(collections.namedtuple("Response", "status headers body")):
    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)

    # A header's value by its name in any case; "" when absent.
    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


def request(host, port, method, path, body=None, headers=None, token=None, timeout=30.0):
    """One request on its own connection. Never raises for an HTTP status."""
    sent = dict(headers or {})
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/fhir+json")
    if isinstance(body, str):
        body = body.encode()
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, urllib.parse.quote(path, safe="/?&=%:+,|$*_.-~#@!;'()"), body=body, headers=sent)
        answer = connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


# --- MLLP -------------------------------------------------------------------------------------------------------------

class Mllp:
    """A sending application's connection. Messages are bytes without framing."""

    def __init__(self, host, port, timeout=30.0):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *messages):
        self.socket.sendall(b"".join(b"\x0b" + as_bytes(message) + b"\x1c\x0d" for message in messages))

    # The next frame's content. Raises ConnectionError when the peer closed, TimeoutError when it is silent.
    def receive(self):
        while True:
            end = self.pending.find(b"\x1c\x0d")
            if end >= 0:
                frame, self.pending = self.pending[:end], self.pending[end + 2:]
                return frame[frame.index(b"\x0b") + 1:]
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the broker closed the connection")
            self.pending += more

    def exchange(self, message):
        self.send(message)
        return self.receive()

    # Every message with at most `window` unanswered; the answers in order.
    def pipeline(self, messages, window=16):
        answers, waiting = [], 0
        for message in messages:
            self.send(message)
            waiting += 1
            if waiting == window:
                answers.append(self.receive())
                waiting -= 1
        answers.extend(self.receive() for _ in range(waiting))
        return answers


def as_bytes(message):
    return message.encode("utf-8") if isinstance(message, str) else bytes(message)


class Ack(collections.namedtuple("Ack", "code control_id errors raw")):
    """MSA-1, MSA-2 and the ERR segments as lists of fields (errors[0][3] is ERR-3, the HL7 error code)."""


def ack(frame):
    segments = [segment.split("|") for segment in frame.decode("utf-8", "replace").split("\r") if segment]
    msa = next((s for s in segments if s[0] == "MSA"), None)
    if msa is None:
        raise AssertionError(f"no MSA in the acknowledgement: {frame[:300]!r}")
    return Ack(msa[1], msa[2] if len(msa) > 2 else "", [s for s in segments if s[0] == "ERR"], frame)


# --- waiting ----------------------------------------------------------------------------------------------------------

def until(true, what, deadline=60.0):
    """Asks again and again; returns what `true` gave in the end. AssertionError with `what` at the deadline."""
    began = time.monotonic()
    while True:
        found = true()
        if found:
            return found
        if time.monotonic() - began > deadline:
            raise AssertionError(f"{what}: not after {deadline:.0f} s")
        time.sleep(0.02)


def seconds_until(true, what, deadline=60.0):
    began = time.monotonic()
    until(true, what, deadline)
    return time.monotonic() - began


# --- stories ----------------------------------------------------------------------------------------------------------

class Story(unittest.TestCase):
    """A test case with brokers that are stopped and directories that are removed when it ends."""

    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} is not built: cmake --build --preset release --target hutong")

    # A directory of this test's own, kept after a failure with HUTONG_KEEP=1.
    def directory(self):
        made = pathlib.Path(tempfile.mkdtemp(prefix="hutong-" + self.id().rsplit(".", 1)[-1][:40] + "-"))
        if os.environ.get("HUTONG_KEEP"):
            print(f"{self.id()}: keeps {made}", file=sys.stderr)
        else:
            self.addCleanup(shutil.rmtree, made, ignore_errors=True)
        return made

    def broker(self, start=True, **options):
        made = Broker(self.directory() / "data", **options)
        self.addCleanup(made.kill)
        return made.start() if start else made


def public_samples():
    """The folder of public sample messages, or a skip with its reason."""
    if not DATA.is_dir():
        raise unittest.SkipTest(f"the public sample messages are not on this machine ({DATA.name} folder absent)")
    return DATA


def run():
    """Plays the stories of the file; 0 passed, 77 when something was skipped and nothing failed, else 1."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    if not program.result.wasSuccessful():
        sys.exit(1)
    if program.result.testsRun == 0 and not program.result.skipped:  # a class that is skipped as a whole counts no test
        print("no test was found")
        sys.exit(1)
    if program.result.skipped:
        sys.stderr.flush()
        print("; ".join(sorted({reason for _, reason in program.result.skipped})))
        sys.exit(77)
    sys.exit(0)
