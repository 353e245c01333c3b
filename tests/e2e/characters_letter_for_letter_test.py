"""Chinese is first class: what a sender writes in GB18030, without saying so, or under a wrong label comes back over
FHIR letter for letter. 東 區 瑋 億 hold the bytes of | ^ ~ and \\ in GB18030; 𬭛 is a four-byte character."""

import unittest

from hutong import Story, ack, run
from messages import msh, resident_card

HARD = "東區瑋億乗𬭛"


def message(control, number, charset):
    return "\r".join([
        msh("ORU^R01^ORU_R01", control, charset=charset),
        f"PID|1||{number}^^^TESTHOSP^MR||{HARD}^{HARD}||19800101|F",
        f"OBR|1||{number}-R|BIO^{HARD}^L|||20260105073000|||||||||||||||||LAB|F",
        f"OBX|1|NM|X1^{HARD}项^L||5.8|{HARD}/L|3.9-6.1|N|||F",
        f"NTE|1||备注{HARD}",
        f"OBX|2|ST|X2^结论^L||{HARD}，未见异常||||||F"]) + "\r"


class LetterForLetter(Story):
    def check(self, broker, number):
        person = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|{number}")["entry"][0]["resource"]
        self.assertIn(HARD, str(person["name"]))
        bundle = broker.fhir(f"Observation?patient={person['id']}")
        found = {entry["resource"]["code"]["coding"][-1]["code"]: entry["resource"] for entry in bundle["entry"]}
        first, second = found["X1"], found["X2"]
        self.assertEqual(first["code"]["coding"][-1]["display"], HARD + "项")
        self.assertEqual(first["valueQuantity"]["unit"], HARD + "/L")
        self.assertEqual(first["note"][0]["text"], "备注" + HARD)
        self.assertEqual(second["valueString"], HARD + "，未见异常")

    def test_every_way_of_saying_the_character_set(self):
        broker = self.broker()
        cases = [("gb18030", "GB 18030-2000", False), ("gb18030", "", False), ("gb18030", "UNICODE UTF-8", True),
                 ("utf-8", "UNICODE UTF-8", False), ("utf-8", "", False), ("utf-8", "GB 18030-2000", True)]
        with broker.mllp() as feed:
            for i, (bytes_in, label, lies) in enumerate(cases):
                answer = ack(feed.exchange(message(str(i), f"P{i}", label).encode(bytes_in)))
                self.assertEqual(answer.code, "AA", answer.raw)
                self.assertEqual(any("MSH^1^18" in str(error) for error in answer.errors), lies, (bytes_in, label, answer.raw))
        broker.settle()
        for i, case in enumerate(cases):
            with self.subTest(case=case):
                self.check(broker, f"P{i}")


if __name__ == "__main__":
    run()
