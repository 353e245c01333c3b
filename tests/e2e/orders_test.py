"""Orders come by HL7: they can be read as ServiceRequest in their last word; and one that repeats a result which could have been
recognised, without its doctor having been told, is accepted, counted once and told to the facility that ordered."""

import json
import unittest

from hutong import SOURCE, Story, run
from recognition import CARD, ITEMS, Region, assess, item_code


class Orders(Story):
    def setUp(self):
        self.live = self.broker(start=False)
        assess(self.live, SOURCE)
        self.live.start()
        self.region = Region(self.live)

    def known_to_both(self):
        self.region.result()
        self.region.arrival()
        self.live.settle()

    def total(self):
        return self.region.statistics()["total"]

    def counted(self, orders):
        self.region.until(lambda: self.total()["orders"] == orders)
        return self.total()

    def requests(self, query):
        return [entry["resource"] for entry in self.live.fhir("ServiceRequest?" + query).get("entry", [])]

    def test_an_order_without_a_decision_is_counted_and_told(self):
        self.known_to_both()
        self.region.placed()
        total = self.counted(1)
        self.assertEqual((total["orders"], total["ordered"], total["repeated"], total["prompts"], total["offered"]), (1, 1, 1, 0, 0))
        self.assertEqual(total["repeatRate"]["numerator"], 1)
        notices = self.region.notices()
        self.assertEqual([(n["kind"], n["use"], n["order"], n["practitioner"], n["department"], n["item"]) for n in notices],
                         [("repeated", "repeated", "O1", "D07", "内科", item_code(SOURCE, "14749-6"))])
        self.assertEqual(self.live.fhir(f"DiagnosticReport/{notices[0]['report']}")["status"], "final")

        # Sent again, by the same id and by another; cancelled; and by others: the same numbers.
        self.region.placed()
        self.region.placed(control="XO")
        self.region.placed(control="CA")
        self.region.placed(number="O2", patient_class="E")
        total = self.counted(2)
        self.assertEqual((total["orders"], total["ordered"], total["repeated"], total["clinicianDecides"]), (2, 2, 1, 1), "an emergency repeats nothing")
        self.region.placed(number="O3", codes=(("TSH", "促甲状腺激素"),))
        total = self.counted(3)
        self.assertEqual((total["ordered"], total["repeated"]), (3, 1), "of what there is no result nothing is repeated")
        self.assertEqual(len(self.region.notices()), 1)

        before, told = self.region.statistics("?by=item"), self.region.notices()
        requests = self.requests("identifier=O1")
        self.live.stop()
        self.live.command("rebuild")
        self.live.start()
        self.live.settle()
        self.region.until(lambda: self.region.statistics("?by=item") == before)
        self.assertEqual(self.region.statistics("?by=item"), before)
        self.assertEqual(self.region.notices(), told)
        self.assertEqual(self.requests("identifier=O1"), requests)
        self.region.placed()
        self.region.placed(number="O4")
        self.assertEqual(self.counted(4)["repeated"], 2, "a rebuild forgets nothing: O1 is not judged again, O4 is new")

    def test_an_order_whose_doctor_was_told_is_not_counted_again(self):
        self.known_to_both()
        self.region.check(["GLU"])  # its order is O1
        self.region.placed()
        self.region.placed(number="O2")
        total = self.counted(2)
        self.assertEqual((total["orders"], total["ordered"], total["offered"], total["undecided"], total["repeated"]), (2, 2, 1, 1, 1))
        self.assertEqual([n["order"] for n in self.region.notices()], ["O2"])
        self.assertEqual([n["kind"] for n in self.region.notices()], ["repeated"])

        # A correction still reaches who was shown the old result, and nobody else.
        self.region.result(items=[("GLU", "葡萄糖", "15.8", "mmol/L", "3.9-6.1"), *ITEMS[1:]], status="C")
        self.live.settle()
        self.region.until(lambda: len(self.region.notices()) == 2)
        self.assertEqual(sorted((n["kind"], n["order"]) for n in self.region.notices()), [("corrected", "O1"), ("repeated", "O2")])
        answer = self.live.http("GET", "/api/v1/recognition/notices?facility=cc-east&kind=corrected", token=self.live.token())
        self.assertEqual([n["order"] for n in answer.json()["notices"]], ["O1"])

    def test_orders_are_read_in_their_last_word(self):
        self.known_to_both()
        self.region.placed(codes=(("GLU", "葡萄糖"), ("K", "钾")))
        self.live.settle()

        # Who it is may still be being decided, when all that was said is projected.
        def is_one_person():
            people = self.live.fhir(f"Patient?identifier=urn:oid:2.16.156.10011.1.3|{CARD}")["entry"]
            found = self.requests("identifier=urn:hutong:facility:cc-east:placer|O1")
            ids = {each["resource"]["id"] for each in people}
            subjects = {r["subject"]["reference"].removeprefix("Patient/") for r in found}
            return (ids.pop(), found) if len(ids) == 1 and ids == subjects else None

        patient, found = self.region.until(is_one_person)
        self.assertEqual(sorted(r["code"]["text"] for r in found), ["葡萄糖", "钾"])
        glucose = next(r for r in found if r["code"]["text"] == "葡萄糖")
        self.assertEqual((glucose["status"], glucose["intent"], glucose["subject"]["reference"]), ("active", "order", f"Patient/{patient}"))
        self.assertIn({"system": "urn:hutong:facility:cc-east:codes", "code": "GLU", "display": "葡萄糖"}, glucose["code"]["coding"])
        self.assertEqual(glucose["requester"]["display"], "李医生")
        self.assertEqual(self.live.fhir("ServiceRequest/" + glucose["id"]), glucose)
        self.assertEqual(self.requests(f"identifier=urn:hutong:facility:nobody:placer|O1"), [])
        day = glucose["authoredOn"][:10]
        self.assertEqual(len(self.requests(f"patient={patient}&status=active&authored={day}")), 2)
        self.assertEqual(len(self.requests(f"patient={patient}&status=active&authored=lt{day}")), 0)
        self.assertEqual(len(self.requests(f"patient={patient}&_count=1")), 1)
        everything = [e["resource"]["id"] for e in self.live.fhir(f"Patient/{patient}/$everything?_count=100")["entry"]]
        self.assertIn(glucose["id"], everything)
        self.region.placed(codes=(("GLU", "葡萄糖"),), control="CA")
        self.live.settle()
        self.assertEqual({r["code"]["text"]: r["status"] for r in self.requests("identifier=O1")}, {"葡萄糖": "revoked", "钾": "active"})
        self.assertEqual(self.live.fhir("ServiceRequest/" + glucose["id"])["meta"]["versionId"], "2")
        pages, link = [], f"ServiceRequest?patient={patient}&_count=1"
        while link:
            bundle = self.live.fhir(link)
            pages += [e["resource"]["id"] for e in bundle.get("entry", [])]
            link = next((l["url"].split("/fhir/")[1] for l in bundle["link"] if l["relation"] == "next"), None)
        self.assertEqual(len(pages), len(set(pages)))
        self.assertTrue({r["id"] for r in found} <= set(pages))

    # A canary: nothing of a labelled order goes into counts and notices, nor a labelled result into those of another.
    def test_labelled_orders_stay_out(self):
        self.known_to_both()
        self.region.result(items=[("HIV", "HIV抗原抗体联合检测", "CANARY-77", "", "")], order="H1")
        self.live.settle()
        self.region.placed(number="OH", codes=(("HIV", "HIV抗原抗体联合检测"),))
        self.region.placed(number="O2", codes=(("K", "钾"),))
        total = self.counted(1)
        self.assertEqual((total["ordered"], total["repeated"]), (1, 1))
        shown = json.dumps([self.region.statistics("?by=item"), self.region.notices()], ensure_ascii=False)
        for hidden in ("HIV", "CANARY", "OH", item_code(SOURCE, "56888-1")):
            self.assertNotIn(hidden, shown)


if __name__ == "__main__":
    run()
