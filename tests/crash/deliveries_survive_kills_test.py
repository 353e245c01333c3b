"""The broker is killed again and again while it delivers to receivers that go away, refuse, are slow and close connections:
every event that was acknowledged reaches every subscriber, in its patient's order, and nothing comes twice but what was under way
or a moment old when somebody died."""

import bisect
import collections
import threading
import time
import unittest

from hutong import CONFIG, Mllp, Story, ack, rounds, run, seeded, until
from messages import ITEMS, oru
from receivers import MllpReceiver, Webhook, allow, declare

PATIENTS = 12
A_MOMENT = 1.0  # seconds: progress is appended every 50 ms, on a machine that does much else
CALM = 3.5  # every third round lasts longer than this, so that there are deliveries that may not come again


class Sender(threading.Thread):
    """Sends results for a dozen patients one after the other, again with the same control id until each is acknowledged."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker, self.acked, self.ending = broker, [], threading.Event()

    def run(self):
        number, feed = 0, None
        while not self.ending.is_set():
            patient, report = number % PATIENTS, f"{number % PATIENTS}-{number}"
            message = oru(control=f"c{number}", number=f"P{patient}", order=report, items=ITEMS[:3])
            try:
                feed = feed or Mllp("127.0.0.1", self.broker.ports["mllp"], timeout=5)
                answer = ack(feed.exchange(message))
            except (OSError, KeyError):
                if feed:
                    feed.close()
                feed = None
                time.sleep(0.02)
                continue
            if answer.code != "AA":
                time.sleep(0.05)
                continue
            self.acked.append(report)
            number += 1
            time.sleep(0.002)


class Deliveries(Story):
    def test_every_event_reaches_everybody_in_order_whatever_dies(self):
        chance = seeded("deliveries_survive_kills")
        flapping, refusing, closing, hook = MllpReceiver(), MllpReceiver(), MllpReceiver(), Webhook()
        receivers = {"flapping": flapping, "refusing": refusing, "closing": closing, "hook": hook}
        self.addCleanup(lambda: [receiver.close() for receiver in receivers.values()])
        refused = set()

        def refuse_every_tenth_once(message):
            if int(message.report.split("-")[1]) % 10 == 0 and message.report not in refused:
                refused.add(message.report)
                return "AE"
            return "AA"
        refusing.answer = refuse_every_tenth_once
        closing.answer = lambda message: "AA+close"
        hook.answer = lambda request: 503 if chance.random() < 0.02 else 200
        live = self.broker(start=False, config=CONFIG + allow(hook.origin))
        mllp = {"sink": "mllp", "kinds": ["result.reported"]}
        declare(live, *[{"name": name, "target": f"127.0.0.1:{receivers[name].port}", **mllp} for name in ("flapping", "refusing", "closing")],
                {"name": "hook", "sink": "rest-hook", "target": hook.origin + "/", "kinds": ["result.reported"], "connections": 4})
        live.start()
        sender = Sender(live)
        sender.start()
        deaths, port = [], flapping.port
        before = collections.defaultdict(list)  # what receivers that are gone had taken
        for number in range(rounds(8)):
            time.sleep(chance.uniform(0.3, 1.2) + (CALM if number % 3 == 2 else 0))
            if chance.random() < 0.5:
                flapping.close()
                deaths.append(time.time())
                before["flapping"] += flapping.accepted()
                time.sleep(chance.uniform(0.1, 0.6))
                flapping = receivers["flapping"] = MllpReceiver(port)
            deaths.append(time.time())
            live.kill()
            time.sleep(chance.uniform(0, 0.2))
            live.start()
        sender.ending.set()
        sender.join()
        hook.answer = lambda request: 200
        expected = set(sender.acked)
        self.assertGreater(len(expected), rounds(8) * 20, "the load was too small to prove anything")

        def report_of(taken):
            return taken.report or taken.body.decode().split('"fillerNumber":"')[1].split('"')[0]
        told = {}
        for name in receivers:
            told[name] = until(lambda name=name: self.complete(before[name] + receivers[name].accepted(), expected, report_of),
                               f"{name} has everything", 120)
        summary = []
        for name, all_taken in told.items():
            first, again = {}, 0
            for taken in sorted(all_taken, key=lambda t: t.at):
                report = report_of(taken)
                identity = taken.control or taken.event
                if report in first:
                    again += 1
                    self.assertEqual(identity, first[report][1], f"{name}: {report} came again under another id")
                    self.assertFalse(self.is_calm(first[report][0], deaths), f"{name}: {report} came twice and nobody had died")
                else:
                    first[report] = (taken.at, identity)
            for patient in range(PATIENTS):
                numbers = [int(report.split("-")[1]) for report in first if report.startswith(f"{patient}-")]
                self.assertEqual(numbers, sorted(numbers), f"{name}: the order of patient {patient}")
            calm = sum(self.is_calm(at, deaths) for at, _ in first.values())
            self.assertGreater(calm, 100, f"{name}: there was no time in which nothing may come again")
            summary.append(f"{name} {len(first)}, {calm} of them in calm, and {again} again")
        live.settle()
        print(f"{rounds(8)} kills, {len(expected)} acknowledged; " + ", ".join(summary))

    @staticmethod
    def is_calm(at, deaths):
        """Nobody died in the moment after a delivery, nor (by what our clocks differ) just before."""
        died = bisect.bisect_left(deaths, at - 0.1)
        return died == len(deaths) or deaths[died] > at + A_MOMENT

    @staticmethod
    def complete(taken, expected, report_of):
        return taken if expected <= {report_of(one) for one in taken} else None


if __name__ == "__main__":
    run()
