"""A disk that fails: fdatasync says no (F7), no space is left and comes back (F9). Never a positive answer for what is not
safe, no restart needed for a full disk, a stop and a restart for a failed sync."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

from hutong import Broker, Story, ack, run, seeded, until
from ledger import Ledger, after
from messages import oru
from receivers import Webhook, allow

SHIM = pathlib.Path(os.environ.get("HUTONG_BUILD", "build/release")) / "tests" / "libhutong_shim.so"


class DiskFails(Story):
    def shim(self, broker, **environment):
        self.assertTrue(SHIM.exists(), f"{SHIM.name} is not built")
        return {"LD_PRELOAD": str(SHIM), "HUTONG_SHIM_DIR": str(broker.dir / "log"), **environment}

    def test_a_failed_fdatasync_is_never_acknowledged_and_stops_the_log(self):
        chance = seeded("fdatasync")
        for _ in range(3):
            broker = self.broker(start=False)
            broker.config.write_text(broker.config.read_text().replace("[mllp]", '[mllp]\nappend_deadline = "300ms"', 1))
            ledger = Ledger(connections=2)
            at = chance.randrange(5, 60)
            broker.start(environment=self.shim(broker, HUTONG_SHIM_MODE="fail-fdatasync", HUTONG_SHIM_AT=str(at)))
            ledger.load(broker, after(1.5, lambda: None))
            if broker.running:
                self.assertEqual(broker.http("GET", "/readyz").status, 503)
                self.assertIn("log", broker.http("GET", "/readyz").text)
            self.assertTrue(ledger.refused or ledger.unanswered, "no sync failed: the test proves nothing")
            broker.kill()
            broker.start()
            ledger.check(self, broker)

    def test_a_full_disk_makes_senders_wait_and_resumes_by_itself(self):
        broker = self.broker(start=False)
        broker.config.write_text(broker.config.read_text().replace("[mllp]", '[mllp]\nappend_deadline = "500ms"', 1))
        trigger = broker.dir / "full"
        broker.start(environment=self.shim(broker, HUTONG_SHIM_MODE="enospc", HUTONG_SHIM_TRIGGER=str(trigger)))
        ledger = Ledger(connections=2)
        for _ in range(3):
            ledger.load(broker, after(0.3, lambda: None))
            before = len(ledger.acked)
            trigger.touch()
            with broker.mllp() as feed:
                answer = ack(feed.exchange(oru(f"full{before}", "PX", f"RX{before}")))
                self.assertEqual(answer.code, "AR")
                self.assertIn("207", str(answer.errors))
            self.assertEqual(broker.http("GET", "/readyz").status, 503)
            broker.fhir("metadata")                       # reading goes on
            trigger.unlink()
            deadline = time.monotonic() + 10
            while broker.http("GET", "/readyz").status != 200:
                self.assertLess(time.monotonic(), deadline, "ready again without a restart")
                time.sleep(0.05)
            ledger.load(broker, after(0.3, lambda: None))
            self.assertGreater(len(ledger.acked), before)
        ledger.refused.clear()
        ledger.check(self, broker)

    def test_operators_are_told_that_nothing_is_taken_and_that_it_is_again(self):
        with Webhook() as duty:
            broker = self.broker(start=False)
            broker.config.write_text(broker.config.read_text() + allow(duty.origin)
                                     + f'\n[alerts]\nwebhooks = ["{duty.origin}"]\nhold = "300ms"\ndisk_free = "0B"\n')
            told = lambda: [f"{each['state']} {each['id']}" for request in duty.accepted() for each in json.loads(request.body)["alerts"]]
            trigger = broker.dir / "full"
            broker.start(environment=self.shim(broker, HUTONG_SHIM_MODE="enospc", HUTONG_SHIM_TRIGGER=str(trigger)))
            until(lambda: any("dependency" in json.loads(request.body)["begins"] for request in duty.accepted()), "the watch begins")
            log = "dependency:" + os.uname().nodename + "/log"
            with broker.mllp() as feed:
                self.assertEqual(ack(feed.exchange(oru("1"))).code, "AA")
                trigger.touch()
                self.assertEqual(ack(feed.exchange(oru("2"))).code, "AR")
            until(lambda: f"raised {log}" in told(), "it is told")
            trigger.unlink()
            until(lambda: f"cleared {log}" in told(), "and that it is over")

    def test_a_really_full_filesystem(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-full-"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)], check=False).returncode != 0:
            self.skipTest("mounting a tmpfs is not allowed here (needs root)")
        self.addCleanup(folder.rmdir)
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)], check=False)
        broker = Broker(folder / "data")
        broker.config.write_text(broker.config.read_text().replace("[mllp]", '[mllp]\nappend_deadline = "300ms"', 1)
                                 + '\n[log]\nsegment = "8MiB"\nstop_below_free = "16MiB"\n')
        self.addCleanup(broker.kill)
        broker.start()
        ledger = Ledger(connections=2)
        ballast = folder / "ballast"
        for _ in range(3):
            ledger.load(broker, after(0.2, lambda: None))
            free = os.statvfs(folder)
            ballast.write_bytes(b"x" * max(0, free.f_bavail * free.f_frsize - (8 << 20)))
            time.sleep(1.5)
            with broker.mllp() as feed:
                self.assertEqual(ack(feed.exchange(oru(f"f{ledger.serial}", "PX", f"RX{ledger.serial}"))).code, "AR")
            broker.fhir("metadata")
            ballast.unlink()
            deadline = time.monotonic() + 15
            while broker.http("GET", "/readyz").status != 200:
                self.assertLess(time.monotonic(), deadline, "ready again without a restart")
                time.sleep(0.05)
        before = len(ledger.acked)
        ledger.load(broker, after(0.3, lambda: None))
        self.assertGreater(len(ledger.acked), before)
        ledger.check(self, broker)


if __name__ == "__main__":
    run()
