"""deploy/systemd and deploy/compose, as far as they can be held without a service manager or containers: each file by its own
tool, the balancer for real before two brokers, the brokers' configuration on a real Kafka by kafka.properties and a real
PostgreSQL. Containers are not started here."""

import configparser
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import kafka
from deployed import BINARY, DEPLOY, Installation, adapted, balancer, program, ready
from hutong import SOURCE, Story, ack, request, run, until
from messages import oru
from postgres import Postgres

COMPOSE = DEPLOY / "compose"
UNIT = DEPLOY / "systemd/hutong.service"


def seconds(text):
    return int(re.fullmatch(r"(\d+)s?", text)[1])


class Unit(Story):
    def test_systemd_takes_it(self):
        if not program("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed (deploy/install-packages.sh test)")
        file = self.directory() / "hutong.service"
        file.write_text(adapted("systemd/hutong.service", {"/usr/local/bin/hutong": str(BINARY)}), encoding="utf-8")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", file],
                              capture_output=True, text=True, check=False)  # of 100; without hardening it is 96
        self.assertEqual(done.returncode, 0, done.stdout)

    # What the sandbox forbids the broker does not do: from start over traffic and reload to the end.
    def test_the_broker_lives_in_its_sandbox(self):
        for name in ("strace", "systemd-analyze"):
            if not program(name):
                self.skipTest(f"{name} is not installed (deploy/install-packages.sh test)")
        traced = self.directory() / "trace"
        broker = self.broker(wrapper=["strace", "-f", "-qq", "-o", str(traced)])
        with broker.mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru("1", "P1", "R1"))).code, "AA")
        broker.settle()
        broker.command("status")
        broker.reload()
        self.assertEqual(broker.stop(), 0)
        told = traced.read_text(errors="replace")
        called = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", told, re.MULTILINE))
        self.assertGreater(len(called), 40)
        self.assertEqual(called - self.allowed(), set())
        self.assertNotRegex(told, r"PROT_WRITE\|PROT_EXEC", "MemoryDenyWriteExecute")
        families = set(re.findall(r"socket\((AF_[A-Z0-9]+)", told))
        self.assertLessEqual(families, set(self.unit()["Service"]["RestrictAddressFamilies"].split()))
        written = {path for path, flags in re.findall(r'openat\([^,]+, "([^"]+)", ([A-Z_|]+)', told)
                   if re.search("O_WRONLY|O_RDWR|O_CREAT", flags)}
        outside = {path for path in written if path.startswith("/") and not path.startswith((str(broker.dir), "/dev/", "/proc/self/"))}
        self.assertEqual(outside, set(), "written beside its own folder")

    def unit(self):
        found = configparser.ConfigParser(strict=False, interpolation=None)
        found.optionxform = str
        found.read_string(UNIT.read_text(encoding="utf-8"))
        return found

    def allowed(self):
        def of(name):
            told = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout
            found = set()
            for word in re.findall(r"^    ([@a-z_0-9-]+)$", told, re.MULTILINE):
                found |= of(word) if word.startswith("@") else {word}
            return found
        filters = re.findall(r"^SystemCallFilter=(~?)(@\S+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(filters, [("", "@system-service"), ("~", "@privileged")])
        return of("@system-service") - of("@privileged")


class ComposeFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            import yaml
        except ImportError:
            raise unittest.SkipTest("python3-yaml is not installed (deploy/install-packages.sh test)") from None
        cls.all = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))
        cls.services = cls.all["services"]

    def test_nothing_is_open_to_the_network_unless_said(self):
        for service in self.services.values():
            for port in service.get("ports", []):
                self.assertRegex(port, r"^(127\.0\.0\.1|\$\{HUTONG_ADDRESS:-127\.0\.0\.1\}):\d+:\d+$")
        self.assertTrue(self.all["networks"]["storage"]["internal"])
        for name in ("kafka-1", "kafka-2", "kafka-3", "postgres"):
            self.assertEqual(self.services[name]["networks"], ["storage"])

    def test_limits_restarts_health(self):
        for name, service in self.services.items():
            self.assertIn("mem_limit", service, name)
            self.assertNotIn("privileged", service, name)
            if name == "keys":
                continue
            self.assertEqual(service["restart"], "unless-stopped")
            self.assertIn("no-new-privileges:true", service["security_opt"])
            self.assertIn("healthcheck", service, name)
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, self.services)
                if how["condition"] == "service_healthy":
                    self.assertIn("healthcheck", self.services[other])

    def test_secrets_are_files_that_are_made(self):
        with_secret = set()
        made = Installation(pathlib.Path(self.enterContext(temporary())) / "installation").secrets
        for service in self.services.values():
            for name, value in service.get("environment", {}).items():
                self.assertTrue("PASSWORD" not in name or name.endswith("_FILE"), name)
                self.assertNotRegex(str(value).lower(), "password=")
            with_secret |= set(service.get("secrets", []))
        self.assertEqual(with_secret, set(self.all["secrets"]))
        for name, source in self.all["secrets"].items():
            self.assertEqual(source["file"], f"./installation/secrets/{name}")
            self.assertGreater((made / name).stat().st_size, 0, name)
        self.assertEqual(made.stat().st_mode & 0o777, 0o700)

    def test_volumes_are_declared_and_files_are_there(self):
        used = set()
        for service in self.services.values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if not source.startswith("."):
                    used.add(source)
                elif not source.startswith("./installation/"):
                    self.assertTrue((COMPOSE / source).exists(), source)
        self.assertEqual(used, set(self.all["volumes"]))

    def test_it_waits_for_the_drain_as_the_unit_does(self):
        stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)[1]
        for name in ("broker-1", "broker-2"):
            self.assertEqual(seconds(self.services[name]["stop_grace_period"]), int(stop))

    def test_prepare_keeps_what_is_there(self):
        made = Installation(pathlib.Path(self.enterContext(temporary())) / "installation")
        before = {file.name: file.read_bytes() for file in made.secrets.iterdir()}
        made.prepare("another.example.org")
        self.assertEqual(before, {file.name: file.read_bytes() for file in made.secrets.iterdir()})


