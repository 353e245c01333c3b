"""What a community centre reads over FHIR R4 (issue: reading): searches, paging, includes, versions, conditional reads,
errors as OperationOutcome, permits and the audit behind every read."""

import json
import unittest
import urllib.parse

from hutong import Story, ack, run
from messages import ITEMS, adt, msh, oru, pid, resident_card

CARD = "urn:oid:2.16.156.10011.1.3"


class Reading(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()

    def setUp(self):
        self.live = self.broker()
        self.card = resident_card(born="19750505", order=7)
        who = pid("P1", name="王^小明", born="19750505", sex="M", card=self.card)
        with self.live.mllp() as feed:
            sent = [adt("A01", "1", "P1", "V1", patient=who)]
            for day in range(1, 8):
                sent.append(oru(f"o{day}", "P1", f"R{day}", ITEMS[:4], observed=f"2026010{day}073000", patient=who))
            sent.append("\r".join([
                msh("ORU^R01^ORU_R01", "ct", application="RIS"), who,
                "OBR|1|SQ1|ACC1|CT001^胸部CT平扫^L|||20260108020000||||||||||ACC1||||20260108030000||CT|F",
                "OBX|1|TX|18782-3^Radiology Study observation^LN||未见异常||||||F",
                "OBX|2|HD|113014^DICOM Study^DCM||1.2.3.4.5.6||||||F",
                "OBX|3|RP|IMGLINK^影像链接^L||https://viewer.invalid/v?study=1.2.3.4.5.6^^Application^DICOM||||||F"]) + "\r")
            for message in sent:
                answer = ack(feed.exchange(message))
                self.assertEqual(answer.code, "AA", answer.raw)
        self.live.settle()
        self.token = self.live.token()
        found = self.live.fhir(f"Patient?identifier={CARD}|{self.card}", token=self.token)
        self.assertEqual(len(found["entry"]), 1)
        self.patient = found["entry"][0]["resource"]

    def get(self, path, expect=200, **options):
        return self.live.fhir(path, token=self.token, expect=expect, **options)

    def count(self, path):
        return len(self.get(path).get("entry", []))

    def test_a_patient_is_found_by_card_number_name_and_birth_date(self):
        person = self.patient["id"]
        self.assertEqual(self.patient["gender"], "male")
        self.assertEqual(self.patient["birthDate"], "1975-05-05")
        self.assertIn({"system": "urn:hutong:facility:TESTHOSP:mrn", "value": "P1"},
                      [{k: i[k] for k in ("system", "value")} for i in self.patient["identifier"]])
        self.assertEqual(self.get("Patient?name=王小明")["entry"][0]["resource"]["id"], person)
        self.assertEqual(self.get("Patient?birthdate=1975-05-05")["entry"][0]["resource"]["id"], person)
        self.assertEqual(self.count("Patient?birthdate=1975-05-06"), 0)
        form = self.live.http("POST", "/fhir/Patient/_search", token=self.token,
                              body=urllib.parse.urlencode({"identifier": f"{CARD}|{self.card}"}).encode(),
                              headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(form.json()["entry"][0]["resource"]["id"], person)
        self.assertNotIn(self.card, json.dumps(form.json().get("link", [])))

    def test_observations_by_code_date_status_sort_and_pages(self):
        person = self.patient["id"]
        self.assertEqual(self.count(f"Observation?patient={person}&code=GLU&_count=100"), 7)
        loinc = [c for c in self.get(f"Observation?patient={person}&code=GLU&_count=1")["entry"][0]["resource"]["code"]["coding"]
                 if c.get("system") == "http://loinc.org"]
        self.assertTrue(loinc, "the shared map knows GLU")
        self.assertEqual(self.count(f"Observation?patient={person}&code=http://loinc.org|{loinc[0]['code']}&_count=100"), 7)
        self.assertEqual(self.count(f"Observation?patient={person}&code=GLU&date=ge2026-01-03&date=lt2026-01-05"), 2)
        self.assertEqual(self.count(f"Observation?patient={person}&code=GLU&status=final"), 7)
        self.assertEqual(self.count(f"Observation?patient={person}&code=GLU&status=corrected"), 0)
        dates = [e["resource"]["effectiveDateTime"] for e in
                 self.get(f"Observation?patient={person}&code=GLU&_sort=date&_count=100")["entry"]]
        self.assertEqual(dates, sorted(dates))
        seen, path, pages = [], f"Observation?patient={person}&category=laboratory&_count=5", 0
        while path:
            page = self.get(path)
            pages += 1
            seen += [e["resource"]["id"] for e in page.get("entry", [])]
            self.assertLessEqual(len(page.get("entry", [])), 5)
            path = next((k["url"].split("/fhir/", 1)[1] for k in page["link"] if k["relation"] == "next"), None)
        self.assertEqual((len(seen), len(set(seen)), pages >= 6), (28, 28, True))

    def test_reports_include_their_results_and_the_patient(self):
        person = self.patient["id"]
        bundle = self.get(f"DiagnosticReport?patient={person}&_include=DiagnosticReport:result&_include=DiagnosticReport:subject&_count=2")
        kinds = [e["resource"]["resourceType"] for e in bundle["entry"]]
        self.assertEqual(kinds.count("DiagnosticReport"), 2)
        self.assertIn("Patient", kinds)
        self.assertIn("Observation", kinds)

    def test_an_examination_is_an_imaging_study_with_its_access(self):
        person = self.patient["id"]
        study = self.get(f"ImagingStudy?patient={person}")["entry"][0]["resource"]
        self.assertIn("urn:oid:1.2.3.4.5.6", json.dumps(study["identifier"]))
        self.assertIn("ACC1", json.dumps(study["identifier"]))
        endpoint = self.get(study["endpoint"][0]["reference"])
        self.assertIn("viewer.invalid", endpoint["address"])

    def test_everything_lastn_encounter_organization(self):
        person = self.patient["id"]
        kinds = {e["resource"]["resourceType"] for e in self.get(f"Patient/{person}/$everything?_count=1000")["entry"]}
        self.assertTrue({"Patient", "DiagnosticReport", "Observation", "Encounter"} <= kinds, kinds)
        last = self.get(f"Observation/$lastn?patient={person}&category=laboratory&max=1")["entry"]
        self.assertEqual(len([e for e in last if e["resource"]["effectiveDateTime"].startswith("2026-01-07")]), 4)
        self.assertEqual(self.count(f"Encounter?patient={person}"), 1)
        organization = self.get("Organization?identifier=TESTHOSP")["entry"][0]["resource"]
        self.assertIn("测试医院", json.dumps(organization, ensure_ascii=False))

    def test_conditional_reads_and_versions(self):
        answer = self.live.http("GET", f"/fhir/Patient/{self.patient['id']}", token=self.token)
        self.assertTrue(answer.header("ETag").startswith('W/"'))
        again = self.live.http("GET", f"/fhir/Patient/{self.patient['id']}", token=self.token,
                               headers={"If-None-Match": answer.header("ETag")})
        self.assertEqual(again.status, 304)

        current = answer.json()["meta"]["versionId"]
        same = self.get(f"Patient/{self.patient['id']}/_history/{current}")
        self.assertEqual(same, answer.json())
        self.assertEqual(len(self.get(f"Patient/{self.patient['id']}/_history")["entry"]), 1)
        self.assertIn("only the current", self.get(f"Patient/{self.patient['id']}/_history/9999", expect=404)["issue"][0]["diagnostics"])
        stay = self.get(f"Encounter?patient={self.patient['id']}")["entry"][0]["resource"]
        self.assertEqual(self.get(f"Encounter/{stay['id']}/_history/{stay['meta']['versionId']}"), stay)
        places = [place["location"]["display"] for place in stay["location"]]
        self.assertEqual(len(places), 1, places)

    def test_what_refers_to_a_match_comes_along(self):
        person = self.patient["id"]
        bundle = self.get(f"Patient?_id={person}&_revinclude=Observation:patient&_revinclude=Encounter:patient")
        kinds = [(e["resource"]["resourceType"], e["search"]["mode"]) for e in bundle["entry"]]
        self.assertEqual(kinds.count(("Observation", "include")), self.count(f"Observation?patient={person}&_count=1000"))
        self.assertEqual((kinds.count(("Encounter", "include")), kinds.count(("Patient", "match"))), (1, 1))
        bundle = self.get(f"Observation?patient={person}&code=GLU&_count=2&_revinclude=DiagnosticReport:result")
        kinds = [e["resource"]["resourceType"] for e in bundle["entry"]]
        self.assertEqual((kinds.count("Observation"), kinds.count("DiagnosticReport")), (2, 2))

    def test_errors_are_operation_outcomes(self):
        for path, status in (("Patient/nobody", 404), ("Observation?code=GLU", 400), ("Patient?favourite=tea", 400),
                             ("Observation?patient=x&date=yesterday", 400), ("Nonsense/1", 404), ("", 404), ("$export", 404)):
            answer = self.live.http("GET", "/fhir/" + path, token=self.token)
            self.assertEqual(answer.status, status, path)
            self.assertEqual(answer.json()["resourceType"], "OperationOutcome", path)
        self.assertEqual(self.live.http("GET", "/fhir/Patient?name=x").status, 401)
        self.assertEqual(self.live.http("GET", f"/fhir/Patient/{self.patient['id']}", token=self.live.token("operator")).status, 403)
        self.assertEqual(self.get("metadata")["resourceType"], "CapabilityStatement")

    def test_every_read_is_in_the_audit_chain_and_no_card_number_is_in_any_log(self):
        before = json.loads(self.live.command("audit", "verify", "--json").stdout)
        self.get(f"Observation?patient={self.patient['id']}")
        after = json.loads(self.live.command("audit", "verify", "--json").stdout)
        self.assertEqual(after["records"], before["records"] + 1)
        self.live.stop()
        for path in self.live.dir.rglob("*"):
            if path.is_file() and ("audit" in path.parts or path.suffix == ".log" and path.parent == self.live.dir):
                self.assertNotIn(self.card, path.read_text(errors="replace"), path)
        line = next((self.live.dir / "audit").glob("audit-*"))
        text = line.read_text()
        line.write_text(text.replace('"search"', '"reaad"', 1) if '"search"' in text else text.replace('"read"', '"rea"', 1))
        self.assertEqual(self.live.command("audit", "verify", expect=None).returncode, 1)


if __name__ == "__main__":
    run()
