"""A real Apache Kafka for tests: three nodes in KRaft mode on loopback, min.insync.replicas 2, that can be killed and paused.

    with kafka.Cluster() as cluster:             kafka.py run -- COMMAND...
        cluster.bootstrap                            runs COMMAND with HUTONG_KAFKA_BOOTSTRAP set
        cluster.kill(1); cluster.start(1)            exit: the command's; 77 where Kafka cannot be had, with the reason
        cluster.pause(2); cluster.resume(2)

The jars come once by their Maven coordinates, into build/kafka; HUTONG_KAFKA_VERSION asks for another version. Data lie in a
directory of their own and go with the cluster; HUTONG_KEEP=1 keeps them. Every node dies with this process. Threads: a
Cluster belongs to one.
"""

import base64
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid

import maven
from maven import Unavailable

VERSION = os.environ.get("HUTONG_KAFKA_VERSION", "4.3.1")  # librdkafka 2.0.2 and Java 17 speak with 3.9 to 4.3
HEAP = "-Xmx320m"  # holds a record of 64 MiB on its way in and on its way to a follower
READY_SECONDS = 120  # on a machine that has other work, too


def jars():
    """The folder with Kafka's jars, fetched when it is not there yet."""
    return maven.jars("kafka", f"jars-{VERSION}", [f"org.apache.kafka:kafka_2.13:{VERSION}",
                                                   f"org.apache.kafka:kafka-tools:{VERSION}", "org.slf4j:slf4j-simple:1.7.36"])


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


