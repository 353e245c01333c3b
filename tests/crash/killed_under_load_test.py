"""SIGKILL at random moments under load: every acknowledged report is readable exactly once (reliability F1, F3).
kill -9 alone never tests fdatasync (the page cache survives): power_cut_test.py does."""

import time
import unittest

from hutong import Story, rounds, run, seeded
from ledger import Ledger, after


class KilledUnderLoad(Story):
    def test_acknowledged_is_readable_once_after_every_kill(self):
        chance = seeded("killed_under_load")
        broker = self.broker()
        ledger = Ledger()
        recoveries = []
        count = rounds(50)
        for number in range(count):
            ledger.load(broker, after(chance.uniform(0.001, 0.5), broker.kill))
            if chance.random() < 0.2:           # and sometimes while it recovers
                broker.start(ready=False)
                time.sleep(chance.uniform(0, 0.05))
                broker.kill()
            began = time.monotonic()
            broker.start()
            recoveries.append(time.monotonic() - began)
            if number % 10 == 9 or number == count - 1:
                ledger.check(self, broker)
        self.assertFalse(ledger.refused, f"refused under load: {ledger.refused[:3]}")
        self.assertGreater(len(ledger.acked), count * 10, "the load was too small to prove anything")
        print(f"{count} kills, {len(ledger.sent)} sent, {len(ledger.acked)} acknowledged, 0 lost, 0 twice; "
              f"ready again in {sorted(recoveries)[len(recoveries) // 2]:.2f} s (median), {max(recoveries):.2f} s (worst)")


if __name__ == "__main__":
    run()
