"""A resend of everything, across a restart and a rebuild, changes nothing that FHIR or the metrics of effects show, and
is answered as before. Two rebuilds give byte-equal FHIR. 5,000 messages here; a campaign sends 100,000 (HUTONG_ROUNDS=20)."""

import unittest

from hutong import Story, ack, rounds, run
from messages import ITEMS, adt, oru, resident_card, pid


class ResendChangesNothing(Story):
    def everything(self, broker):
        """All FHIR bytes of a sample of people, and the counts of effects."""
        token = broker.token()
        bytes_ = []
        for number in self.sample:
            person = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|{number}", token=token)["entry"][0]["resource"]["id"]
            for path in (f"Patient/{person}", f"Patient/{person}/$everything?_count=1000", f"DiagnosticReport?patient={person}",
                         f"Observation?patient={person}&_count=1000", f"Encounter?patient={person}"):
                answer = broker.http("GET", "/fhir/" + path, token=token)
                self.assertEqual(answer.status, 200, answer.text)
                bytes_.append(answer.text.replace(f":{broker.ports['http']}", ":PORT"))
        return bytes_

    def effects(self, broker):
        names = ("report_created", "report_superseded", "patient_created", "patient_updated", "encounter_changed")
        return {name: broker.metric("hutong_effects_total", effect=name) or 0 for name in names}

    def test_resend_restart_rebuild(self):
        broker = self.broker()
        total = 5000 * rounds(1)
        messages = []
        for i in range(total):
            patient = f"P{i % (total // 10)}"
            who = pid(patient, name=f"测试{i % 97}", card=resident_card(order=i % 400))
            if i % 10 == 0:
                messages.append(adt("A01", f"A{i}", patient, f"V{i}", patient=who))
            else:
                status = "C" if i % 50 == 7 else "F"
                order = f"R{i - 10 if i % 50 == 7 else i}"
                messages.append(oru(f"O{i}", patient, order, ITEMS[:1 + i % 5], status=status, patient=who))
        self.sample = [f"P{i}" for i in range(0, total // 10, max(1, total // 200))]
        with broker.mllp() as feed:
            answers = feed.pipeline(messages, window=64)
        first = [(ack(a).code, ack(a).control_id, ack(a).errors) for a in answers]
        self.assertEqual({code for code, _, _ in first}, {"AA"})
        broker.settle(deadline=60.0 * rounds(1))
        seen, effects = self.everything(broker), self.effects(broker)
        with broker.mllp() as feed:
            again = [(ack(a).code, ack(a).control_id, ack(a).errors) for a in feed.pipeline(messages, window=64)]
        self.assertEqual(again, first)
        broker.settle(deadline=60.0 * rounds(1))
        self.assertEqual(self.effects(broker), effects)
        self.assertEqual(broker.metric("hutong_duplicates_total"), total)
        self.assertEqual(self.everything(broker), seen)

        broker.restart()
        with broker.mllp() as feed:
            again = [(ack(a).code, ack(a).control_id, ack(a).errors) for a in feed.pipeline(messages, window=64)]
        self.assertEqual(again, first)
        broker.settle(deadline=60.0 * rounds(1))
        self.assertEqual(sum(self.effects(broker).values()), 0)
        self.assertEqual(self.everything(broker), seen)

        for _ in range(2):
            broker.stop()
            broker.command("rebuild")
            broker.start()
            broker.settle(deadline=60.0 * rounds(1))
            self.assertEqual(self.everything(broker), seen)
        with broker.mllp() as feed:
            again = [(ack(a).code, ack(a).control_id, ack(a).errors) for a in feed.pipeline(messages[:500], window=64)]
        self.assertEqual(again, first[:500])
        broker.settle(deadline=60.0 * rounds(1))
        self.assertEqual(self.everything(broker), seen)


if __name__ == "__main__":
    run()
