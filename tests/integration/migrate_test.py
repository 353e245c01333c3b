"""An embedded installation moves to Kafka and PostgreSQL: interrupted and started again, counted, and FHIR shows the same
bytes afterwards, under the same ids and versions. What is resent there is known."""

import json
import subprocess
import time

import kafka
from hutong import BINARY, CONFIG, Story, ack, run, seeded
from messages import ITEMS, adt, oru
from postgres import Postgres

PATIENTS = 40
CLUSTER = """
[log]
kind = "kafka"
[log.kafka]
bootstrap = "{bootstrap}"
[store]
kind = "postgres"
[store.postgres]
connection = "env:HUTONG_POSTGRES"
"""


class Migrate(Story):
    def everything(self, broker):
        token, found = broker.token(), []
        for number in range(PATIENTS):
            person = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P{number}", token=token)["entry"][0]["resource"]["id"]
            for path in (f"Patient/{person}", f"Patient/{person}/$everything?_count=1000", f"Observation?patient={person}&_count=1000"):
                answer = broker.http("GET", "/fhir/" + path, token=token)
                self.assertEqual(answer.status, 200, answer.text)
                found.append(answer.text.replace(f":{broker.ports['http']}", ":PORT"))
            for entry in broker.fhir(f"DiagnosticReport?patient={person}", token=token).get("entry", []):
                history = broker.http("GET", f"/fhir/DiagnosticReport/{entry['resource']['id']}/_history", token=token)
                found.append(history.text.replace(f":{broker.ports['http']}", ":PORT"))
        return found

    def test_from_the_embedded_log_to_kafka(self):
        chance = seeded("migrate")
        cluster, server = self.enterContext(kafka.Cluster()), self.enterContext(Postgres())
        old = self.broker()
        messages = []
        for i in range(3000):
            patient = f"P{i % PATIENTS}"
            if i % 10 == 0:
                messages.append(adt("A01", f"A{i}", patient, f"V{i}"))
            else:
                corrects = i % 50 == 7 and i > 50
                messages.append(oru(f"O{i}", patient, f"R{i - PATIENTS if corrects else i}", ITEMS[:1 + i % 5], status="C" if corrects else "F"))
        with old.mllp() as feed:
            self.assertEqual({ack(a).code for a in feed.pipeline(messages, window=64)}, {"AA"})
            self.assertEqual(ack(feed.exchange("MSH|^~\\&|LIS|TESTHOSP|||20260301||ORU^R01|BAD1|P|2.5.1\rPID|1\r")).code, "AE")
        old.settle()

        new = self.broker(start=False, config=CONFIG + CLUSTER.format(bootstrap=cluster.bootstrap), environment={"HUTONG_POSTGRES": server.connection})
        migrate = [BINARY, "migrate", "--json", "--from", old.config, "--to", new.config]
        refused = subprocess.run(migrate, env=new.environment, capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is running; stop it first", refused.stderr)
        old.stop()

        for _ in range(4):  # interrupted at random moments, done or not
            interrupted = subprocess.Popen(migrate, env=new.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.1, 1.5))
            interrupted.kill()
            interrupted.wait()
        first = subprocess.run(migrate, env=new.environment, capture_output=True, text=True, check=False)
        self.assertEqual(first.returncode, 0, first.stderr)
        first = json.loads(first.stdout)
        self.assertTrue(first["complete"])
        self.assertEqual(first["events"]["records"], 3000)
        self.assertEqual(first["events"]["found"], 3000)
        self.assertEqual(first["quarantine"]["found"], 1)

        old.start()  # the day has not come yet: more traffic, then the rest is carried
        with old.mllp() as feed:
            self.assertEqual(ack(feed.exchange(oru("LATE", "P1", "R-LATE"))).code, "AA")
        old.settle()
        seen = self.everything(old)
        old.stop()
        done = json.loads(subprocess.run(migrate, env=new.environment, capture_output=True, text=True, check=True).stdout)
        self.assertEqual((done["events"]["records"], done["events"]["carried"], done["events"]["found"]), (3001, 1, 3001))

        new.start()
        new.settle()
        self.assertEqual(self.everything(new), seen)
        with new.mllp() as feed:
            self.assertEqual({ack(a).code for a in feed.pipeline(messages[:200], window=64)}, {"AA"})
            new.settle()
            self.assertEqual(new.metric("hutong_duplicates_total"), 200)
            self.assertEqual(self.everything(new), seen)
            self.assertEqual(ack(feed.exchange(oru("FRESH", "P1", "R-FRESH"))).code, "AA")
        new.stop()
        again = subprocess.run(migrate, env=new.environment, capture_output=True, text=True, check=False)
        self.assertNotEqual(again.returncode, 0)
        self.assertRegex(again.stderr, "in service|life of its own")


if __name__ == "__main__":
    run()
