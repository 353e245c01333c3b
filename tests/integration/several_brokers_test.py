"""Two brokers on one Kafka of several partitions and one PostgreSQL: the same message at both, a patient's messages at both in
turn, two facilities' records of one person linked while the writing of the views moves from one broker to the other: SIGKILL.
One effect, the patient's order, one decision, the same answers at both, and a rebuild equal to the live store: every FHIR
answer, and every row of every table."""

import hashlib
import itertools
import json
import re
import subprocess
import sys
import threading
import time

from engines import OnEngines
from hutong import ack, run, seconds_until, until
from messages import oru, pid, resident_card

FACILITIES = ("TESTHOSP", "bc-city")
PERSONS = 6
ITEM = ("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1")


# One report of a patient whom both facilities know by the same card.
def report(control, patient, person, order, facility, value="5.8", status="F"):
    return oru(control, patient, order, [(*ITEM[:2], value, *ITEM[3:])], status=status, facility=facility,
               patient=pid(patient, name=f"测试{person}", card=resident_card(order=person + 1), facility=facility))


class SeveralBrokers(OnEngines):
    # (facility, number) of each patient: the person and every report of theirs as FHIR shows them.
    def everything(self, broker, patients):
        shown, token = {}, broker.token()
        for facility, number in patients:
            found = broker.fhir(f"Patient?identifier=urn:hutong:facility:{facility}:mrn|{number}", token=token)
            self.assertEqual(len(found.get("entry", [])), 1, f"{facility} {number}")
            person = found["entry"][0]["resource"]
            reports = broker.fhir(f"DiagnosticReport?patient={person['id']}&_count=1000", token=token).get("entry", [])
            shown[facility, number] = (person, [each["resource"] for each in reports])
        return shown

    def orders(self, reports):
        return sorted(one["value"] for each in reports for one in each["identifier"] if one["value"].startswith("R"))

    def effects(self, brokers, name):
        return sum(broker.metric("hutong_effects_total", effect=name) or 0 for broker in brokers)

    def ask(self, sql):
        return subprocess.run([self.server.programs / "psql", self.server.connection, "-Atc", sql], check=True, capture_output=True,
                              text=True).stdout.splitlines()

    # Of each table of the views: how many rows, and a digest of all in order.
    def rows(self, schema):
        found = {}
        for table in self.ask(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}' "
                              "AND table_type = 'BASE TABLE' AND table_name NOT IN ('cursors', 'kept', 'migrations') ORDER BY 1"):
            shown = sorted(self.ask(f"SELECT * FROM {schema}.{table}"))
            found[table] = (len(shown), hashlib.sha256("\n".join(shown).encode()).hexdigest())
        return found

    # The facts of the identity topic, by id: what was decided, and how often it stands there.
    def decided(self, prefix):
        told = subprocess.run(["kcat", "-C", "-q", "-e", "-b", self.cluster.bootstrap, "-t", f"{prefix}.identity", "-o", "beginning"],
                              check=True, capture_output=True, text=True).stdout.splitlines()
        found = {}
        for line in told:
            found.setdefault(json.loads(line)["id"], []).append(json.loads(line))
        return found

    def all_at_once(self, work, count):
        failed = []

        def guarded(number):
            try:
                work(number)
            except BaseException as error:
                failed.append(error)
        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertFalse(failed, failed[:1])

    def test_two_share_the_load_and_one_dies(self):
        a, b = self.brokers()
        name = re.search('schema = "(.*)"', a.config.read_text(encoding="utf-8"))[1]  # of the topics, too
        patients = [(facility, f"P{person}") for person in range(PERSONS) for facility in FACILITIES]

        # A patient's corrections arrive at the one and the other in turn: the last one wins only in order.
        def corrections(number):
            facility, patient = patients[number]
            with a.mllp() as at_a, b.mllp() as at_b:
                for round_, feed in zip(range(10), itertools.cycle((at_a, at_b))):
                    answer = feed.exchange(report(f"M{number}-{round_}", patient, number // 2, f"R{number}", facility,
                                                  f"{round_ + 1}.5", "C" if round_ else "F"))
                    self.assertEqual(ack(answer).code, "AA")

        self.all_at_once(corrections, len(patients))
        self.settle(a, b)
        until(lambda: len(self.decided(name)) == PERSONS, "not every pair was linked")
        self.settle(a, b)
        shown = self.everything(a, patients)
        self.assertEqual(shown, self.everything(b, patients))
        for number, (person, reports) in enumerate(shown.values()):
            own = [each for each in reports if f"R{number}" in self.orders([each])]
            self.assertEqual([each["meta"]["versionId"] for each in own], ["10"], f"R{number}: a correction was lost or came twice")
            observation = a.fhir(own[0]["result"][0]["reference"])
            self.assertEqual(observation["valueQuantity"]["value"], 10.5, f"R{number}: the last correction is not the last")
            self.assertEqual(len(reports), 2, f"{patients[number]}: linked with the other facility's number of the same person")
        projecting = [broker.metric("hutong_projecting") for broker in (a, b)]
        self.assertEqual(sorted(projecting), [0.0, 1.0], "one writes")

        # The same message at both at the same moment: the same answer, one effect.
        before = self.effects((a, b), "report_created")
        for number in range(20):
            twin = report(f"T{number}", "P0", 0, f"RT{number}", FACILITIES[0])
            with a.mllp() as at_a, b.mllp() as at_b:
                at_a.send(twin)
                at_b.send(twin)
                self.assertEqual({ack(at_a.receive()).code, ack(at_b.receive()).code}, {"AA"})
        self.settle(a, b)
        self.assertEqual(self.effects((a, b), "report_created") - before, 20)

        # The writer dies while pairs of new patients are to be linked; what the other has acknowledged is seen there soon.
        writer, other = (a, b) if projecting[0] else (b, a)
        killer = threading.Timer(0.3, writer.kill)
        killer.start()
        sent = 0
        with other.mllp() as feed:
            began = time.monotonic()
            while time.monotonic() - began < 1.5 or sent % 2:
                person, facility = 100 + sent // 2, FACILITIES[sent % 2]
                self.assertEqual(ack(feed.exchange(report(f"K{sent}", f"L{person}", person, f"RK{sent}", facility))).code, "AA")
                sent += 1
        killer.join()
        taken = seconds_until(lambda: other.metric("hutong_projecting") == 1, "nobody takes over")
        other.settle()
        moved = time.monotonic() - began - 0.3
        newcomers = [(facility, f"L{100 + pair}") for pair in range(sent // 2) for facility in FACILITIES]
        until(lambda: len(self.decided(name)) == PERSONS + sent // 2, "not every new pair was linked")
        other.settle()
        everybody = patients + newcomers
        after = self.everything(other, everybody)
        for number, who in enumerate(newcomers):
            self.assertEqual(self.orders(after[who][1]), sorted([f"RK{number - number % 2}", f"RK{number - number % 2 + 1}"]), who)
        writer.start()
        self.settle(writer, other)
        self.assertEqual(self.everything(writer, everybody), after)
        self.assertEqual((writer.metric("hutong_projecting"), other.metric("hutong_projecting")), (0, 1), "who comes leaves the turn to who has it")
        decided = self.decided(name)
        self.assertEqual(len(decided), PERSONS + sent // 2, "a pair was decided more than once")
        self.assertEqual(self.ask(f"SELECT count(*) FROM {name}.decisions"), [str(len(decided))])
        self.assertEqual(self.ask(f"SELECT count(*) FROM {name}.pending"), ["0"])

        # The views anew from the log, in whatever order its partitions come.
        # Killed, because who stops says so in the log, which nobody folds before the rebuild.
        for broker in (writer, other):
            broker.kill()
        live = self.rows(name)
        other.command("rebuild")
        anew = self.rows(name)
        self.assertEqual([], [table for table in sorted({*live, *anew}) if live.get(table) != anew.get(table)], "tables that a rebuild makes otherwise")
        other.start()
        other.settle()
        self.assertEqual(self.everything(other, everybody), after)
        self.assertEqual(len(self.decided(name)), len(decided), "the rebuild decided again")
        self.assertIn("control id T3", other.command("trace", "TESTHOSP/T3").stdout)
        print(f"{sent} acknowledged while the writer was killed; views caught up {moved:.1f} s after its death (taken over {taken:.1f} s after "
              f"the traffic); {len(decided)} pairs linked, {sum(map(len, decided.values()))} decisions in the log; "
              f"{sum(count for count, _ in live.values())} rows of {len(live)} tables the same after a rebuild", file=sys.stderr)


if __name__ == "__main__":
    run()
