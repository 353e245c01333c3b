"""What an operator does: readiness, status, live figures, sign-in, trace, quarantine, backup and restore, reload, mistakes
in the configuration."""

import base64
import json
import socket
import subprocess
import time
import unittest

from hutong import BINARY, Broker, Story, ack, run
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
        with broker.mllp() as feed:
            feed.pipeline([oru(f"{i}", f"P{i}", f"R{i}") for i in range(7)])
        broker.quarantined(1)
        row = next(line.split() for line in broker.command("status").stdout.splitlines() if line.startswith("TESTHOSP"))
        self.assertEqual(row[1:4], ["50", "1", "7"], "messages, rejected, resends")
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
        shown = json.loads(broker.command("quarantine", "show", identity, "--json").stdout)
        self.assertEqual(base64.urlsafe_b64decode(shown["rawBase64Url"] + "=="), BAD.encode())
        self.assertEqual(shown["reason"], listed[0]["reason"])
        file = broker.dir / "refused.hl7"
        exported = json.loads(broker.command("quarantine", "export", identity, "--to", file, "--json").stdout)
        self.assertEqual(exported, {"file": str(file), "bytes": len(BAD.encode())})
        self.assertEqual(file.read_bytes(), BAD.encode())

    def test_quarantine_goes_newest_first_over_its_pages(self):
        broker = self.broker()
        with broker.mllp() as feed:
            for i in range(7):
                feed.exchange(BAD.replace("|bad1|", f"|bad{i}|"))
            feed.exchange(oru("", "P1", "R1", facility="OTHERHOSP"))
        broker.quarantined(8)
        seen, before = [], []
        while True:
            page = json.loads(broker.command("quarantine", "list", "--json", "--limit", "3", "--facility", "TESTHOSP", *before).stdout)
            seen += [message["controlId"] for message in page["messages"]]
            if "next" not in page:
                break
            before = ["--before", str(page["next"])]
        self.assertEqual(seen, [f"bad{i}" for i in reversed(range(7))])
        shown = broker.command("quarantine", "list", "--limit", "2").stdout
        self.assertIn("control id bad6", shown)
        self.assertIn("older ones: --before", shown)

    def test_bad_usage_is_told_apart_from_work_that_failed(self):
        broker = self.broker()
        self.assertIn("no command deadletters", broker.command("deadletters", expect=2).stderr)
        self.assertIn("clinic", broker.command("token", "--client", "nobody", expect=2).stderr)
        self.assertIn("12 hours", broker.command("token", "--client", "clinic", "--ttl", "13h", expect=2).stderr)
        self.assertIn("no such file", broker.command("simulate", "--region", "none.toml", "--out", "x", expect=2).stderr)
        self.assertIn("SIGTERM", broker.command("rebuild", expect=1).stderr)
        self.assertIn("a time", broker.command("renormalize", "--from", "yesterday", expect=2).stderr)
        self.assertIn("no facility", broker.command("renormalize", "--from", "0", "--sender", "NOBODY", expect=1).stderr)
        for state in ("running", "stopped"):
            with self.subTest(state):
                self.assertIn("which are all", broker.command("trace", "TESTHOSP/none", expect=1).stderr)
                self.assertNotIn("{", broker.command("trace", "TESTHOSP/none", expect=1).stderr)
                older = broker.command("trace", "TESTHOSP/none", "--before", "5", expect=1).stderr
                self.assertNotIn("which are all", older)
            broker.stop()

    def test_options_of_every_command_may_stand_before_it(self):
        broker = self.broker()
        before = subprocess.run([BINARY, "--config", broker.config, "--json", "status"], capture_output=True, text=True, check=False)
        self.assertEqual((before.returncode, before.stderr), (0, ""))
        self.assertIn("logEnd", json.loads(before.stdout))
        unknown = subprocess.run([BINARY, "--config", broker.config, "deadletters"], capture_output=True, text=True, check=False)
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("no command deadletters", unknown.stderr)
        self.assertEqual(subprocess.run([BINARY, "--config", broker.config], capture_output=True, check=False).returncode, 2)
        self.assertEqual(broker.command("status", "--nonsense", expect=2).stdout, "")

    def test_send_says_at_once_that_nobody_listens(self):
        broker = self.broker(start=False)
        file = broker.dir / "one.hl7"
        file.write_bytes(oru("S1", "P1", "R1").encode())
        with socket.socket() as taken:  # bound, not listening: refused for certain
            taken.bind(("127.0.0.1", 0))
            target = f"127.0.0.1:{taken.getsockname()[1]}"
            with subprocess.Popen([BINARY, "send", "--to", target, file], stderr=subprocess.PIPE, text=True) as sending:
                began = time.monotonic()
                line = sending.stderr.readline()
                sending.kill()
            self.assertEqual(line, f"{target} refused the connection, trying again for 30 s\n")
            self.assertLess(time.monotonic() - began, 10)

    def test_a_configuration_says_where_send_goes_and_check_speaks_json(self):
        broker = self.broker()
        effective = json.loads(broker.command("check", "--json").stdout)
        self.assertEqual(effective["configuration"]["mllp"]["unknown_senders"], "accept")
        self.assertGreater(effective["facilities"], 0)
        broker.config.write_text(broker.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{broker.ports['mllp']}", 1))
        file = broker.dir / "one.hl7"
        file.write_bytes(oru("S1", "P1", "R1").encode())
        self.assertEqual(json.loads(broker.command("send", "--json", file).stdout)["answers"]["AA"], 1)
        refused = broker.dir / "unknown.hl7"
        refused.write_bytes(oru("S2", "P1", "R2").replace("TESTHOSP", "NOBODY").encode())
        self.assertNotIn("unknown-sender", broker.command("normalize", refused).stderr)
        broker.config.write_text(broker.config.read_text().replace('"accept"', '"reject"'))
        self.assertIn("unknown-sender", broker.command("normalize", refused).stderr)

    def test_backup_while_running_and_restore(self):
        broker = self.broker()
        with broker.mllp() as feed:
            feed.pipeline([oru(f"{i}", "P1", f"R{i}") for i in range(30)])
        broker.settle()
        copy = broker.dir.parent / "copy"
        broker.command("backup", copy)
        before = broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1")["entry"][0]["resource"]
        other = Broker(broker.dir.parent / "other", config=broker.config.read_text(encoding="utf-8"))
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
        self.assertRegex(broker.command("check", expect=2).stderr, r"hutong.toml:2: .*allow_plain")
        broker.config.write_text("[mllp]\nlisten = \"0.0.0.0:2575\"\nallow_plain = true\nunknown_senders = \"accept\"\n")
        self.assertIn("hutong.toml:4", broker.command("check", expect=2).stderr)
        for url in ("hie.example.cn", "ftp://hie.example.cn", "https://", "https://hie.example.cn/", "https://a b", "https://h?x=1"):
            broker.config.write_text(f"[http]\npublic_url = \"{url}\"\n")
            self.assertRegex(broker.command("check", expect=2).stderr, r"hutong.toml:2: \[http\] public_url: .*https://hie", url)
        for url in ("https://hie.example.cn", "http://10.0.0.7:8080", "https://example.cn/hie"):
            broker.config.write_text(f"[http]\npublic_url = \"{url}\"\n")
            self.assertIn(url, broker.command("check").stdout)
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
        for command in "serve check status normalize send simulate trace quarantine rebuild renormalize token audit backup restore".split():
            done = subprocess.run([str(BINARY), command, "--help"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, command)
            self.assertGreater(len(done.stdout), 80, command)
        self.assertEqual(subprocess.run([str(BINARY), "nonsense"], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    run()
