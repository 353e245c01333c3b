"""Systems hand in HL7 v2 on a topic of a real Kafka: what is accepted can be read, what is refused stands in the quarantine, and a
message is committed only when the log has it, across kills of the broker and while the log takes nothing. What is read twice
changes nothing. Written by kcat, looked after by Kafka's own tools."""

import json
import re
import shutil
import subprocess

import kafka
from hutong import CONFIG, Story, run, until
from messages import oru


class KafkaSource(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not shutil.which("kcat"):
            cls.skipTest(cls, "kcat is not installed (deploy/install-packages.sh test)")
        try:
            cls.cluster = cls.enterClassContext(kafka.Cluster())
        except kafka.Unavailable as reason:
            cls.skipTest(cls, str(reason))

    def topic(self, name, partitions=3):
        self.cluster.tool("TopicCommand", "--create", "--topic", name, "--partitions", partitions, "--replication-factor", 3)
        return name

    def write(self, topic, *messages):
        """Each under its patient's number."""
        lines = b"".join(number.encode() + b"\x1f" + (message if isinstance(message, bytes) else message.encode()) + b"\x1e" for number, message in messages)
        subprocess.run(["kcat", "-P", "-b", self.cluster.bootstrap, "-t", topic, "-K", "\\x1f", "-D", "\\x1e", "-X", "acks=all",
                        "-X", "partitioner=murmur2_random"], input=lines, check=True, timeout=60)

    def source(self, topic, more=""):
        return CONFIG + f'\n[kafka_sources.lis]\nbootstrap = "{self.cluster.bootstrap}"\ntopic = "{topic}"\ngroup = "g-{topic}"\n{more}'

    def committed(self, topic):
        said = self.cluster.tool("consumer.group.ConsumerGroupCommand", "--describe", "--group", f"g-{topic}")
        return sum(int(line.split()[3]) for line in said.splitlines() if re.match(rf"g-{topic}\s+{topic}\s+\d+\s+\d+", line))

    def accepted(self, live):
        return live.metric("hutong_messages_total", answer="accepted") or 0

    def reports(self, live, number):
        found = live.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|{number}").get("entry", [])
        if not found:
            return 0
        return live.fhir(f"DiagnosticReport?patient={found[0]['resource']['id']}&_summary=count")["total"]

    def test_what_is_handed_in_is_taken_once_whatever_dies(self):
        topic = self.topic("lis")
        many = [(f"P{i % 10}", oru(control=f"c{i}", number=f"P{i % 10}", order=f"R{i}")) for i in range(400)]
        self.write(topic, *many[:200])
        live = self.broker(config=self.source(topic))
        until(lambda: self.accepted(live) > 20, "it begins with the oldest", 60)
        live.kill()
        self.write(topic, *many[200:])
        live.start()
        self.write(topic, *many[:50])  # once more, by a sender that is not sure
        live.settle()
        until(lambda: self.committed(topic) == 450, "all is committed", 120)
        live.settle()
        self.assertEqual(sum(self.reports(live, f"P{i}") for i in range(10)), 400)
        self.assertRegex(live.command("trace", "TESTHOSP/c7").stdout, r"kafka-lis")
        self.assertEqual(live.stop(), 0)
        # A second start reads nothing again.
        live.start()
        self.write(topic, ("P1", oru(control="last", number="P1", order="LAST")))
        until(lambda: self.accepted(live) == 1, "it goes on", 60)
        self.assertEqual(live.metric("hutong_messages_total", answer="duplicate") or 0, 0)

    def test_what_is_refused_stands_in_the_quarantine_and_holds_nobody_up(self):
        topic = self.topic("mixed", 1)
        bad = oru(control="bad", number="P1", order="R1").replace("\rPID|", "\rXID|")
        self.write(topic, ("a", b"this is no HL7"), ("b", bad), ("c", oru(control="good", number="P2", order="R2")))
        live = self.broker(config=self.source(topic))
        until(lambda: self.accepted(live) == 1, "the good one", 60)
        refused = live.quarantined(2)
        self.assertEqual(len(refused), 2)
        until(lambda: self.committed(topic) == 3, "refused ones are done with, too", 60)

    def test_nothing_is_committed_that_the_log_did_not_take(self):
        topic = self.topic("away", 1)
        self.write(topic, *[(f"P{i}", oru(control=f"c{i}", number=f"P{i}", order=f"R{i}")) for i in range(5)])
        full = self.source(topic) + '\n[log]\nstop_below_free = "1000000GiB"\n'
        live = self.broker(start=False, config=full)
        live.start(ready=False)
        until(lambda: "the log does not take" in live.log_file.read_text(), "it is told", 60)
        self.assertEqual(self.committed(topic), 0)
        self.assertEqual(live.stop(), 0)
        self.assertEqual(self.committed(topic), 0)
        live.config.write_text(self.source(topic))
        live.start()
        until(lambda: self.accepted(live) == 5, "it is taken when there is room", 60)
        until(lambda: self.committed(topic) == 5, "and committed", 60)

    def test_a_source_of_one_facility_takes_no_other_ones_messages(self):
        topic = self.topic("own", 1)
        other = oru(control="other", number="P1", order="R1", facility="cc-east")
        self.write(topic, ("a", other), ("b", oru(control="own", number="P1", order="R2")))
        live = self.broker(config=self.source(topic, 'facility = "TESTHOSP"\n'))
        until(lambda: self.accepted(live) == 1, "its own", 60)
        self.assertEqual(len(live.quarantined(1)), 1)

    def test_a_mistake_is_named_with_its_file_and_line(self):
        live = self.broker(start=False)
        good = {"bootstrap": '"127.0.0.1:9092"', "topic": '"t"'}
        for wrong, expected in [({"bootstrap": '"127.0.0.1"'}, "host:port"), ({"topic": '""'}, "topic's name"), ({"facility": '"NOBODY"'}, "no facility"),
                                ({"bootstrap": '"192.0.2.1:9092"'}, "without encryption"), ({"settings": '{ "group.id" = "x" }'}, "group.id"),
                                ({"settings": '{ "sasl.password" = "clear" }'}, "by reference"), ({"colour": '"red"'}, "unknown key")]:
            live.config.write_text(CONFIG + "\n[kafka_sources.lis]\n" + "".join(f"{k} = {v}\n" for k, v in {**good, **wrong}.items()))
            done = live.command("check", expect=2)
            self.assertRegex(done.stderr, r"hutong\.toml:\d+: ")
            self.assertIn(expected, done.stderr)
            self.assertNotIn("clear", done.stderr)
        live.config.write_text(CONFIG + "\n[kafka_sources.lis]\n" + "".join(f"{k} = {v}\n" for k, v in good.items()))
        self.assertEqual(json.loads(live.command("check", "--json").stdout)["configuration"]["kafka_sources"]["lis"]["topic"], "t")


if __name__ == "__main__":
    run()
