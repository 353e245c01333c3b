"""Corrections as laboratories send them (product.md §5): ten cases. Both versions stay readable; an identical one is no
change whatever its control id; a late preliminary never replaces a final; W becomes entered-in-error."""

import unittest

from hutong import Story, ack, run
from messages import msh, pid

HEAD = "OBR|1||{order}|BIO^生化^L|||20260105073000|||||||||||||||{printed}||LAB|{status}"


def report(control, number, order, items, status="F", printed="20260105080000", facility="TESTHOSP"):
    lines = [msh("ORU^R01^ORU_R01", control, facility=facility), pid(number, facility=facility),
             HEAD.format(order=order, printed=printed, status=status)]
    for i, (code, value, item_status) in enumerate(items, 1):
        lines.append(f"OBX|{i}|NM|{code}^{code}^L||{value}|mmol/L||N|||{item_status}|||20260105073000")
    return "\r".join(lines) + "\r"


class Corrections(Story):
    def setUp(self):
        self.live = self.broker()
        self.feed = self.live.mllp()
        self.addCleanup(self.feed.close)
        self.count = 0

    def send(self, number, order, items, **options):
        self.count += 1
        answer = ack(self.feed.exchange(report(f"C{self.count}", number, order, items, **options)))
        self.assertEqual(answer.code, "AA", answer.raw)

    def reports(self, number, facility="TESTHOSP"):
        self.live.settle()
        people = self.live.fhir(f"Patient?identifier=urn:hutong:facility:{facility}:mrn|{number}").get("entry", [])
        self.assertEqual(len(people), 1)
        self.person = people[0]["resource"]["id"]
        return [e["resource"] for e in self.live.fhir(f"DiagnosticReport?patient={self.person}").get("entry", [])]

    def one(self, number, version, status):
        found = self.reports(number)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["meta"]["versionId"], str(version))
        self.assertEqual(found[0]["status"], status)
        return found[0]

    def items(self):
        entries = self.live.fhir(f"Observation?patient={self.person}&_count=100").get("entry", [])
        return {e["resource"]["code"]["coding"][-1]["code"]:
                (e["resource"].get("valueQuantity", {}).get("value"), e["resource"]["status"]) for e in entries}

    def test_01_C_replaces_and_both_versions_stay_readable(self):
        self.send("P1", "R1", [("GLU", "5.8", "F"), ("K", "4.1", "F")])
        self.send("P1", "R1", [("GLU", "6.8", "C"), ("K", "4.1", "F")], status="C")
        found = self.one("P1", 2, "corrected")
        self.assertEqual(self.items(), {"GLU": (6.8, "corrected"), "K": (4.1, "final")})
        first = self.live.fhir(f"DiagnosticReport/{found['id']}/_history/1")
        self.assertEqual(first["status"], "final")
        history = self.live.fhir(f"DiagnosticReport/{found['id']}/_history")
        self.assertEqual([e["resource"]["meta"]["versionId"] for e in history["entry"]], ["2", "1"])
        glucose = next(e["resource"] for e in self.live.fhir(f"Observation?patient={self.person}&code=GLU")["entry"])
        old = self.live.fhir(f"Observation/{glucose['id']}/_history/1")
        self.assertEqual(old["valueQuantity"]["value"], 5.8)

    def test_02_a_second_F_with_other_content_and_new_control_id_replaces(self):
        self.send("P1", "R1", [("GLU", "5.8", "F")])
        self.send("P1", "R1", [("GLU", "6.8", "F")])
        self.one("P1", 2, "final")
        self.assertEqual(self.items()["GLU"][0], 6.8)

    def test_03_an_identical_retrigger_is_no_change(self):
        self.send("P1", "R1", [("GLU", "5.8", "F")])
        self.send("P1", "R1", [("GLU", "5.8", "F")], printed="20260106090000")
        self.one("P1", 1, "final")

    def test_04_D_takes_an_item_out(self):
        self.send("P1", "R1", [("GLU", "5.8", "F"), ("K", "4.1", "F")])
        self.send("P1", "R1", [("K", "4.1", "D")], status="C")
        self.one("P1", 2, "corrected")
        self.assertEqual(self.items()["GLU"], (5.8, "final"))
        self.assertEqual(self.items()["K"][1], "entered-in-error")

    def test_05_X_cancels_an_item(self):
        self.send("P1", "R1", [("GLU", "5.8", "F"), ("K", "4.1", "F")])
        self.send("P1", "R1", [("K", "", "X")], status="C")
        self.one("P1", 2, "corrected")
        self.assertEqual(self.items()["K"][1], "cancelled")

    def test_06_W_is_entered_in_error(self):
        self.send("P1", "R1", [("GLU", "5.8", "F"), ("K", "4.1", "F")])
        self.send("P1", "R1", [("K", "4.1", "W")], status="C")
        self.assertEqual(self.reports("P1")[0]["meta"]["versionId"], "2")
        self.assertEqual(self.items()["K"][1], "entered-in-error")

    def test_07_a_late_preliminary_never_replaces_a_final(self):
        self.send("P1", "R1", [("GLU", "5.8", "F")])
        self.send("P1", "R1", [("GLU", "5.5", "P")], status="P")
        self.one("P1", 1, "final")
        self.assertEqual(self.items()["GLU"], (5.8, "final"))

    def test_08_a_withdrawn_report_says_so_and_the_original_stays_readable(self):
        self.send("P1", "R1", [("GLU", "5.8", "F"), ("K", "4.1", "F")])
        self.send("P1", "R1", [("GLU", "5.8", "W"), ("K", "4.1", "W")], status="C")
        found = self.one("P1", 2, "entered-in-error")
        self.assertEqual(self.live.fhir(f"DiagnosticReport/{found['id']}/_history/1")["status"], "final")

    def test_09_a_report_cancelled_as_a_whole(self):
        self.send("P1", "R1", [("GLU", "5.8", "F")])
        self.send("P1", "R1", [("GLU", "", "X")], status="X")
        self.one("P1", 2, "cancelled")

    def test_10_two_laboratories_with_the_same_report_number_are_two_reports(self):
        self.send("P1", "R1", [("GLU", "5.8", "F")])
        self.send("P9", "R1", [("GLU", "7.7", "F")], facility="OTHERLAB")
        self.one("P1", 1, "final")

    def test_11_a_preliminary_becomes_final(self):
        self.send("P1", "R1", [("GLU", "5.5", "P")], status="P")
        self.send("P1", "R1", [("GLU", "5.8", "F")])
        self.one("P1", 2, "final")
        self.assertEqual(self.items()["GLU"], (5.8, "final"))


if __name__ == "__main__":
    run()
