"""Events reach subscribers: over MLLP in the receiver's version and character set, and by webhook; what changed nothing is not
told, what is refused holds its patient only, a receiver that is away gets everything afterwards, and nothing is told twice."""

import json
import unittest

from hutong import CONFIG, Story, ack, run, until
from messages import ITEMS, adt, oru, pid, resident_card
from receivers import MllpReceiver, Webhook, allow, declare


class Delivery(Story):
    def setUp(self):
        self.ward = MllpReceiver()
        self.addCleanup(self.ward.close)

    def mllp(self, name="ward", **more):
        return {"name": name, "sink": "mllp", "target": f"127.0.0.1:{self.ward.port}", "kinds": ["result.reported"], **more}

    def start(self, *subscriptions, config=CONFIG):
        live = self.broker(start=False, config=config)
        declare(live, *subscriptions)
        return live.start()

    def tell(self, live, *messages):
        with live.mllp() as feed:
            for message in messages:
                self.assertEqual(ack(feed.exchange(message)).code, "AA")

    def arrived(self, count, receiver=None, deadline=15):
        receiver = receiver or self.ward
        until(lambda: len(receiver.accepted()) >= count, f"{count} deliveries", deadline)
        return receiver.accepted()

    def status(self, live, name="ward"):
        found = json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        return next((one for one in found if one["name"] == name), dict.fromkeys(("state", "dead", "held", "failed", "lagRecords", "open")))

    def test_a_result_reaches_the_ward_as_it_reads_hl7(self):
        self.ward.charset = "gb18030"
        live = self.start(self.mllp(version="2.4", charset="GB18030", receiving_application="HIS", receiving_facility="W3"))
        self.tell(live, oru(control="1", order="R1"), adt(control="2"))
        got, = self.arrived(1)
        header = got.segments[0]
        self.assertEqual((header[2], header[4], header[5], header[8], header[11]), ("HUTONG", "HIS", "W3", "ORU^R01^ORU_R01", "2.4"))
        self.assertEqual(got.charset, "GB 18030-2000")
        self.assertEqual((got.patient, got.report), ("P1", "R1"))
        items = [s for s in got.segments if s[0] == "OBX"]
        self.assertEqual(len(items), len(ITEMS))
        potassium = next(s for s in items if "钾" in s[3])
        self.assertEqual((potassium[2], potassium[3].split("^")[3:5], potassium[5]), ("NM", ["K", "钾"], "4.12"))

    def test_what_changes_nothing_is_not_told_and_a_correction_is(self):
        live = self.start(self.mllp())
        first = oru(control="1", order="R1")
        self.tell(live, first, first, oru(control="2", order="R1"))  # a resend, and the same content once more
        corrected = [("GLU", "葡萄糖", "9.9", "mmol/L", "3.9-6.1"), *ITEMS[1:]]
        self.tell(live, oru(control="3", order="R1", items=corrected, status="C"))
        self.tell(live, oru(control="4", order="R1", status="P"))  # late
        self.tell(live, oru(control="5", order="R2"))
        got = self.arrived(3)
        self.assertEqual([(m.report, next(s[5] for s in m.segments if s[0] == "OBX")) for m in got], [("R1", "5.8"), ("R1", "9.9"), ("R2", "5.8")])
        self.assertEqual(len(self.ward.taken), 3)

    def test_nothing_is_told_twice_after_a_restart_or_a_rebuild(self):
        live = self.start(self.mllp())
        self.tell(live, *[oru(control=f"a{i}", order=f"A{i}", number=f"P{i}") for i in range(20)])
        self.arrived(20)
        live.restart()
        self.tell(live, oru(control="b", order="B"))
        self.arrived(21)
        live.stop()
        live.command("rebuild")
        live.start()
        self.tell(live, oru(control="c", order="C"))
        self.assertEqual(self.arrived(22)[-1].report, "C")
        controls = [m.control for m in self.ward.taken]
        self.assertEqual(len(controls), len(set(controls)), "told twice")

    def test_a_receiver_that_was_away_gets_everything_in_order(self):
        live = self.start(self.mllp())
        port = self.ward.port
        self.ward.close()
        self.tell(live, *[oru(control=f"{i}", order=f"R{i}", number=f"P{i % 3}") for i in range(30)])
        until(lambda: self.status(live)["state"] == "waiting", "it is noticed")
        self.assertGreater(self.status(live)["failed"], 0)
        live.kill()
        live.start()
        self.ward = MllpReceiver(port)
        got = self.arrived(30, deadline=30)
        for patient in ("P0", "P1", "P2"):
            orders = [int(m.report[1:]) for m in got if m.patient == patient]
            self.assertEqual(orders, sorted(orders))
        self.assertEqual(len(got), 30)
        until(lambda: (self.status(live)["lagRecords"], self.status(live)["open"]) == (0, 0), "nothing is left")

    def test_a_refused_event_holds_its_patient_and_nobody_else(self):
        live = self.start(self.mllp(attempts=2))
        self.ward.answer = lambda message: "AE" if message.report == "BAD" else "AA"
        self.tell(live, oru(control="1", order="BAD", number="P1"), oru(control="2", order="R2", number="P1"), oru(control="3", order="R3", number="P2"))
        self.assertEqual([m.report for m in self.arrived(1)], ["R3"])
        listed = lambda: json.loads(live.command("deadletter", "list", "--json").stdout)["letters"]
        letters = until(lambda: (lambda all: all if len(all) == 2 else None)(listed()), "a dead letter and what stands behind it")
        self.assertEqual([(l["state"], l["answer"], l["attempts"]) for l in letters], [("dead", "AE", 2), ("behind", "", 0)])
        shown = live.command("deadletter", "show", "ward/" + letters[0]["id"]).stdout
        self.assertIn("BAD", shown)

        # It is still so after a kill, and later events of the patient wait behind it.
        live.kill()
        live.start()
        self.tell(live, oru(control="4", order="R4", number="P1"), oru(control="5", order="R5", number="P2"))
        self.assertEqual([m.report for m in self.arrived(2)], ["R3", "R5"])
        until(lambda: self.status(live)["held"] == 2, "what stands behind it")
        trace = live.command("trace", "TESTHOSP/1").stdout
        self.assertRegex(trace, r"delivery \S+ to ward: dead .*answered AE, 2 attempts")

        self.ward.answer = lambda message: "AA"
        live.command("deadletter", "retry", "ward/" + letters[0]["id"])
        self.assertEqual([m.report for m in self.arrived(5)[2:]], ["BAD", "R2", "R4"])
        until(lambda: (self.status(live)["held"], self.status(live)["dead"]) == (0, 0), "nothing is held")
        self.assertRegex(live.command("trace", "TESTHOSP/4").stdout, r"delivery \S+ to ward: delivered .*answered AA")

    def test_a_dead_letter_is_discarded_with_a_reason_and_can_be_replayed(self):
        live = self.start(self.mllp(attempts=1))
        self.ward.answer = lambda message: "AR" if message.report == "BAD" else "AA"
        self.tell(live, oru(control="1", order="BAD"), oru(control="2", order="R2"))
        until(lambda: self.status(live)["dead"] == 1, "a dead letter")
        letter = json.loads(live.command("deadletter", "list", "--state", "dead", "--json").stdout)["letters"][0]
        self.assertEqual(live.command("deadletter", "discard", "ward/" + letter["id"], expect=None).returncode, 2, "a reason is asked for")
        live.command("deadletter", "discard", "ward/" + letter["id"], "--reason", "sent by phone", "--by", "李")
        self.assertEqual([m.report for m in self.arrived(1)], ["R2"])
        gone, = json.loads(live.command("deadletter", "list", "--state", "discarded", "--json").stdout)["letters"]
        self.assertEqual((gone["by"], gone["reason"], gone["event"]), ("李", "sent by phone", letter["event"]))
        self.ward.answer = lambda message: "AA"
        before = self.ward.taken[0].control
        live.command("replay", "--subscriber", "ward", "--from", "0", "--patient", "TESTHOSP/P1")
        self.assertEqual([m.report for m in self.arrived(3)[1:]], ["BAD", "R2"])
        self.assertEqual(self.ward.taken[-2].control, before, "the same event keeps its control id")

    def test_paused_it_waits_and_resumed_it_goes_on(self):
        live = self.start(self.mllp())
        live.command("subscriptions", "pause", "ward")
        self.tell(live, oru(control="1", order="R1"))
        live.settle()
        live.kill()
        live.start()
        live.settle()
        self.assertEqual(self.ward.taken, [])
        self.assertEqual(self.status(live)["state"], "paused")
        live.command("subscriptions", "resume", "ward")
        self.arrived(1)

    def test_one_that_is_far_behind_reads_the_log_itself_until_it_has_caught_up(self):
        hook = Webhook()
        self.addCleanup(hook.close)
        live = self.start(self.mllp(), {"name": "hook", "sink": "rest-hook", "target": hook.origin + "/", "payload": "id-only",
                                        "kinds": ["result.reported"], "connections": 8}, config=CONFIG + allow(hook.origin))
        live.command("subscriptions", "pause", "ward")
        live.command("subscriptions", "pause", "hook")
        messages = [oru(control=f"{i}", order=f"{i}", number=f"P{i % 40}", items=ITEMS[:2]) for i in range(2000)]
        with live.mllp() as feed:
            self.assertEqual({ack(a).code for a in feed.pipeline(messages, 64)}, {"AA"})
        until(lambda: self.status(live)["lagRecords"] > 1000, "far behind")
        self.assertLessEqual(self.status(live)["open"], 300, "the log is the queue")
        live.command("subscriptions", "resume", "ward")
        live.command("subscriptions", "resume", "hook")
        self.tell(live, oru(control="last", order="last", number="P0"))
        got = self.arrived(2001, deadline=60)
        self.arrived(2001, hook, 60)
        for patient in range(40):
            mine = [m.report for m in got if m.patient == f"P{patient}"]
            self.assertEqual(mine, [str(i) for i in range(patient, 2000, 40)] + (["last"] if patient == 0 else []))
        until(lambda: self.status(live)["state"] == "live" and self.status(live)["lagRecords"] == 0, "it has caught up")
        self.assertEqual((len(self.ward.taken), len(hook.taken)), (2001, 2001))

    def test_a_webhook_gets_the_event_the_resource_or_only_its_name(self):
        hooks = {payload: Webhook() for payload in ("event", "fhir", "id-only", "empty")}
        for hook in hooks.values():
            self.addCleanup(hook.close)
        live = self.start(*[{"name": payload, "sink": "rest-hook", "target": hook.origin + "/in", "payload": payload,
                             "kinds": ["result.reported"]} for payload, hook in hooks.items()],
                          config=CONFIG + allow(*[hook.origin for hook in hooks.values()]))
        self.tell(live, oru(control="1", order="R1"))
        got = {payload: self.arrived(1, hook)[0] for payload, hook in hooks.items()}
        events = {one.event for one in got.values()}
        self.assertEqual(len(events), 1)
        event, = events
        document = json.loads(got["event"].body)
        self.assertEqual((document["id"], [e["kind"] for e in document["events"]]), (event.split(".")[0], ["result.reported"]))
        bundle = json.loads(got["fhir"].body)
        report = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport")
        live.settle()
        served = live.fhir("DiagnosticReport/" + report["id"])
        self.assertEqual(report, served, "what is sent is what is read")
        names = json.loads(got["id-only"].body)
        self.assertEqual((names["event"], names["resources"][0]), (event, "DiagnosticReport/" + report["id"]))
        self.assertEqual(got["empty"].body, b"")
        self.assertNotIn("葡萄糖", got["id-only"].body.decode())

    def test_what_is_sensitive_is_told_to_nobody(self):
        live = self.start(self.mllp())
        self.tell(live, oru(control="1", order="H", items=[("HIVAB", "HIV抗体", "阴性", "", "")]), oru(control="2", order="R2"))
        self.assertEqual([m.report for m in self.arrived(1)], ["R2"])
        self.assertEqual(live.metric("hutong_deliveries_withheld_total"), 1)

    def test_only_what_the_filter_names_is_told(self):
        hook = Webhook()
        self.addCleanup(hook.close)
        live = self.start(self.mllp("items", items=["2823-3"]), self.mllp("critical", flag="critical"),
                          {"name": "persons", "sink": "rest-hook", "target": hook.origin + "/", "kinds": ["patient.*"]},
                          config=CONFIG + allow(hook.origin))
        self.tell(live, oru(control="1", order="R1", items=[("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1")]), adt(control="2"))
        low = oru(control="3", order="R3", items=[("GLU", "葡萄糖", "1.1", "mmol/L", "3.9-6.1")]).replace("|N|||F", "|LL|||F")
        self.tell(live, low)
        self.assertEqual([m.report for m in self.arrived(1)], ["R3"])
        kinds = [r.headers["x-hutong-event-kind"] for r in self.arrived(1, hook)]
        self.assertEqual(kinds, ["patient.updated"])

    def test_a_centre_is_told_of_its_patients_wherever_they_are(self):
        live = self.start(self.mllp(centres=["cc-east"]))
        card = resident_card(order=7)
        known = pid("C1", name="王^晓明", born="19800101", sex="M", card=card, facility="cc-east")
        self.tell(live, adt(control="1", number="C1", patient=known, facility="cc-east"))
        # The hospital's first word of somebody is his result: that he is the centre's is found out from his card.
        his = pid("H1", name="王^晓明", born="19800101", sex="M", card=card)
        other = pid("H2", name="李^红", born="19700101", sex="F")
        self.tell(live, oru(control="2", order="R1", patient=his, number="H1"), oru(control="3", order="R2", patient=other, number="H2"),
                  oru(control="4", order="R3", patient=his, number="H1"), oru(control="5", order="R4", number="C1", patient=known, facility="cc-east"))
        self.assertEqual(sorted(m.report for m in self.arrived(3)), ["R1", "R3", "R4"])
        # Also when it is delivered again: nobody else's.
        live.command("replay", "--subscriber", "ward", "--from", "0")
        self.assertEqual(sorted(m.report for m in self.arrived(6)[3:]), ["R1", "R3", "R4"])

    def test_a_subscription_is_added_and_taken_away_while_it_runs(self):
        live = self.start(self.mllp())
        self.tell(live, oru(control="1", order="R1"))
        self.arrived(1)
        declare(live)
        live.reload()
        until(lambda: self.status(live)["state"] == "undeclared", "it is gone")
        self.tell(live, oru(control="2", order="R2"))
        live.settle()
        declare(live, self.mllp())
        live.reload()
        self.assertEqual([m.report for m in self.arrived(2)], ["R1", "R2"], "it goes on where it was")

    def test_a_mistake_is_named_with_its_file_and_line(self):
        live = self.broker(start=False, config=CONFIG + allow("https://his.example.cn"))
        for wrong, expected in [({"sink": "mllp"}, "target"), ({"target": "http://169.254.169.254/latest"}, "not in [delivery] webhooks"),
                                ({"kinds": ["result.invented"]}, "no events of this kind"), ({"facilities": ["NOBODY"]}, "no facility"),
                                ({"colour": "red"}, "unknown key"), ({"sink": "mllp", "target": "192.0.2.1:2575"}, "encryption"),
                                ({"sink": "mllp", "target": "127.0.0.1:1", "kinds": ["message.received"]}, "cannot be said"),
                                # A family that the form has no words for is not everything.
                                ({"sink": "mllp", "target": "127.0.0.1:1", "kinds": ["order.*"]}, "can be said"),
                                ({"payload": "fhir", "kinds": ["message.*"]}, "can be said"),
                                ({"kinds": ["referral.*"]}, "parties"),
                                ({"sink": "mllp", "target": "127.0.0.1:1", "kinds": ["result.*", "message.*"]}, 'nothing of "message.*"')]:
            declare(live, {"name": "x", "sink": "rest-hook", "target": "https://his.example.cn/", **wrong})
            done = live.command("check", expect=2)
            self.assertIn("test.toml:", done.stderr)
            self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    run()
