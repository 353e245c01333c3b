"""Who is this patient: two hospitals register one person without a card, a steward answers what matching asks, takes a link
back and has it again, and a rebuild shows the same. Invented patients."""

import json
import time

from hutong import FACILITY, Story, ack, run
from messages import adt, resident_card

CARD, OTHER_CARD = resident_card(order=11), resident_card(order=13)


def patient(number, facility, name="阿依努尔^买买提", born="19800307", sex="F", card="", phone="13904541234",
            address="和平路12号3单元^^佳木斯市^^154002^^^^向阳区"):
    identifiers = f"{number}^^^{facility}^MR" + (f"~{card}^^^^NI" if card else "")
    return f"PID|1||{identifiers}||{name}||{born}|{sex}|||{address}||{phone}"


class Identity(Story):
    def setUp(self):
        self.live = self.broker(start=False)
        folder = self.live.dir / "schemas" / "facilities"
        folder.mkdir(parents=True, exist_ok=True)
        for code in ("OTHERHOSP", "THIRDHOSP"):
            (folder / f"{code}.toml").write_text(FACILITY.replace("TESTHOSP", code), encoding="utf-8")
        self.live.start()
        self.feed = self.live.mllp()
        self.addCleanup(lambda: self.feed.close())
        self.count = 0

    def register(self, facility, number, **said):
        self.count += 1
        answer = ack(self.feed.exchange(adt("A04", f"I{self.count}", facility=facility, visit=f"V{self.count}",
                                            patient=patient(number, facility, **said))))
        self.assertEqual(answer.code, "AA", answer.raw)
        self.live.settle()

    def person(self, facility, number):
        found = self.live.fhir(f"Patient?identifier=urn:hutong:facility:{facility}:mrn|{number}").get("entry", [])
        self.assertEqual(len(found), 1, found)
        return found[0]["resource"]["id"]

    def until(self, true, what, deadline=10.0):
        began = time.monotonic()
        while not true():
            self.assertLess(time.monotonic() - began, deadline, what)
            time.sleep(0.02)

    def one(self, *patients):
        return len({self.person(*each) for each in patients}) == 1

    def questions(self):
        return json.loads(self.live.command("identity", "list", "--json").stdout)["questions"]

    def decide(self, *arguments, expect=0):
        done = self.live.command("identity", *arguments, "--note", "seen at the desk", "--json", expect=expect)
        return json.loads(done.stdout)["decision"] if expect == 0 else done.stderr

    def test_one_person_without_a_card_is_found_across_hospitals_and_the_link_says_why(self):
        self.register("TESTHOSP", "P1")
        self.register("OTHERHOSP", "Q1", name="阿依努尔^麦麦提")
        self.until(lambda: self.one(("TESTHOSP", "P1"), ("OTHERHOSP", "Q1")), "they are not linked")
        shown = json.loads(self.live.command("identity", "show", "TESTHOSP/P1", "--json").stdout)
        self.assertEqual([(m["facility"], m["number"]) for m in shown["members"]], [("OTHERHOSP", "Q1"), ("TESTHOSP", "P1")])
        (decision,) = shown["decisions"]
        self.assertEqual(decision["kind"], "identity.linked")
        self.assertGreater(float(decision["chance"]), 0.99)
        self.assertTrue(any(reason.startswith("phone-same +") for reason in decision["reasons"]), decision)
        self.assertNotIn("买买提", json.dumps(decision, ensure_ascii=False))

    def test_twins_are_asked_about_and_a_steward_parts_them_for_good(self):
        self.register("TESTHOSP", "P1", name="张^子涵", born="20200506", card=CARD)
        self.register("OTHERHOSP", "Q1", name="张^子萱", born="20200506", card=CARD)
        self.until(self.questions, "nothing waits for a steward")
        (question,) = self.questions()
        self.assertEqual(question["kind"], "identity.conflict")
        self.assertFalse(self.one(("TESTHOSP", "P1"), ("OTHERHOSP", "Q1")))
        self.decide("separate", "TESTHOSP/P1", "OTHERHOSP/Q1")
        self.assertEqual(self.questions(), [])

    def test_a_steward_links_unlinks_and_undoes_and_a_rebuild_shows_the_same(self):
        self.register("TESTHOSP", "P1", name="王^强", phone="", address="", born="19700101", sex="M")
        self.register("OTHERHOSP", "Q1", name="李^伟", phone="", address="", born="19800202", sex="M")
        pair = ("TESTHOSP", "P1"), ("OTHERHOSP", "Q1")
        first = self.person("OTHERHOSP", "Q1")
        self.decide("link", "TESTHOSP/P1", "OTHERHOSP/Q1")
        self.assertTrue(self.one(*pair))
        replaced = self.live.fhir(f"Patient/{first}")
        self.assertFalse(replaced["active"])
        self.assertEqual(replaced["link"][0]["type"], "replaced-by")
        self.assertIn("one person already", self.decide("link", "TESTHOSP/P1", "OTHERHOSP/Q1", expect=1))
        unlinked = self.decide("unlink", "OTHERHOSP/Q1")
        self.assertFalse(self.one(*pair))
        self.assertEqual(self.person("OTHERHOSP", "Q1"), first)
        self.assertTrue(self.live.fhir(f"Patient/{first}")["active"])
        self.decide("undo", unlinked)
        self.assertTrue(self.one(*pair))
        before = self.live.fhir(f"Patient/{self.person('TESTHOSP', 'P1')}")
        shown = self.live.command("identity", "show", "TESTHOSP/P1", "--json").stdout
        self.feed.close()
        self.live.stop()
        self.live.command("rebuild")
        self.live.start()
        self.feed = self.live.mllp()
        self.live.settle()
        self.assertEqual(self.live.fhir(f"Patient/{self.person('TESTHOSP', 'P1')}"), before)
        self.assertEqual(self.live.command("identity", "show", "TESTHOSP/P1", "--json").stdout, shown)

    def test_no_link_joins_two_valid_cards_over_a_patient_who_has_none(self):
        self.register("TESTHOSP", "P1", card=CARD)
        self.register("OTHERHOSP", "Q1")
        self.until(lambda: self.one(("TESTHOSP", "P1"), ("OTHERHOSP", "Q1")), "they are not linked")
        self.register("THIRDHOSP", "R1", card=OTHER_CARD)
        self.until(self.questions, "nobody is told of two cards")
        time.sleep(0.3)
        self.assertFalse(self.one(("TESTHOSP", "P1"), ("THIRDHOSP", "R1")))
        self.assertFalse(self.one(("OTHERHOSP", "Q1"), ("THIRDHOSP", "R1")))

    def test_match_grades_and_pix_crosses(self):
        self.register("TESTHOSP", "P1", card=CARD)
        self.register("TESTHOSP", "P2", name="古丽娜尔^买买提", phone="13904549999", born="19911112", address="")
        asked = {"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": {
                "resourceType": "Patient", "name": [{"text": "阿依努尔·买买提"}], "birthDate": "1980-03-07", "gender": "female",
                "telecom": [{"system": "phone", "value": "13904541234"}]}},
            {"name": "count", "valueInteger": 5}]}
        answer = self.live.http("POST", "/fhir/Patient/$match", asked, token=self.live.token())
        self.assertEqual(answer.status, 200, answer.text)
        best = answer.json()["entry"][0]
        self.assertEqual(best["resource"]["id"], self.person("TESTHOSP", "P1"))
        self.assertEqual(best["search"]["extension"][0], {"url": "http://hl7.org/fhir/StructureDefinition/match-grade", "valueCode": "certain"})
        self.assertGreater(best["search"]["score"], 0.99)
        asked["parameter"].append({"name": "onlyCertainMatches", "valueBoolean": True})
        asked["parameter"][0]["resource"]["name"][0]["text"] = "阿依古丽·买买提"
        sure = self.live.http("POST", "/fhir/Patient/$match", asked, token=self.live.token()).json()
        self.assertEqual(sure.get("entry", []), [])
        wrong = self.live.http("POST", "/fhir/Patient/$match", {"resourceType": "Observation"}, token=self.live.token())
        self.assertEqual(wrong.status, 400)
        self.assertEqual(wrong.json()["resourceType"], "OperationOutcome")
        crossed = self.live.fhir(f"Patient/$ihe-pix?sourceIdentifier=urn:oid:2.16.156.10011.1.3|{CARD}"
                                 "&targetSystem=urn:hutong:facility:TESTHOSP:mrn")
        self.assertEqual(crossed["parameter"], [
            {"name": "targetIdentifier", "valueIdentifier": {"system": "urn:hutong:facility:TESTHOSP:mrn", "value": "P1"}},
            {"name": "targetId", "valueReference": {"reference": f"Patient/{self.person('TESTHOSP', 'P1')}"}}])
        self.live.fhir(f"Patient/$ihe-pix?sourceIdentifier=urn:oid:2.16.156.10011.1.3|{OTHER_CARD}", expect=404)
        self.live.fhir("Patient/$ihe-pix?sourceIdentifier=nothing", expect=400)


if __name__ == "__main__":
    run()
