"""A whole embedded installation moves to Kafka and PostgreSQL, and migrate is killed once in the middle: HUTONG_RECORDS messages
(1,000,000), of which HUTONG_READS (10,000) FHIR reads before and after must be the same bytes. Played by tests/campaign.sh migrate;
tests/integration/migrate_test.py tells the same story in small."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time

from engines import OnEngines
from hutong import BINARY, ack, run, seeded, until
from messages import ITEMS, adt, oru

RECORDS = int(os.environ.get("HUTONG_RECORDS", 1_000_000))
READS = int(os.environ.get("HUTONG_READS", 10_000))
PATIENTS = max(1, RECORDS // 20)


def message(i):
    patient = f"P{i % PATIENTS}"
    if i % 11 == 0:
        return adt("A01", f"A{i}", patient, f"V{i}")
    corrects = i % 50 == 7 and i > PATIENTS
    return oru(f"O{i}", patient, f"R{i - PATIENTS if corrects else i}", ITEMS[i % 18:i % 18 + 1 + i % 2],
               status="C" if corrects else "F")


class MigrateUnderFire(OnEngines):
    # SHA-256 of what each read of the sample shows, the broker's own address aside.
    def sample(self, broker):
        found, asked = {}, 0.0
        for number in seeded("sample").sample(range(PATIENTS), min(PATIENTS, -(-READS // 4))):
            if time.monotonic() - asked > 200:  # tokens last 300 s
                token, asked = broker.token(), time.monotonic()
            who = f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P{number}"
            person = None
            for path in (who, "Patient/{}/$everything?_count=1000", "Observation?patient={}&_count=1000",
                         "DiagnosticReport?patient={}&_count=1000"):
                answer = broker.http("GET", "/fhir/" + path.format(person), token=token)
                self.assertEqual(answer.status, 200, answer.text[:500])
                if person is None:
                    person = answer.json()["entry"][0]["resource"]["id"]
                body = answer.body.replace(f":{broker.ports['http']}".encode(), b":PORT")
                self.assertGreater(len(body), 300, path)
                found[number, path] = hashlib.sha256(body).hexdigest()
        return found

    def test_interrupted_once(self):
        began, took = time.monotonic(), {}

        def done(what):
            nonlocal began
            took[what], began = time.monotonic() - began, time.monotonic()
            print(f"{what}: {took[what]:.0f} s", file=sys.stderr, flush=True)

        old = self.broker()
        with old.mllp(timeout=120) as feed:
            for first in range(0, RECORDS, 50_000):
                messages = (message(i) for i in range(first, min(RECORDS, first + 50_000)))
                self.assertEqual({ack(answer).code for answer in feed.pipeline(messages, window=512)}, {"AA"})
            self.assertEqual(ack(feed.exchange("MSH|^~\\&|LIS|TESTHOSP|||20260301||ORU^R01|BAD1|P|2.5.1\rPID|1\r")).code, "AE")
        old.settle(deadline=1800)
        done("taken and projected by the embedded broker")
        seen = self.sample(old)
        done(f"{len(seen)} reads")
        self.assertEqual(old.stop(), 0)

        new = self.broker(start=False, config=self.configuration(log=""))
        topic = re.search('topic_prefix = "(.*)"', new.config.read_text(encoding="utf-8"))[1] + "events"
        migrate = [BINARY, "migrate", "--json", "--from", old.config, "--to", new.config]
        moment = seeded("migrate").uniform(0.1, 1.2) * sum(len(message(i)) for i in range(0, RECORDS, 100)) * 100  # bytes in Kafka, of more
        interrupted = subprocess.Popen(migrate, env=new.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.cluster.bytes_of(topic) > moment or interrupted.poll() is not None, "it carries", 1800)
        self.assertIsNone(interrupted.poll(), "it was over before it was killed")
        interrupted.kill()
        interrupted.wait()
        done("migrate, until it was killed")
        again = subprocess.run(migrate, env=new.environment, capture_output=True, text=True, check=False)
        self.assertEqual(again.returncode, 0, again.stderr[-2000:])
        counts = json.loads(again.stdout)
        done(f"migrate, started again: {counts['events']['carried']} events carried, the views made")
        self.assertTrue(counts["complete"])
        self.assertEqual((counts["events"]["records"], counts["events"]["found"]), (RECORDS, RECORDS))
        self.assertEqual((counts["quarantine"]["records"], counts["quarantine"]["found"]), (1, 1))
        self.assertLess(0, counts["events"]["carried"])
        self.assertLess(counts["events"]["carried"], RECORDS, "the first try carried nothing")

        new.start()
        new.settle()
        after = self.sample(new)
        done("the same reads")
        different = [key for key in seen if after.get(key) != seen[key]]
        self.assertEqual((len(after), different[:5]), (len(seen), []))
        self.assertEqual(new.metric("hutong_projected_duplicates_total") or 0, 0)
        print(f"{RECORDS} records migrated, killed once and resumed: every topic counted again in Kafka, {len(seen)} FHIR reads of "
              f"{len(seen) // 4} patients the same bytes before and after; " + "; ".join(f"{what}: {time_:.0f} s" for what, time_ in took.items()))


if __name__ == "__main__":
    run()
