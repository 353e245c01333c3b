"""What an operator does: readiness, status, live figures, sign-in, trace, quarantine, backup and restore, reload, mistakes
in the configuration."""

import json
import pathlib
import unittest

from hutong import Broker, Story, ack, run
from messages import msh, oru

BAD = msh("ORU^R01^ORU_R01", "bad1") + "\rOBR|1||R7|BIO^x^L|||2026|||||||||||||||||LAB|F\rOBX|1|NM|GLU^x^L||5.8|mmol/L||N|||F\r"


class Operating(Story):
    def test_health_status_metrics_and_live(self):
        broker = self.broker()
        self.assertEqual(broker.http("GET", "/healthz").status, 200)
        self.assertEqual(broker.http("GET", "/readyz").status, 200)
        self.assertIn("version", broker.http("GET", "/version").json())
        with broker.mllp() as feed:
            feed.pipeline([oru(f"{i}", f"P{i}", f"R{i}") for i in range(50)])
            feed.exchange(BAD)
        broker.settle()
        status = json.loads(broker.command("status", "--json").stdout)
        self.assertEqual(status["projected"], status["logEnd"])
        self.assertIn("TESTHOSP", json.dumps(status))
        text = broker.command("status").stdout
        self.assertIn("TESTHOSP", text)
        self.assertEqual(broker.metric("hutong_messages_total", facility="TESTHOSP", answer="accepted"), 50)
        self.assertEqual(broker.metric("hutong_messages_total", facility="TESTHOSP", answer="content-rejected"), 1)

    def test_the_one_time_sign_in_opens_the_live_page_once(self):
        broker = self.broker()
        line = next(word for word in broker.last_words(100).split() if "#signin=" in word)
        secret = line.split("#signin=", 1)[1].strip('"')
        self.assertEqual(broker.http("GET", "/").status, 200)
        self.assertEqual(broker.http("GET", "/api/v1/feeds").status, 401)
        answer = broker.http("POST", "/api/v1/session", body=json.dumps({"signin": secret}).encode(),
                             headers={"Content-Type": "application/json"})
        self.assertIn(answer.status, (200, 201, 204), answer.text)
        cookie = answer.header("Set-Cookie")
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Strict", cookie)
        session = cookie.split(";", 1)[0]
        self.assertEqual(broker.http("GET", "/api/v1/feeds", headers={"Cookie": session}).status, 200)
        self.assertEqual(broker.http("GET", "/fhir/Patient?name=x", headers={"Cookie": session}).status, 401)
        again = broker.http("POST", "/api/v1/session", body=json.dumps({"signin": secret}).encode(),
                            headers={"Content-Type": "application/json"})
        self.assertEqual(again.status, 401)

    def test_trace_follows_a_message_by_its_control_id(self):
        broker = self.broker()
        with broker.mllp() as feed:
            feed.exchange(oru("T1", "P1", "R1"))
        broker.settle()
        traced = broker.command("trace", "TESTHOSP/T1").stdout
        self.assertIn("result.reported", traced)
        broker.stop()
        self.assertIn("result.reported", broker.command("trace", "TESTHOSP/T1").stdout)

    def test_quarantine_is_listed_shown_and_retried(self):
        broker = self.broker()
        with broker.mllp() as feed:
            self.assertEqual(ack(feed.exchange(BAD)).code, "AE")
        listed = broker.quarantined(1)
        self.assertEqual(len(listed), 1)
        self.assertIn("TESTHOSP", broker.command("quarantine", "list").stdout)
        identity = "TESTHOSP/" + listed[0]["hash"]
        self.assertIn("OBX|1|NM|GLU", broker.command("quarantine", "show", identity).stdout)
        self.assertNotEqual(broker.command("quarantine", "retry", identity, expect=None).returncode, 0)

    def test_backup_while_running_and_restore(self):
        broker = self.broker()
        with broker.mllp() as feed:
            feed.pipeline([oru(f"{i}", "P1", f"R{i}") for i in range(30)])
        broker.settle()
        copy = broker.dir.parent / "copy"
        broker.command("backup", copy)
        before = broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1")["entry"][0]["resource"]
        other = Broker(broker.dir.parent / "other")
        self.addCleanup(other.kill)
        other.command("restore", copy)
        other.start()
        other.settle()
        after = other.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1")["entry"][0]["resource"]
        self.assertEqual(before, after)
        self.assertEqual(len(other.fhir(f"DiagnosticReport?patient={after['id']}&_count=100")["entry"]), 30)

    def test_a_mistake_in_the_configuration_names_file_and_line(self):
        broker = self.broker(start=False)
        broker.config.write_text("[mllp]\nlisten = \"127.0.0.1:0\"\nlissten = 3\n")
        done = broker.command("check", expect=2)
        self.assertIn("hutong.toml:3", done.stderr)
        broker.config.write_text("[mllp]\nidle_timeout = \"5\"\n")
        self.assertIn("hutong.toml:2", broker.command("check", expect=2).stderr)
        broker.config.write_text("[mllp]\nlisten = \"0.0.0.0:2575\"\n")
        self.assertIn("allow_plain", broker.command("check", expect=2).stderr)
        broker.config.write_text("")
        self.assertIn("[mllp]", broker.command("check").stdout)

    def test_a_better_map_heals_the_past(self):
        broker = self.broker()
        with broker.mllp() as feed:
            feed.exchange(oru("1", "P1", "R1", items=[("ZZ9", "院内项目", "5.8", "mmol/L", "3.9-6.1")]))
        broker.settle()
        person = broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1")["entry"][0]["resource"]["id"]
        seen = broker.fhir(f"Observation?patient={person}")["entry"][0]["resource"]
        self.assertNotIn("loinc", json.dumps(seen))
        maps = broker.dir / "schemas" / "terminology" / "maps"
        maps.mkdir(parents=True)
        (maps / "testhosp.csv").write_text("code,name,unit,loinc,valid_from\nZZ9,院内项目,mmol/L,14749-6,2020-01-01\n", encoding="utf-8")
        facility = broker.dir / "schemas" / "facilities" / "test.toml"
        facility.write_text(facility.read_text() + 'code_system = "testhosp"\n')
        broker.reload()
        broker.command("renormalize", "--from", "0")
        broker.settle()
        healed = broker.fhir(f"Observation?patient={person}")["entry"][0]["resource"]
        self.assertIn("14749-6", json.dumps(healed))
        self.assertEqual(healed["id"], seen["id"])

    def test_help_of_every_command(self):
        broker = self.broker(start=False)
        import subprocess
        from hutong import BINARY
        for command in "serve check status normalize send simulate trace quarantine rebuild renormalize token audit backup restore".split():
            done = subprocess.run([str(BINARY), command, "--help"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, command)
            self.assertGreater(len(done.stdout), 80, command)
        self.assertEqual(subprocess.run([str(BINARY), "nonsense"], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    run()
