"""The views in a real PostgreSQL: what is acknowledged is shown, through a server that dies in the traffic; and the same log
shows the same FHIR, byte for byte, from PostgreSQL and from the embedded store."""

import subprocess

from hutong import CONFIG, Story, ack, run
from messages import adt, oru
from postgres import Postgres

VIEWS = """
[store]
kind = "postgres"
[store.postgres]
connection = "env:HUTONG_POSTGRES"
"""
PATIENTS = 20


class PostgresViews(Story):
    def answers(self, broker):
        found = []
        for number in range(PATIENTS):
            person = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P{number}")["entry"][0]["resource"]
            token = broker.token()
            for kind in ("DiagnosticReport", "Observation", "Encounter"):
                page = broker.http("GET", f"/fhir/{kind}?patient={person['id']}&_count=1000", token=token)
                self.assertEqual(page.status, 200)
                for entry in page.json()["entry"]:
                    one = broker.http("GET", f"/fhir/{kind}/{entry['resource']['id']}", token=token)
                    found.append(one.body)
        return found

    def test_the_same_log_shows_the_same_from_both_stores_whatever_died(self):
        server = self.enterContext(Postgres())
        broker = self.broker(config=CONFIG + VIEWS, environment={"HUTONG_POSTGRES": server.connection})

        def send(first, last):
            with broker.mllp() as feed:
                for number in range(first, last):
                    patient, order = f"P{number % PATIENTS}", f"R{number // 2}-{number % PATIENTS}"
                    self.assertEqual(ack(feed.exchange(adt(control=f"A{number}", number=patient, visit=f"V{patient}"))).code, "AA")
                    self.assertEqual(ack(feed.exchange(oru(f"C{number}", patient, order))).code, "AA")

        send(0, 100)
        server.kill()
        server.start()
        send(100, 200)
        broker.settle()
        self.assertEqual(broker.metric("hutong_projected_duplicates_total"), 0)

        sql = "SELECT sum(results) FROM hutong.results_per_hospital_and_day WHERE hospital = 'TESTHOSP'"
        shown = subprocess.run([server.programs / "psql", server.connection, "-Atc", sql], check=True, capture_output=True, text=True)
        self.assertEqual(int(shown.stdout), 200)

        from_postgres = self.answers(broker)
        broker.stop()
        self.assertNotIn(server.connection, broker.command("check").stdout)
        broker.config.write_text(CONFIG, encoding="utf-8")
        broker.command("rebuild")
        broker.start()
        self.assertEqual(from_postgres, self.answers(broker))
        self.assertGreater(len(from_postgres), 200)


if __name__ == "__main__":
    run()
