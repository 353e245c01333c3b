"""Two brokers on one Kafka of several partitions and one PostgreSQL: the same message at both, a patient's messages at both in
turn, persons linked across partitions; SIGKILL of the one that writes the views. One effect, the patient's order, one
decision, the same answers at both, and a rebuild equal to what was there."""

import sys
import threading
import time

from engines import OnEngines
from hutong import ack, run, seconds_until, until
from messages import oru, pid, resident_card

PATIENTS = 12


class SeveralBrokers(OnEngines):
    # Every report by patient as FHIR shows it, byte for byte but for the broker's own address.
    def everything(self, broker):
        shown, token = {}, broker.token()
        for number in range(PATIENTS):
            found = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P{number}", token=token)
            self.assertEqual(len(found.get("entry", [])), 1, f"P{number}")
            person = found["entry"][0]["resource"]
            reports = broker.fhir(f"DiagnosticReport?patient={person['id']}&_count=1000", token=token).get("entry", [])
            shown[number] = (person, [each["resource"] for each in reports])
        return shown

    def tell_first_difference(self, found, expected):
        for number, (person, reports) in expected.items():
            if found[number][0] != person:
                return self.assertEqual(found[number][0], person)
            for a, b in zip(found[number][1], reports):
                self.assertEqual(a, b)
            self.assertEqual(len(found[number][1]), len(reports))
        return None

    def effects(self, brokers, name):
        return sum(broker.metric("hutong_effects_total", effect=name) or 0 for broker in brokers)

    def test_two_share_the_load_and_one_dies(self):
        a, b = self.brokers()
        card = [resident_card(order=number // 2 + 1) for number in range(PATIENTS)]  # two numbers a person: linked

        def message(number, round_, value):
            patient = f"P{number}"
            return oru(f"M{number}-{round_}", patient, f"R{number}", [("GLU", "葡萄糖", value, "mmol/L", "3.9-6.1")],
                       status="F" if round_ == 0 else "C", patient=pid(patient, name=f"测试{number // 2}", card=card[number]))

        # A patient's corrections arrive at the one and the other in turn: the last one wins only in order.
        def corrections(number, rounds_, first=0):
            with a.mllp() as at_a, b.mllp() as at_b:
                for round_ in range(first, rounds_):
                    feed = (at_a, at_b)[round_ % 2]
                    self.assertEqual(ack(feed.exchange(message(number, round_, f"{round_ + 1}.5"))).code, "AA")

        def all_at_once(work):
            failed = []

            def guarded(number):
                try:
                    work(number)
                except BaseException as error:
                    failed.append(error)
            threads = [threading.Thread(target=guarded, args=(number,)) for number in range(PATIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertFalse(failed, failed[:1])

        all_at_once(lambda number: corrections(number, 10))
        self.settle(a, b)
        self.assertEqual(self.everything(a), self.everything(b))
        for number, (person, reports) in self.everything(a).items():
            own = [each for each in reports if f"R{number}" in [one["value"] for one in each["identifier"]]]
            self.assertEqual([each["meta"]["versionId"] for each in own], ["10"], f"P{number}: a correction was lost or came twice")
            observation = a.fhir(own[0]["result"][0]["reference"])
            self.assertEqual(observation["valueQuantity"]["value"], 10.5, f"P{number}: the last correction is not the last")
            self.assertEqual(len(reports), 2, f"P{number}: linked with the other number of the same person")
        projecting = [broker.metric("hutong_projecting") for broker in (a, b)]
        self.assertEqual(sorted(projecting), [0.0, 1.0], "one writes")

        # The same message at both at the same moment: the same answer, one effect.
        before = self.effects((a, b), "report_created")
        for number in range(20):
            twin = oru(f"T{number}", "P0", f"RT{number}")
            with a.mllp() as at_a, b.mllp() as at_b:
                at_a.send(twin)
                at_b.send(twin)
                self.assertEqual({ack(at_a.receive()).code, ack(at_b.receive()).code}, {"AA"})
        self.settle(a, b)
        self.assertEqual(self.effects((a, b), "report_created") - before, 20)

        # The writer dies in the traffic; what the other has acknowledged is seen there soon.
        writer, other = (a, b) if projecting[0] else (b, a)
        killer = threading.Timer(0.3, writer.kill)
        killer.start()
        acknowledged = []
        with other.mllp() as feed:
            began = time.monotonic()
            while time.monotonic() - began < 1.5:
                number = len(acknowledged)
                self.assertEqual(ack(feed.exchange(oru(f"K{number}", f"P{number % PATIENTS}", f"RK{number}"))).code, "AA")
                acknowledged.append(f"RK{number}")
        killer.join()
        taken = seconds_until(lambda: other.metric("hutong_projecting") == 1, "nobody takes over")
        other.settle()
        moved = time.monotonic() - began - 0.3
        after = self.everything(other)
        seen = [one["value"] for number, (_, reports) in after.items() if number % 2 == 0
                for each in reports for one in each["identifier"] if one["value"].startswith("RK")]
        self.assertEqual(sorted(seen), sorted(acknowledged))
        writer.start()
        self.settle(writer, other)
        self.assertEqual(self.everything(writer), after)
        self.assertEqual(writer.metric("hutong_projecting") + other.metric("hutong_projecting") >= 1, True)

        # The views anew from the log, in whatever order its partitions come.
        for broker in (writer, other):
            broker.stop()
        other.command("rebuild")
        other.start()
        other.settle()
        try:
            until(lambda: self.everything(other) == after, "the rebuild shows something else", deadline=10)
        except AssertionError:
            self.tell_first_difference(self.everything(other), after)
            raise
        self.assertIn("control id T3", other.command("trace", "TESTHOSP/T3").stdout)
        print(f"{len(acknowledged)} acknowledged while the writer was killed; views caught up {moved:.1f} s after its death "
              f"(taken over {taken:.1f} s after the traffic)", file=sys.stderr)


if __name__ == "__main__":
    run()
