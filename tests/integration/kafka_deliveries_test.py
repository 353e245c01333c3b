"""Events reach a topic of another cluster, a real Kafka of three nodes: each patient's in one partition and in order, while a node is
killed and the broker is killed; a topic that is not there yet is waited for, a message that it does not take is a dead letter. Read
by Kafka's own consumer."""

import json

import kafka
from hutong import Story, ack, run, until
from messages import ITEMS, oru
from receivers import declare


class KafkaDeliveries(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.cluster = cls.enterClassContext(kafka.Cluster())
        except kafka.Unavailable as reason:
            cls.skipTest(cls, str(reason))

    def topic(self, name, *settings, partitions=4):
        configs = [word for setting in settings for word in ("--config", setting)]
        self.cluster.tool("TopicCommand", "--create", "--topic", name, "--partitions", partitions, "--replication-factor", 3, *configs)

    # What Kafka's own consumer reads of a topic that nobody writes to any more: (partition, headers, key, value), in order.
    def messages(self, topic):
        shown = [word for each in ("partition", "headers", "key") for word in ("--property", f"print.{each}=true")]
        said = self.cluster.tool("consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--timeout-ms", 5000, *shown)
        found = []
        for line in said.splitlines():
            if not line.startswith("Partition:"):
                continue
            partition, headers, key, value = line.split("\t", 3)
            found.append((int(partition.split(":")[1]), dict(each.split(":", 1) for each in headers.split(",")), key, value))
        return found

    def start(self, topic, **more):
        live = self.broker(start=False)
        declare(live, {"name": "lake", "sink": "kafka", "target": self.cluster.bootstrap, "topic": topic, "kinds": ["result.reported"], **more})
        return live.start()

    def status(self, live):
        found = json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        return next(one for one in found if one["name"] == "lake")

    def settled(self, live, delivered, deadline=60):
        until(lambda: self.status(live)["delivered"] >= delivered and self.status(live)["open"] == 0, f"{delivered} deliveries", deadline)

    def test_each_patients_events_stand_in_order_while_nodes_and_the_broker_are_killed(self):
        self.topic("in-order")
        live = self.start("in-order", settings={"compression.type": "lz4"})
        sent = [(f"P{i % 8}", f"R{i:04}") for i in range(600)]

        def tell(part):
            with live.mllp() as feed:
                answers = feed.pipeline([oru(control=order, number=number, order=order, items=ITEMS[:2]) for number, order in part], 32)
                self.assertEqual({ack(each).code for each in answers}, {"AA"})

        tell(sent[:200])
        self.settled(live, 100)
        self.cluster.kill(1)
        tell(sent[200:400])
        until(lambda: self.status(live)["delivered"] > 210, "deliveries go on with two nodes", 60)
        live.kill()
        live.start()
        tell(sent[400:])
        self.cluster.start(1)
        until(lambda: self.status(live)["lagRecords"] == 0 and self.status(live)["open"] == 0, "all delivered", 120)
        self.assertEqual(self.status(live)["dead"], 0)
        found = self.messages("in-order")
        places, first = {}, {}
        for partition, headers, key, value in found:
            document = json.loads(value)
            self.assertEqual(headers["event-id"].split(".")[0], document["id"])
            self.assertEqual((headers["event-kind"], headers["subscription"]), ("result.reported", "lake"))
            places.setdefault(key, set()).add(partition)
            first.setdefault(headers["event-id"], (key, document["source"]["controlId"]))
        self.assertEqual({key: len(partitions) for key, partitions in places.items()}, {f"TESTHOSP/P{i}": 1 for i in range(8)})
        self.assertGreater(len({partition for partitions in places.values() for partition in partitions}), 1, "one partition has it all")
        for patient in range(8):
            expected = [order for number, order in sent if number == f"P{patient}"]
            self.assertEqual([control for key, control in first.values() if key == f"TESTHOSP/P{patient}"], expected)
        print(f"{len(sent)} events, {len(found) - len(first)} of them twice (the broker was killed)")

    def test_a_topic_that_is_not_there_yet_is_waited_for(self):
        live = self.start("later")
        with live.mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru(control="1", order="R1"))).code, "AA")
        until(lambda: self.status(live)["state"] == "waiting", "it is noticed", 60)
        self.assertIn("nknown topic", self.status(live)["trouble"])
        self.assertEqual(self.status(live)["dead"], 0)
        self.topic("later")
        self.settled(live, 1, 120)
        self.assertEqual([key for _, _, key, _ in self.messages("later")], ["TESTHOSP/P1"])

    def test_what_the_topic_does_not_take_is_a_dead_letter_and_holds_its_patient_only(self):
        self.topic("small", "max.message.bytes=4000")
        live = self.start("small", attempts=2)
        many = [(f"X{i}", f"项目{i}", "5.8", "mmol/L", "3.9-6.1") for i in range(60)]
        with live.mllp() as feed:
            for message in (oru(control="1", order="BIG", number="P1", items=many), oru(control="2", order="R2", number="P1", items=ITEMS[:1]),
                            oru(control="3", order="R3", number="P2", items=ITEMS[:1])):
                self.assertEqual(ack(feed.exchange(message)).code, "AA")
        until(lambda: self.status(live)["dead"] == 1, "a dead letter", 60)
        letter = json.loads(live.command("deadletter", "list", "--json").stdout)["letters"][0]
        self.assertIn("too large", letter["answer"])
        until(lambda: self.status(live)["delivered"] == 1, "the other patient's", 30)
        self.assertEqual([key for _, _, key, _ in self.messages("small")], ["TESTHOSP/P2"])
        live.command("deadletter", "discard", "lake/" + letter["id"], "--reason", "told by phone")
        self.settled(live, 2)
        self.assertEqual([key for _, _, key, _ in self.messages("small")], ["TESTHOSP/P2", "TESTHOSP/P1"])

    def test_a_mistake_is_named_with_its_file_and_line(self):
        live = self.broker(start=False)
        good = {"name": "lake", "sink": "kafka", "target": "127.0.0.1:9092", "topic": "t", "kinds": ["result.reported"]}
        for wrong, expected in [({"target": "127.0.0.1"}, "host:port"), ({"topic": "a b"}, "topic's name"), ({"topic": ""}, "topic's name"),
                                ({"target": "127.0.0.1:1,192.0.2.1:9092"}, "without encryption"), ({"settings": {"acks": 0}}, "acks"),
                                ({"settings": {"security.protocol": "SPOKEN"}}, "security.protocol"),
                                ({"settings": {"sasl.password": "clear"}}, "by reference"),
                                ({"settings": {"ssl.ca.location": "none.pem"}}, "no such file"), ({"tls": True}, "no such key")]:
            declare(live, {**good, **wrong})
            done = live.command("check", expect=2)
            self.assertRegex(done.stderr, r"test\.toml:\d+: ")
            self.assertIn(expected, done.stderr)
            self.assertNotIn("clear", done.stderr)
        declare(live, {**good, "target": "192.0.2.1:9093", "settings": {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}})
        live.command("check")


if __name__ == "__main__":
    run()
