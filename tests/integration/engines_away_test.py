"""Kafka or PostgreSQL away as a whole: senders wait and then hear AR 207 in time, never a false AA; /readyz says which it is;
what needs only the other engine goes on; and everything resumes by itself."""

import json
import sys
import time

from engines import OnEngines
from hutong import CONFIG, Broker, ack, run, seconds_until, until
from messages import oru

DEADLINE = 5.0


class EnginesAway(OnEngines):
    def installation(self):
        config = CONFIG.replace("[mllp]\n", f'[mllp]\nappend_deadline = "{DEADLINE:.0f}s"\n', 1)
        return self.broker(config=self.configuration('append_deadline = "3s"', config))

    # What /readyz names as not ready.
    def missing(self, broker):
        return {one["name"] for one in broker.http("GET", "/readyz").json()["dependencies"] if not one["ready"]}

    def ready_again(self, broker):
        try:
            return seconds_until(lambda: broker.http("GET", "/readyz").status == 200, "it does not resume by itself")
        except AssertionError:
            print(broker.http("GET", "/readyz").text, broker.last_words(), file=sys.stderr)
            raise

    def orders(self, broker, patient="P1"):
        person = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|{patient}")["entry"][0]["resource"]
        reports = broker.fhir(f"DiagnosticReport?patient={person['id']}&_count=1000")["entry"]
        return sorted(one["value"] for each in reports for one in each["resource"]["identifier"] if one["value"].startswith("R"))

    def test_all_of_kafka(self):
        broker = self.installation()
        with broker.mllp() as feed:
            for number in range(10):
                self.assertEqual(ack(feed.exchange(oru(f"A{number}", "P1", f"R{number}"))).code, "AA")
        broker.settle()
        before = self.orders(broker)
        for node in (1, 2, 3):
            self.cluster.kill(node)
        with broker.mllp(timeout=60) as feed:
            began = time.monotonic()
            refused = ack(feed.exchange(oru("B", "P1", "RB")))
            waited = time.monotonic() - began
            self.assertEqual((refused.code, refused.errors[0][3].split("^")[0]), ("AR", "207"), refused.raw)
            self.assertGreater(waited, 1.0, "it waits before it refuses")
            self.assertLess(waited, DEADLINE + 0.5, "the sender was promised an answer")
            until(lambda: "kafka" in self.missing(broker), "readyz does not name Kafka")
            self.assertNotIn("postgresql", self.missing(broker))
            self.assertEqual(broker.http("GET", "/readyz").status, 503)
            self.assertIn("NOT READY", next(line for line in broker.command("status").stdout.splitlines() if " kafka" in line))
            self.assertEqual(self.orders(broker), before, "what is known can be read")

            for node in (1, 2):
                self.cluster.start(node, wait=False)
            self.cluster.start(3)
            resumed = self.ready_again(broker)
            self.assertEqual(ack(feed.exchange(oru("B", "P1", "RB"))).code, "AA")
        broker.settle()
        self.assertEqual(self.orders(broker), sorted([*before, "RB"]))
        print(f"all of Kafka away: refused after {waited:.1f} s, ready {resumed:.1f} s after it was back", file=sys.stderr)

    def test_postgresql(self):
        broker = self.installation()
        with broker.mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru("A", "P1", "RA"))).code, "AA")
            broker.settle()
            self.server.kill()
            until(lambda: "postgresql" in self.missing(broker), "an idle broker does not notice", deadline=5)
            self.assertNotIn("kafka", self.missing(broker))
            self.assertEqual(ack(feed.exchange(oru("B", "P1", "RB"))).code, "AA", "durable in Kafka is durable")
            found = broker.http("GET", "/fhir/Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1", token=broker.token())
            self.assertEqual(found.status, 503, found.text)
            self.server.start()
            self.ready_again(broker)
            self.server.freeze()
            self.addCleanup(self.server.thaw)
            began = time.monotonic()
            self.assertEqual(ack(feed.exchange(oru("C", "P1", "RC"))).code, "AA")
            self.assertLess(time.monotonic() - began, 2.0, "a server that does not answer holds an acknowledgement up")
            self.server.thaw()
        self.ready_again(broker)
        broker.settle()
        self.assertEqual(self.orders(broker), ["RA", "RB", "RC"])

    def test_commands_without_a_broker_read_from_kafka(self):
        broker = self.installation()
        with broker.mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru("T1", "P1", "R1"))).code, "AA")
        broker.settle()
        copy = broker.dir.parent / "copy"
        self.assertIn("MirrorMaker", json.loads(broker.command("backup", copy, "--json").stdout)["elsewhere"])
        self.assertFalse((copy / "log").exists())
        broker.stop()
        self.assertIn("control id T1", broker.command("trace", "TESTHOSP/T1").stdout)
        self.assertEqual(json.loads(broker.command("rebuild", "--json").stdout), {"records": 1})
        other = Broker(broker.dir.parent / "other", config=broker.config.read_text(encoding="utf-8"))
        self.addCleanup(other.kill)
        other.command("restore", copy)
        other.start()
        self.assertEqual(self.orders(other), ["R1"])


if __name__ == "__main__":
    run()
