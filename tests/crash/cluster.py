"""A cluster under load while its parts die: three Kafka nodes (min.insync.replicas 2), PostgreSQL and two brokers, 1,000 messages
a second through both; kill -9 of a Kafka node, of a partition's leader, of a broker, of PostgreSQL, and a Kafka node stopped for
30 s, each once a round at a random moment. Senders do as hospitals do: one message of a patient at a time, the same again until it is
answered AA, at the other broker when one does not answer.

Afterwards every message counts once and in order: a patient's messages are corrections of one report, so the report has as
many versions as messages were sent, and the last one's value. Played by tests/campaign.sh cluster (HUTONG_ROUNDS)."""

import collections
import re
import socket
import statistics
import sys
import threading
import time

from engines import OnEngines
from hutong import Mllp, ack, rounds, run, seconds_until, seeded, until
from messages import oru, pid

RATE = 1000            # messages a second, all senders together
SENDERS, PATIENTS_EACH = 20, 10
FREEZE_SECONDS = 30
VERSIONS = 20          # of a report; then the patient gets the next


class Sender(threading.Thread):
    """One hospital's interface: its patients' messages, one of each at a time."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.patients = [f"P{number}-{each}" for each in range(PATIENTS_EACH)]
        self.sent = dict.fromkeys(self.patients, 0)   # answered AA
        self.feed, self.at = None, number

    def message(self, patient):
        serial = self.sent[patient]
        return oru(f"{patient}-{serial}", patient, f"R{patient}-{serial // VERSIONS}", [("GLU", "葡萄糖", f"{serial}", "mmol/L", "")],
                   status="F" if serial % VERSIONS == 0 else "C", patient=pid(patient))

    def connect(self):
        self.at += 1
        self.feed = Mllp("127.0.0.1", self.load.ports[self.at % len(self.load.ports)], timeout=15)

    def run(self):
        pause = SENDERS * PATIENTS_EACH / RATE
        waiting, next_time = [], time.monotonic()
        while waiting or not self.load.stopping.is_set():
            if not waiting:
                time.sleep(max(0, next_time - time.monotonic()))
                next_time = max(next_time, time.monotonic() - 5) + pause  # catches up after a pause, but not all of it
                waiting = list(self.patients)
            try:
                if self.feed is None:
                    self.connect()
                self.feed.send(*[self.message(patient) for patient in waiting])
                again = []
                for patient in waiting:
                    answer = ack(self.feed.receive())
                    if answer.control_id != f"{patient}-{self.sent[patient]}":
                        self.load.wrong.append(f"{patient}: answered {answer.control_id}")
                    if answer.code == "AA":
                        self.sent[patient] += 1
                        self.load.accepted()
                    elif answer.errors and answer.errors[0][3].startswith("207"):
                        self.load.refused += 1
                        again.append(patient)
                    else:
                        self.load.wrong.append(f"{patient}: {answer.raw[:200]!r}")
                waiting = again
            except (OSError, ConnectionError, socket.timeout):
                # What was not answered is sent again, elsewhere; whose answer had come is at its next message.
                if self.feed:
                    self.feed.close()
                self.feed = None
                time.sleep(0.05)


class Load:
    def __init__(self, ports):
        self.ports, self.stopping = ports, threading.Event()
        self.refused, self.wrong = 0, []
        self.lock, self.per_tick = threading.Lock(), collections.Counter()
        self.senders = [Sender(self, number) for number in range(SENDERS)]

    def accepted(self):
        with self.lock:
            self.per_tick[int(time.monotonic() * 20)] += 1

    # The longest time without an acknowledgement between two moments.
    def longest_silence(self, begin, end):
        with self.lock:
            ticks = sorted(tick / 20 for tick in self.per_tick if begin <= tick / 20 <= end)
        return max((b - a for a, b in zip([begin, *ticks], [*ticks, end])), default=end - begin)

    def total(self):
        return sum(sum(sender.sent.values()) for sender in self.senders)


class ClusterUnderFire(OnEngines):
    def setUp(self):
        self.servers = self.brokers()
        prefix = re.search('topic_prefix = "(.*)"', self.servers[0].config.read_text(encoding="utf-8"))[1]
        self.topic = prefix + "events"
        for broker in self.servers:  # the same port after a restart, as a hospital expects
            broker.config.write_text(broker.config.read_text().replace(
                'listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{broker.ports["mllp"]}"', 1))

    def healthy(self, deadline=120):
        """Every replica in sync, every broker ready: the next fault meets a whole cluster."""
        until(lambda: all(len(isr) == 3 for _, isr in self.cluster.partitions(self.topic))
              and all(broker.http("GET", "/readyz").status == 200 for broker in self.servers),
              "the cluster does not become whole again", deadline)

    # --- what happens ---

    def kafka_node(self, chance):
        self.kill_node(chance.randint(1, 3), chance)

    def partition_leader(self, chance):
        leaders = [leader for leader, _ in self.cluster.partitions(self.topic)]
        self.kill_node(leaders[chance.randrange(len(leaders))], chance)

    def kill_node(self, node, chance):
        self.cluster.kill(node)
        time.sleep(chance.uniform(1, 5))
        self.cluster.start(node)

    def broker_killed(self, chance):
        broker = chance.choice(self.servers)
        broker.kill()
        time.sleep(chance.uniform(0.5, 4))
        broker.start()

    def postgresql(self, chance):
        self.server.kill()
        time.sleep(chance.uniform(0.5, 4))
        self.server.start()

    def frozen_node(self, chance):
        node = chance.randint(1, 3)
        self.cluster.pause(node)
        time.sleep(FREEZE_SECONDS)
        self.cluster.resume(node)
        self.cluster.wait()

    # --- what must hold ---

    def check(self, load):
        for broker in self.servers:
            broker.settle(deadline=180)
        broker, token = self.servers[0], self.servers[0].token()
        for sender in load.senders:
            for patient in sender.patients:
                self.check_patient(broker, token, patient, sender.sent[patient])

    def check_patient(self, broker, token, patient, sent):
        person = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|{patient}", token=token)["entry"]
        self.assertEqual(len(person), 1, f"{patient} is {len(person)} people")
        shown = broker.fhir(f"DiagnosticReport?patient={person[0]['resource']['id']}&_count=1000", token=token)["entry"]
        versions, newest = {}, None
        for report in (each["resource"] for each in shown):
            order = next(one["value"] for one in report["identifier"] if one["value"].startswith("R"))
            self.assertNotIn(order, versions, "a report is shown twice")
            versions[order] = int(report["meta"]["versionId"])
            if order == f"R{patient}-{(sent - 1) // VERSIONS}":
                newest = report
        self.assertEqual(sum(versions.values()), sent, f"{patient}: lost or doubled, {versions}")
        for order, count in versions.items():
            if count != VERSIONS:
                self.assertEqual(order, f"R{patient}-{(sent - 1) // VERSIONS}", f"{patient}: {versions}")
        item = newest["result"][0]["reference"]
        history = broker.fhir(f"{item}/_history", token=token)["entry"]
        values = [int(each["resource"]["valueQuantity"]["value"]) for each in history]
        first = (sent - 1) // VERSIONS * VERSIONS
        self.assertEqual(sorted(values), list(range(first, sent)), f"{patient}: a version is missing or double")
        by_version = sorted((int(each["resource"]["meta"]["versionId"]), value) for each, value in zip(history, values))
        self.assertEqual([value for _, value in by_version], list(range(first, sent)), f"{patient}: out of order")

    def test_each_part_dies(self):
        chance = seeded("cluster")
        load = Load([broker.ports["mllp"] for broker in self.servers])
        faults = [self.kafka_node, self.partition_leader, self.broker_killed, self.postgresql, self.frozen_node]
        silence, caught_up = collections.defaultdict(list), collections.defaultdict(list)
        for sender in load.senders:
            sender.start()
        count = rounds(1)
        began = time.monotonic()
        for _ in range(count):
            for fault in chance.sample(faults, len(faults)):
                self.healthy()
                time.sleep(chance.uniform(1, 3))
                at = time.monotonic()
                fault(chance)
                self.healthy()
                whole = time.monotonic()
                silence[fault.__name__].append(load.longest_silence(at, whole))
                caught_up[fault.__name__].append(seconds_until(
                    lambda: sum(broker.metric("hutong_projector_lag_records") for broker in self.servers) <= 2 * RATE,
                    "the views do not catch up", 180))
                self.assertFalse(load.wrong, load.wrong[:3])
                print(f"{fault.__name__}: longest silence {silence[fault.__name__][-1]:.1f} s, {load.total()} acknowledged", file=sys.stderr)
        load.stopping.set()
        seconds = time.monotonic() - began
        for sender in load.senders:
            sender.join(60)
            self.assertFalse(sender.is_alive(), "a sender waits for ever")
        self.assertFalse(load.wrong, load.wrong[:3])
        self.check(load)
        self.assertGreater(load.total(), 5 * count * 1000, "the load was too small to prove anything")
        print(f"{count} rounds of {len(faults)} faults in {seconds:.0f} s: {load.total()} messages acknowledged "
              f"({load.total() / seconds:.0f}/s), {load.refused} times told to send again, 0 lost, 0 double, every patient's in order; "
              + "; ".join(f"{name}: no acknowledgement for {statistics.median(silence[name]):.1f} s (median), {max(silence[name]):.1f} s (worst), "
                          f"views behind for {max(caught_up[name]):.1f} s more" for name in silence))


if __name__ == "__main__":
    run()
