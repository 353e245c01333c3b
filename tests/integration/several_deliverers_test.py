"""Two brokers on one Kafka of several partitions and one PostgreSQL, of which one delivers: it is killed, frozen and woken, and the
other goes on from where it was. Every event reaches the receiver in its patient's order; what comes twice has the same MSH-10; and
one that wakes after another took over hands over nothing."""

import os
import signal
import threading
import time

from engines import OnEngines
from hutong import ack, run, until
from messages import ITEMS, oru
from receivers import MllpReceiver, declare

PATIENTS = 8


class SeveralDeliverers(OnEngines):
    def setUp(self):
        self.ward = MllpReceiver()
        self.addCleanup(self.ward.close)
        self.acked, self.assured, self.number, self.ending = [], [], 0, threading.Event()

    def feed(self, brokers):
        while not self.ending.is_set():
            patient = self.number % PATIENTS
            message = oru(control=f"c{self.number}", number=f"P{patient}", order=f"{patient}-{self.number}", items=ITEMS[:2])
            try:
                with brokers[0].mllp(timeout=3) as feed:
                    if ack(feed.exchange(message)).code != "AA":
                        continue
            except OSError:
                brokers = brokers[::-1]  # the other takes it: the same control id
                continue
            self.acked.append(f"{patient}-{self.number}")
            self.number += 1
            if self.number % 20 == 0:
                brokers = brokers[::-1]
            time.sleep(0.01)

    def deliverer(self, brokers):
        return until(lambda: next((b for b in brokers if b.running and b.metric("hutong_projecting") == 1.0), None), "one delivers")

    def arrived(self):
        return {message.report for message in self.ward.accepted()}

    # By events that are new: who takes over begins with what may not have arrived.
    def grows(self, by=40):
        before = len(self.arrived())
        until(lambda: len(self.arrived()) > before + by, "deliveries go on", 60)

    # What has arrived by now is recorded, as a broker that delivers nothing shows it by what stands in the store: none of it may
    # come again. What arrived later may, whoever goes on; how much that is, is a matter of the machine's speed.
    def assure(self, brokers):
        arrived = self.arrived()
        other = next(broker for broker in brokers if broker is not self.deliverer(brokers))
        until(lambda: self.recorded(other) >= len(arrived), "what was delivered is recorded", 60)
        self.assured.append((time.time(), arrived))

    @staticmethod
    def recorded(broker):
        told = broker.http("GET", "/api/v1/subscriptions", token=broker.token("operator")).json()["subscriptions"]
        return sum(one["delivered"] for one in told)

    def test_another_goes_on_where_one_was_killed_or_frozen(self):
        brokers = self.brokers()
        for broker in brokers:
            declare(broker, {"name": "ward", "sink": "mllp", "target": f"127.0.0.1:{self.ward.port}", "kinds": ["result.reported"]})
            broker.restart()
        feeding = threading.Thread(target=self.feed, args=(brokers,), daemon=True)
        feeding.start()
        self.grows()

        self.assure(brokers)
        first = self.deliverer(brokers)
        first.kill()
        self.grows()
        first.start()
        self.grows()

        self.assure(brokers)
        frozen = self.deliverer(brokers)
        os.kill(frozen.pid, signal.SIGSTOP)
        time.sleep(4)
        self.grows()
        woken = time.time()
        os.kill(frozen.pid, signal.SIGCONT)
        self.grows()

        self.ending.set()
        feeding.join()
        until(lambda: set(self.acked) <= self.arrived(), "everything arrived", 60)
        for broker in brokers:
            until(lambda: self.recorded(broker) == len(self.arrived()), "all of it is recorded, what came again once", 60)
        self.check(woken)

    # Nothing comes that another would have to apply: what is delivered again waits for no message.
    def test_another_goes_on_though_nothing_more_is_said(self):
        self.ward.answer = lambda message: "close"
        brokers = self.brokers()
        for broker in brokers:
            declare(broker, {"name": "ward", "sink": "mllp", "target": f"127.0.0.1:{self.ward.port}", "kinds": ["result.reported"]})
            broker.restart()
        told = set()
        with brokers[0].mllp(timeout=10) as feed:
            for number in range(20):
                self.assertEqual(ack(feed.exchange(oru(control=f"c{number}", number="P1", order=f"R{number}", items=ITEMS[:2]))).code, "AA")
                told.add(f"R{number}")
                self.settle(*brokers)
        self.assertEqual(sorted(broker.metric("hutong_projecting") for broker in brokers), [0, 1], "one has the turn, the other knows")
        until(lambda: len(self.ward.taken) > 1, "the first is tried again", 60)
        self.settle(*brokers)
        self.deliverer(brokers).kill()
        self.ward.answer = lambda message: "AA"
        until(lambda: self.arrived() == told, "the other delivers them", 30)

    def check(self, woken):
        first_taken, controls, under_way = {}, {}, []
        accepted = sorted(self.ward.accepted(), key=lambda m: m.at)
        for message in accepted:
            if message.report in first_taken and any(at <= message.at and message.report in some for at, some in self.assured):
                # What the frozen one had under way may come again as it wakes, one delivery at most.
                self.assertGreaterEqual(message.at, woken, f"{message.report} was recorded and came again")
                under_way.append(message.report)
            first_taken.setdefault(message.report, message.at)
            self.assertEqual(controls.setdefault(message.report, message.control), message.control, "again under another id")
        self.assertLessEqual(len(under_way), 1, "one that lost its turn went on delivering")
        for patient in range(PATIENTS):
            numbers = [int(report.split("-")[1]) for report in first_taken if report.startswith(f"{patient}-")]
            self.assertEqual(numbers, sorted(numbers), f"the order of P{patient}")
        print(f"{len(self.acked)} acknowledged at two brokers, {len(first_taken)} delivered, {len(accepted) - len(first_taken)} again")


if __name__ == "__main__":
    run()
