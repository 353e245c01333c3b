"""A store that was made from another log is not served: the broker says so and ends, and a rebuild mends it."""

import shutil
import unittest

from hutong import BrokerFailed, Story, ack, run
from messages import oru


class ForeignStoreRefused(Story):
    def test_it_says_what_to_do_and_a_rebuild_mends_it(self):
        broker = self.broker()
        with broker.mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru("1", "P1", "R1"))).code, "AA")
        broker.settle()
        broker.stop()
        other = self.broker()
        with other.mllp() as feed:
            for i in range(5):
                feed.exchange(oru(f"{i}", f"Q{i}", f"S{i}"))
        other.settle()
        other.stop()
        shutil.rmtree(broker.dir / "store")
        shutil.copytree(other.dir / "store", broker.dir / "store")
        with self.assertRaises(BrokerFailed) as refused:
            broker.start()
        self.assertIn("hutong rebuild", str(refused.exception))
        broker.command("rebuild")
        broker.start()
        self.assertEqual(len(broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1")["entry"]), 1)
        self.assertNotIn("entry", broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|Q1"))


if __name__ == "__main__":
    run()
