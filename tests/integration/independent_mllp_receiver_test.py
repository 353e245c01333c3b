"""Deliveries seen from outside: HAPI HL7v2 listens over MLLP, reads each message into the structure of its version, checks it
and answers (Hl7Receiver.java)."""

import json
import pathlib
import subprocess
import threading

import maven
from hutong import Mllp, Story, ack, run, until
from messages import ITEMS, adt, oru, pid
from receivers import declare

VERSION = "2.6.0"
HAPI = [f"ca.uhn.hapi:hapi-base:{VERSION}", f"ca.uhn.hapi:hapi-structures-v251:{VERSION}", f"ca.uhn.hapi:hapi-structures-v24:{VERSION}",
        "org.slf4j:slf4j-nop:1.7.36"]
KINDS = ["result.reported", "encounter.changed", "patient.updated", "patient.merged"]


class Department:
    """The Java program; what it said of each message, by the port's place."""

    def __init__(self, folder, *encodings):  # HAPI numbers its answers in a file where it is started
        libs = maven.jars("hapi", f"hl7v2-{VERSION}", HAPI)
        self.process = subprocess.Popen(["java", "-cp", f"{libs}/*", pathlib.Path(__file__).with_name("Hl7Receiver.java"), *encodings],
                                        stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=folder)
        first = self.process.stdout.readline().split()
        assert first[:1] == ["ready"], f"the receiver did not start: {first}"
        self.ports, self.taken = [int(port) for port in first[1:]], []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.taken.append(json.loads(line))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def of(self, version):
        return [one for one in self.taken if one.get("version") == version]


class IndependentReceiver(Story):
    def test_it_reads_checks_and_answers_every_delivery(self):
        department = Department(self.directory(), "UTF-8", "MSH-18")
        self.addCleanup(department.close)
        live = self.broker(start=False)
        declare(live, *[{"name": name, "sink": "mllp", "target": f"127.0.0.1:{port}", "kinds": KINDS, "receiving_application": "HIS", **more}
                        for name, port, more in (("now", department.ports[0], {}),
                                                 ("then", department.ports[1], {"version": "2.4", "charset": "GB18030"}))])
        live.start()
        who = pid("P1", name="㐀𠮷^龘")  # letters of two, three and four bytes in one character set or the other
        corrected = [("K", "钾", "4.21", "mmol/L", "3.5-5.3"), *ITEMS[:2]]
        messages = [adt("A01", control="1", patient=who), oru(control="2", order="R1", patient=who), oru(control="3", order="BAD1", patient=who, items=ITEMS[9:10]),
                    oru(control="4", order="BAD1", patient=who, items=corrected, status="C"), adt("A03", control="5", patient=who),
                    adt("A40", control="6", number="P2", merged="P1", patient=pid("P2", name="㐀𠮷^龘"))]
        with live.mllp() as feed:
            for message in messages:
                self.assertEqual(ack(feed.exchange(message)).code, "AA")

        for version, charset in (("2.5.1", "UNICODE UTF-8"), ("2.4", "GB 18030-2000")):
            taken = until(lambda version=version: [one for one in department.of(version) if one["event"] == "ADT^A40"] and department.of(version),
                          f"all of {version}", 60)
            self.assertFalse([one for one in department.taken if "fault" in one], "what HAPI could not read")
            self.assertEqual({(one["charset"], one["name"]) for one in taken}, {(charset, "㐀𠮷^龘")})
            self.assertEqual([(one["report"], one["status"], one["answer"]) for one in taken if one["structure"] == "ORU_R01"],
                             [("R1", "F", "AA"), ("BAD1", "F", "AE"), ("BAD1", "F", "AA"), ("BAD1", "C", "AA")])
            first, again = [one for one in taken if one["report"] == "BAD1"][:2]
            self.assertEqual(first["control"], again["control"], "the same event keeps its control id")
            self.assertEqual(len({one["control"] for one in taken}), len(taken) - 1)
            self.assertEqual(taken[-1]["event"], "ADT^A40", "the merge comes after everything of both numbers")
            self.assertEqual((taken[-1]["structure"], taken[-1]["patient"], taken[-1]["prior"]), ("ADT_A39", "P2", "P1"))
            items = next(one for one in taken if one["report"] == "R1")["items"].split(" ")
            self.assertEqual(items, [f"{name}={value}:NM" for _, name, value, _, _ in ITEMS])
            self.assertEqual(next(one for one in taken if one["status"] == "C")["items"].split(" ")[0], "钾=4.21:NM")
        until(lambda: self.told(live) == [(1, 0, 0, 0)] * 2, "one was refused once, nothing is open", 10)

    @staticmethod
    def told(live):
        found = json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        return [(one["refused"], one["failed"], one["dead"], one["open"]) for one in found]

    def test_it_would_not_take_everything(self):
        department = Department(self.directory(), "UTF-8")
        self.addCleanup(department.close)
        with Mllp("127.0.0.1", department.ports[0]) as feed:
            good = oru(control="1", items=ITEMS[:1])
            for wrong in (good.replace("|5.8|", "|much|"), good.replace("\rOBR", "\rOBX|9|ST|||x\rOBR"), good.replace("20260105073000", "yesterday")):
                self.assertNotEqual(wrong, good)
                self.assertIn(ack(feed.exchange(wrong)).code, ("AE", "AR"), wrong)
            self.assertEqual(ack(feed.exchange(good)).code, "AA")
        until(lambda: len(department.taken) == 4, "each is said", 10)
        self.assertEqual(["fault" in one for one in department.taken], [True, True, True, False])


if __name__ == "__main__":
    run()
