"""Two brokers on one Kafka and one PostgreSQL: the one that writes the views tells of feeds and deliveries, once; when it dies the other
one goes on, and what holds is no news. Each tells of its own disk."""

import json
import time

from engines import OnEngines
from hutong import CONFIG, ack, run, until
from messages import oru
from receivers import MllpReceiver, Webhook, allow, declare

# own_url tells brokers of one machine apart.
ALERTS = """
own_url = "env:HUTONG_OWN"
{allow}
[alerts]
webhooks = ["{origin}/duty"]
hold = "3s"
lag = "1s"
disk_free = "99%"
"""


class AlertsOfSeveralBrokers(OnEngines):
    def setUp(self):
        self.duty, self.ward = Webhook(), MllpReceiver()
        self.addCleanup(self.duty.close)

    # Who told it, and what.
    def told(self, about):
        return [(message["broker"], each["state"]) for message in map(lambda request: json.loads(request.body), self.duty.accepted())
                for each in message["alerts"] if each["id"].startswith(about)]

    def test_one_tells_and_the_other_goes_on(self):
        brokers = self.brokers(config=CONFIG + ALERTS.format(allow=allow(self.duty.origin), origin=self.duty.origin))
        for name, broker in zip(("one.test", "two.test"), brokers):
            declare(broker, {"name": "ward", "sink": "mllp", "target": f"127.0.0.1:{self.ward.port}", "kinds": ["result.reported"]})
            broker.stop()
            broker.start(environment={"HUTONG_OWN": f"http://{name}"})
        until(lambda: {"one.test", "two.test"} <= {broker for broker, _ in self.told("disk:")}, "each tells of its disk", 30)
        until(lambda: any("lag" in json.loads(request.body)["begins"] for request in self.duty.accepted()), "one watches the deliveries", 30)
        time.sleep(0.5)
        self.ward.close()
        with brokers[0].mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru(control="1"))).code, "AA")
        until(lambda: self.told("lag:ward"), "it is told", 60)
        time.sleep(3)
        (first, state), = self.told("lag:ward")
        self.assertEqual(state, "raised")
        teller = brokers[0] if first == "one.test" else brokers[1]
        other = brokers[1] if teller is brokers[0] else brokers[0]
        shown = {broker: json.loads(broker.command("alerts", "--json").stdout) for broker in (teller, other)}
        self.assertEqual((shown[teller]["watches"], shown[other]["watches"]), ("all", "own"))
        self.assertEqual([each["kind"] for each in shown[other]["alerts"]], ["disk"])
        self.assertIn("another broker watches feeds and deliveries", other.command("alerts").stdout)
        teller.kill()
        with other.mllp() as feed:  # a turn is taken where there is something to do
            self.assertEqual(ack(feed.exchange(oru(control="2"))).code, "AA")
        until(lambda: len(self.told("lag:ward")) == 2, "the other one tells", 60)
        again = self.told("lag:ward")[1]
        self.assertNotEqual(again[0], first)
        self.assertEqual(again[1], "standing", "no news")


if __name__ == "__main__":
    run()