def temporary():
    return tempfile.TemporaryDirectory(prefix="hutong-deployment-")


class Image(Story):
    def test_the_library_packages_are_found(self):
        done = subprocess.run([COMPOSE / "runtime-packages.sh", BINARY], check=True, capture_output=True, text=True)
        self.assertLessEqual({"librdkafka1", "libpq5", "libssl3", "libc6"}, set(done.stdout.split()))
        self.assertNotIn("-dev", done.stdout)

    # Each path that the build copies or needs is let through by the ignore file, and exists.
    def test_the_build_sees_what_it_needs(self):
        seen = [line[1:] for line in (COMPOSE / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
        for path in seen:
            self.assertTrue((SOURCE / path).exists(), path)
        for needed in re.findall(r"^COPY (?!--from)(\S+) ", (COMPOSE / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
            self.assertTrue(needed == "." or needed in seen, needed)
        rooms = set(re.findall(r"^hutong_room\((\w+)", (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE))
        self.assertLessEqual(rooms | {"CMakeLists.txt", "CMakePresets.json", "cmake", "schemas"}, set(seen))


class Balancer(Story):
    # Two brokers behind the balancer; those in `unfit` are never ready: the disk never has as much room as they want.
    def begin(self, unfit=()):
        if not program("haproxy"):
            self.skipTest("haproxy is not installed (deploy/install-packages.sh test)")
        self.folder = self.directory()
        self.installation = Installation(self.folder / "installation")
        self.brokers = []
        for number in (1, 2):
            broker = self.installation.broker(
                self.folder / f"broker-{number}", engines="" if number not in unfit else
                lambda config: config[:config.index("[log]")] + '[log]\nstop_below_free = "1000000GiB"\n')
            self.addCleanup(broker.kill)
            broker.start(ready=False)
            if number not in unfit:
                until(lambda b=broker: ready(b), "a broker is ready")
            self.brokers.append(broker)
        proxy, self.ports = balancer(self.folder, self.installation, self.brokers)
        self.enterContext(proxy)

    # A try to send one message through the balancer, on its own connection.
    def sends(self, control):
        def once():
            try:
                with self.installation.feed(self.ports["mllp"]) as feed:
                    return ack(feed.exchange(oru(control, "P1", "R1"))).code == "AA"
            except OSError:
                return False
        return once

    # (way, server) of those that the balancer holds to be ready.
    def status(self):
        told = request("127.0.0.1", self.ports["metrics"], "GET", "/metrics").text
        return set(re.findall(r'haproxy_server_status\{proxy="(\w+)",server="(broker-\d)",state="UP"\} 1', told))

    def readyz(self):
        answer = self.installation.get(self.ports["http"], "/readyz")
        return answer and json.loads(answer[1])

    def test_a_broker_that_dies_or_freezes_is_left(self):
        self.begin()
        until(self.sends("begin"), "the balancer takes a message")
        self.assertTrue(self.readyz()["ready"])
        self.brokers[0].kill()
        for control in range(10):  # a dead one is tried once, then the other
            self.assertTrue(self.sends(f"after-death-{control}")())
        until(lambda: ("mllp", "broker-1") not in self.status(), "its death is seen")
        self.brokers[0].start(ready=False)
        # Other ports than before: here it stays away, as if its machine were gone.
        os.kill(self.brokers[1].pid, signal.SIGSTOP)
        try:
            until(lambda: not self.status(), "a frozen one is seen")
        finally:
            os.kill(self.brokers[1].pid, signal.SIGCONT)
        until(lambda: ("mllp", "broker-2") in self.status(), "it is back")
        until(self.sends("back"), "it takes messages again")

    def test_where_none_is_ready_one_is_asked_anyway(self):
        self.begin(unfit=(2,))
        until(lambda: ("mllp", "broker-2") not in self.status(), "one is not ready")
        for control in range(6):  # never at the one that would refuse
            self.assertTrue(self.sends(f"ready-{control}")())
        self.brokers[0].kill()
        until(lambda: not self.status(), "none is ready")
        answer = until(self.readyz, "one is asked anyway")
        self.assertFalse(answer["ready"])

        def told():
            try:
                with self.installation.feed(self.ports["mllp"], timeout=30) as feed:
                    return ack(feed.exchange(oru("refused", "P1", "R1")))
            except OSError:  # the dead one was asked
                return None
        heard = until(told, "the sender hears")
        self.assertEqual(heard.code, "AR")
        self.assertIn("207", str(heard.errors))


class KafkaFile(unittest.TestCase):
    # Hutong gives its own topics these settings, or refuses them; here they hold for every other topic, too.
    def test_it_is_for_a_log_of_record(self):
        lines = (COMPOSE / "kafka.properties").read_text(encoding="utf-8").splitlines()
        said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        self.assertLessEqual({
            "default.replication.factor": "3", "min.insync.replicas": "2", "unclean.leader.election.enable": "false",
            "log.retention.ms": "-1", "log.retention.bytes": "-1", "log.cleanup.policy": "delete",
            "offsets.topic.replication.factor": "3", "auto.create.topics.enable": "false"}.items(), said.items())


class KafkaByFile(kafka.Cluster):
    """Three nodes by deploy/compose/kafka.properties and what kafka-node.sh adds to it, but for addresses and folders."""

    def _format(self):
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(self.controllers, 1))
        script = (COMPOSE / "kafka-node.sh").read_text(encoding="utf-8")
        added = re.findall(r'^  echo "([^"]+)"$', script, re.MULTILINE)
        assert [line.split("=")[0] for line in added] == ["node.id", "advertised.listeners"], added
        for node in range(1, self.nodes + 1):
            folder = self._folder(node)
            folder.mkdir(parents=True)
            text = adapted("compose/kafka.properties", {
                "1@kafka-1:9093,2@kafka-2:9093,3@kafka-3:9093": voters,
                "PLAINTEXT://:9092,CONTROLLER://:9093":
                    f"PLAINTEXT://127.0.0.1:{self.ports[node - 1]},CONTROLLER://127.0.0.1:{self.controllers[node - 1]}",
                "/var/lib/kafka/data": f"{folder}/data"})
            own = "\n".join(added).replace("$KAFKA_NODE", str(node)).replace(f"kafka-{node}:9092", f"127.0.0.1:{self.ports[node - 1]}")
            (folder / "server.properties").write_text(text + own + "\n", encoding="utf-8")
        for node in range(1, self.nodes + 1):
            done = subprocess.run(kafka.java(self.libs, "kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id",
                                             self.cluster_id, "--config", self._folder(node) / "server.properties"),
                                  capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


class BrokerOnTheCluster(Story):
    def test_it_takes_and_shows_by_the_files_of_the_deployment(self):
        folder = self.directory()
        installation = Installation(folder / "installation")
        KafkaByFile.cluster_id = (installation.secrets / "kafka-cluster-id").read_text(encoding="utf-8")
        server = self.enterContext(Postgres())
        cluster = self.enterContext(KafkaByFile())
        connection = (installation.secrets / "postgres-connection").read_text(encoding="utf-8")
        self.assertRegex(connection, r"^host=postgres dbname=hutong user=hutong password=\w{48}\n$")
        (installation.secrets / "postgres-connection").write_text(server.connection + "\n", encoding="utf-8")
        brokers = [installation.broker(folder / f"broker-{number}", engines=lambda config: config.replace(
            "kafka-1:9092,kafka-2:9092,kafka-3:9092", cluster.bootstrap)) for number in (1, 2)]
        self.assertIn('kind = "kafka"', brokers[0].config.read_text(encoding="utf-8"))
        checked = brokers[0].command("check").stdout
        self.assertIn('kind = "postgres"', checked)
        self.assertNotIn(server.connection, checked)
        for broker in brokers:  # one after the other, as compose.yaml does
            self.addCleanup(broker.kill)
            broker.start(ready=False, deadline=120)
            until(lambda b=broker: ready(b), f"ready ({broker.last_words()})", 120)
        for number, broker in enumerate(brokers):
            with installation.feed(broker.ports["mllp"]) as feed:
                self.assertEqual(ack(feed.exchange(oru(f"1-{number}", "P1", f"R1-{number}"))).code, "AA")
        self.shows(server, 2)
        # One of three nodes gone: taking goes on, by two in-sync replicas.
        cluster.kill(3)
        with installation.feed(brokers[0].ports["mllp"], timeout=60) as feed:
            self.assertIn("AA", [ack(feed.exchange(oru("2", "P1", "R2"))).code for _ in range(4)])  # 207: sent again
        # The broker that writes the views gone: the other writes.
        told = [installation.get(broker.ports["http"], "/metrics")[1] for broker in brokers]
        writes = [float(re.search(r"^hutong_projecting (\S+)$", text, re.MULTILINE)[1]) for text in told]
        self.assertEqual(sorted(writes), [0.0, 1.0])
        brokers.pop(writes.index(1.0)).kill()
        with installation.feed(brokers[0].ports["mllp"], timeout=60) as feed:
            self.assertIn("AA", [ack(feed.exchange(oru("3", "P1", "R3"))).code for _ in range(4)])
        self.shows(server, 4)
        self.assertEqual(brokers[0].stop(), 0)

    def shows(self, server, results):
        sql = "SELECT count(*) FROM hutong.results_readable"
        until(lambda: subprocess.run([server.programs / "psql", server.connection, "-Atc", sql], check=True, capture_output=True,
                                     text=True).stdout.strip() == str(results), f"{results} results are shown")


if __name__ == "__main__":
    sys.exit(run())
