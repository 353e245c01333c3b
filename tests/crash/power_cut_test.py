"""Power loss: what was not synced is gone, in any order (reliability F4, F5). The library tests/crash/shim stands between
the broker and its log: a SIGKILL then loses every byte that no fdatasync has covered, or keeps a seeded part of them."""

import os
import pathlib
import unittest

from hutong import Story, rounds, run, seeded
from ledger import Ledger, after

SHIM = pathlib.Path(os.environ.get("HUTONG_BUILD", "build/release")) / "tests" / "libhutong_shim.so"


class PowerCut(Story):
    def test_acknowledged_survives_the_loss_of_unsynced_bytes(self):
        if not SHIM.exists():
            self.fail(f"{SHIM.name} is not built")
        chance = seeded("power_cut")
        broker = self.broker(start=False)
        ledger = Ledger(connections=3)
        count = rounds(10)
        for number in range(count):
            keep = chance.choice(["0", "0", "30", "70"])
            broker.start(environment={
                "LD_PRELOAD": str(SHIM), "HUTONG_SHIM_MODE": "drop", "HUTONG_SHIM_KEEP_PERCENT": keep,
                "HUTONG_SHIM_DIR": str(broker.dir / "log"), "HUTONG_SHIM_SEED": str(chance.randrange(1 << 30))})
            ledger.load(broker, after(chance.uniform(0.02, 0.6), broker.kill))
            if number % 10 == 9 or number == count - 1:
                broker.start()
                ledger.check(self, broker)
                broker.kill()
        self.assertGreater(len(ledger.acked), count * 10)
        print(f"{count} power cuts, {len(ledger.sent)} sent, {len(ledger.acked)} acknowledged, 0 lost, 0 twice")


if __name__ == "__main__":
    run()