SMALL = [HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:CICompilerCount=1", "-Xshare:auto"]
# For measuring: room for a load. Without the second compiler, which on two cores takes minutes of both before it pays.
MEASURED = ["-Xms1g", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:CICompilerCount=1"]
TOOL = ["-Xmx512m"]  # as kafka-producer-perf-test.sh starts it


def java(libs, *arguments, machine=SMALL):
    """Small and quick to start by default: then Kafka's protocol and replication is what is looked at, not its speed."""
    return ["java", *machine, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{libs}/*", *map(str, arguments)]


def metadata(port, topic=None, deadline=2.0):
    """What that node knows: how many brokers are alive, and of `topic` each partition's (leader, in-sync replicas). A Metadata
    request (version 1) spoken by hand; (0, []) when it does not answer."""
    named = struct.pack(">i", 0) if topic is None else struct.pack(">ih", 1, len(topic)) + topic.encode()
    request = struct.pack(">hhih4s", 3, 1, 1, 4, b"test") + named  # key, version, correlation, client id
    try:
        with socket.create_connection(("127.0.0.1", port), deadline) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 12 or len(answer) < 4 + struct.unpack(">i", answer[:4])[0]:
                more = connection.recv(65536)
                if not more:
                    return 0, []
                answer += more
    except OSError:
        return 0, []
    at = 8

    def take(form):
        nonlocal at
        value = struct.unpack_from(">" + form, answer, at)[0]
        at += struct.calcsize(">" + form)
        return value

    def text():
        nonlocal at
        length = take("h")
        at += max(0, length)

    brokers = take("i")
    if topic is None:
        return brokers, []
    for _ in range(brokers):
        take("i"), text(), take("i"), text()  # id, host, port, rack
    take("i"), take("i"), take("h"), text(), take("b")  # controller; one topic: error, name, internal
    partitions = []
    for _ in range(take("i")):
        take("h")
        number, leader = take("i"), take("i")
        replicas = [take("i") for _ in range(take("i"))]
        partitions.append((number, leader, [take("i") for _ in range(take("i"))], replicas))
    return brokers, [(leader, isr) for _, leader, isr, _ in sorted(partitions)]


class Cluster:
    """Three nodes, each broker and controller. Nodes are numbered from 1."""

    def __init__(self, nodes=3, machine=SMALL, directory=None):
        self.nodes, self.machine = nodes, machine
        self.libs = jars()
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="hutong-kafka-"))
        ports = free_ports(2 * nodes)
        self.ports, self.controllers = ports[:nodes], ports[nodes:]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.processes = {}

    def __enter__(self):
        try:
            self._format()
            for node in range(1, self.nodes + 1):
                self.start(node, wait=False)
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _folder(self, node):
        return self.directory / f"node{node}"

    def _format(self):
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(self.controllers, 1))
        formatting = []
        for node in range(1, self.nodes + 1):
            self._folder(node).mkdir(parents=True)
            (self._folder(node) / "server.properties").write_text("\n".join([
                "process.roles=broker,controller", f"node.id={node}", f"controller.quorum.voters={voters}",
                f"listeners=PLAINTEXT://127.0.0.1:{self.ports[node - 1]},CONTROLLER://127.0.0.1:{self.controllers[node - 1]}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.ports[node - 1]}",
                "controller.listener.names=CONTROLLER",
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                f"log.dirs={self._folder(node)}/data", "auto.create.topics.enable=false",
                f"default.replication.factor={min(3, self.nodes)}", f"min.insync.replicas={min(2, self.nodes)}",
                "offsets.topic.replication.factor=1", "num.network.threads=2", "num.io.threads=4",
                "log.cleaner.dedupe.buffer.size=4194304",
                # A dead node is noticed in seconds, so that stories about it are short.
                "broker.heartbeat.interval.ms=500", "broker.session.timeout.ms=3000", "replica.lag.time.max.ms=3000",
                "controller.quorum.election.timeout.ms=500", "controller.quorum.fetch.timeout.ms=1000",
            ]) + "\n")
            formatting.append(subprocess.Popen(
                java(self.libs, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c",  # with "=": it may begin with "-"
                     self._folder(node) / "server.properties"),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent))
        for each in formatting:
            said, _ = each.communicate(timeout=60)
            if each.returncode != 0:
                raise RuntimeError(f"the storage tool failed:\n{said}")

    def start(self, node, wait=True):
        with open(self._folder(node) / "log", "ab") as log:
            self.processes[node] = subprocess.Popen(
                java(self.libs, "kafka.Kafka", self._folder(node) / "server.properties", machine=self.machine),
                stdout=log, stderr=subprocess.STDOUT, cwd=self._folder(node), preexec_fn=die_with_parent)
        if wait:
            self.wait()

    def wait(self):
        """Until every running node knows every running node to be alive."""
        deadline = time.monotonic() + READY_SECONDS
        waiting = set(self.processes)
        while waiting:
            node = min(waiting)
            if self.processes[node].poll() is not None:
                raise RuntimeError(f"Kafka's node {node} ended:\n{self.last_words(node)}")
            if metadata(self.ports[node - 1])[0] >= len(self.processes):
                waiting.remove(node)
            elif time.monotonic() > deadline:
                raise RuntimeError(f"Kafka was not ready after {READY_SECONDS} s:\n{self.last_words(node)}")
            else:
                time.sleep(0.05)

    def partitions(self, topic):
        """Leader and in-sync replicas of each, as some node that answers has it."""
        for node in self.processes:
            found = metadata(self.ports[node - 1], topic)[1]
            if found:
                return found
        return []

    def tool(self, name, *arguments, machine=SMALL):
        """What one of Kafka's own tools prints, org.apache.kafka.tools.NAME."""
        done = subprocess.run(java(self.libs, f"org.apache.kafka.tools.{name}", "--bootstrap-server", self.bootstrap, *arguments,
                                   machine=machine), capture_output=True, text=True, check=False, preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def bytes_of(self, topic):
        """How much of a disk one replica of a topic takes."""
        return sum(file.stat().st_size for file in self._folder(1).glob(f"data/{topic}-[0-9]*/*.log"))

    def kill(self, node):
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def pause(self, node):
        self.processes[node].send_signal(signal.SIGSTOP)

    def resume(self, node):
        self.processes[node].send_signal(signal.SIGCONT)

    def last_words(self, node, lines=30):
        return "\n".join((self._folder(node) / "log").read_text(errors="replace").splitlines()[-lines:])

    def stop(self):
        for node in list(self.processes):
            self.kill(node)
        if os.environ.get("HUTONG_KEEP"):
            print(f"kafka: keeps {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def main(arguments):
    if arguments[:2] != ["run", "--"] or len(arguments) < 3:
        print("usage: kafka.py run -- COMMAND...", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is stopped, too
    try:
        cluster = Cluster()
    except Unavailable as reason:
        print(reason)
        return 77
    with cluster:
        return subprocess.run(arguments[2:], env=dict(os.environ, HUTONG_KAFKA_BOOTSTRAP=cluster.bootstrap),
                              preexec_fn=die_with_parent, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
