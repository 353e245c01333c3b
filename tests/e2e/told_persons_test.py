"""Decisions about who is one person reach subscribers: two hospitals register a person and the machine links it, a steward merges,
splits and undoes; a hospital's system hears of it as HL7 v2, a registry as our document, a platform as FHIR, each once and in order,
across kills, a restart and a rebuild. A facility's own merge is told as the event that it was, and not once more. Invented patients."""

import json
import time
import unittest

from hutong import CONFIG, FACILITY, Story, ack, run, until
from messages import adt
from receivers import MllpReceiver, Webhook, allow, declare

ONE = dict(name="阿依努尔^买买提", born="19800307", sex="F", phone="13904541234", address="和平路12号3单元^^佳木斯市^^154002^^^^向阳区")
OTHERS = [dict(name=name, born=born, sex="M", phone="", address="") for name, born in
          [("王^强", "19700101"), ("李^伟", "19800202"), ("赵^敏", "19900303"), ("孙^丽", "19601212"), ("周^涛", "19551010")]]


class Told(Story):
    def start(self, **more):
        """`more`: name = filter, each a webhook with our document."""
        self.his, self.hooks, declared = MllpReceiver(charset="gb18030"), {}, []
        self.addCleanup(self.his.close)
        for name, says in {"registry": {"kinds": ["identity.*"]}, "platform": {"kinds": ["identity.*"], "payload": "fhir"},
                           "names": {"kinds": ["identity.*"], "payload": "id-only"}, **more}.items():
            hook = self.hooks[name] = Webhook()
            self.addCleanup(hook.close)
            declared.append({"name": name, "sink": "rest-hook", "target": hook.origin + "/in", **says})
        declared.append({"name": "his", "sink": "mllp", "target": f"127.0.0.1:{self.his.port}", "version": "2.4", "charset": "GB18030",
                         "kinds": ["identity.*", "patient.merged", "patient.linked", "patient.unlinked"]})
        self.live = self.broker(start=False, config=CONFIG + allow(*[hook.origin for hook in self.hooks.values()]))
        folder = self.live.dir / "schemas" / "facilities"
        folder.mkdir(parents=True, exist_ok=True)
        for code, area in (("OTHERHOSP", "230904"), ("THIRDHOSP", "231002")):
            (folder / f"{code}.toml").write_text(FACILITY.replace("TESTHOSP", code).replace("230803", area), encoding="utf-8")
        declare(self.live, *declared)
        self.live.start()
        self.count = 0
        return self.live

    def say(self, event, number, facility, said, merged=""):
        self.count += 1
        with self.live.mllp() as feed:
            patient = f"PID|1||{number}^^^{facility}^MR||{said['name']}||{said['born']}|{said['sex']}|||{said['address']}||{said['phone']}"
            answer = ack(feed.exchange(adt(event, f"T{self.count}", facility=facility, visit=f"V{self.count}", patient=patient, merged=merged)))
        self.assertEqual(answer.code, "AA", answer.raw)
        self.live.settle()

    def decide(self, *arguments):
        done = self.live.command("identity", *arguments, "--by", "王芳", "--note", "两张病案是同一人", "--json")
        return json.loads(done.stdout)["decision"]

    def person(self, facility, number):
        return json.loads(self.live.command("identity", "show", f"{facility}/{number}", "--json").stdout)["person"]

    # What the webhook has taken of decisions, once there are so many; each once.
    def told(self, name, count):
        taken = lambda: [one for one in self.hooks[name].accepted() if one.headers["x-hutong-event-kind"].startswith("identity.")]
        all_of_it = until(lambda: (lambda all: all if len(all) >= count else None)(taken()), f"{count} to {name}", 30)
        events = [one.event for one in all_of_it]
        self.assertEqual(len(events), len(set(events)), f"{name} was told twice")
        self.assertEqual(len(events), count)
        return all_of_it

    def heard(self, count):
        messages = until(lambda: (lambda all: all if len(all) >= count else None)(self.his.accepted()), f"{count} messages", 20)
        controls = [message.control for message in messages]
        self.assertEqual((len(controls), len(set(controls))), (count, count), "told twice")
        return messages

    # Everybody has heard of so many, each in its form, and of the last one.
    def all_told(self, count):
        document = json.loads(self.told("registry", count)[-1].body)
        bundle = json.loads(self.told("platform", count)[-1].body)
        self.told("names", count)
        return document, {entry["resource"]["id"]: entry["resource"] for entry in bundle["entry"]}, self.heard(count)[-1]

    # And nobody forgets it who is killed now: what was answered a moment ago may come again.
    def killed(self, at_rest=True):
        if at_rest:
            self.at_rest()
        time.sleep(0.5)
        self.live.kill()
        self.live.start()

    # What is listed is a second old at most.
    def at_rest(self):
        time.sleep(1.2)
        listed = lambda: json.loads(self.live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        until(lambda: all((one["lagRecords"], one["open"], one["held"]) == (0, 0, 0) for one in listed()), f"all are told: {listed()}", 20)

    @staticmethod
    def numbers(message):
        return [[one.split("^")[0] for one in s[3].split("~")] for s in message.segments if s[0] == "PID"]

    def test_linked_merged_split_and_undone_each_once_in_order_in_every_form(self):
        live = self.start(other={"kinds": ["identity.*"], "facilities": ["OTHERHOSP"]}, area={"kinds": ["identity.*"], "areas": ["2309"]},
                          elsewhere={"facilities": ["THIRDHOSP"], "kinds": ["identity.*"]}, results={"kinds": ["result.reported"]}, parties={"parties": ["TESTHOSP"]})

        # The machine links whom two hospitals have registered.
        self.say("A04", "P1", "TESTHOSP", ONE)
        self.say("A04", "Q1", "OTHERHOSP", {**ONE, "name": "阿依努尔^麦麦提"})
        document, bundle, message = self.all_told(1)
        person = self.person("TESTHOSP", "P1")
        self.assertEqual((document["kind"], document["patient"], document["other"]),
                         ("identity.linked", {"facility": "TESTHOSP", "number": "P1", "person": person},
                          {"facility": "OTHERHOSP", "number": "Q1", "person": person}))
        self.assertGreater(float(document["chance"]), 0.99)
        self.assertTrue(any(reason.startswith("phone-same +") for reason in document["reasons"]), document)
        gone, = (one for one in bundle.values() if one["id"] != person)
        self.assertEqual((gone["active"], gone["link"][0]["type"], gone["link"][0]["other"]["reference"]), (False, "replaced-by", f"Patient/{person}"))
        for one in bundle.values():
            self.assertEqual(one, live.fhir(f"Patient/{one['id']}"), "as reading shows it")
        self.assertEqual((message.type, message.version, self.numbers(message)), ("ADT^A24^ADT_A24", "2.4", [["P1"], ["Q1"]]))
        names = json.loads(self.told("names", 1)[0].body)
        self.assertEqual(names["resources"], [f"Patient/{person}", f"Patient/{gone['id']}"])

        # A steward merges, across a restart.
        self.say("A04", "P2", "TESTHOSP", OTHERS[0])
        self.say("A04", "Q2", "OTHERHOSP", OTHERS[1])
        live.restart()
        merge = self.decide("merge", "TESTHOSP/P2", "OTHERHOSP/Q2")
        document, bundle, message = self.all_told(2)
        self.assertEqual((document["kind"], document["id"], document["reasons"]), ("identity.merged", merge, ["merged-by-steward"]))
        self.assertEqual(message.type, "ADT^A40^ADT_A39")
        self.assertEqual([s[1] for s in message.segments if s[0] == "MRG"], ["Q2^^^OTHERHOSP^MR"])
        self.assertEqual(message.patient, "P2")

        # And splits, and undoes; the broker is killed between.
        self.killed()
        split = self.decide("unlink", "OTHERHOSP/Q1")
        document, bundle, message = self.all_told(3)
        self.assertEqual((document["kind"], document["id"], [l["number"] for l in document["rest"]], [l["number"] for l in document["apart"]]),
                         ("identity.split", split, ["P1"], ["Q1"]))
        self.assertNotEqual(document["patient"]["person"], document["other"]["person"])
        self.assertEqual({one["active"] for one in bundle.values()}, {True})
        self.assertEqual((message.type, self.numbers(message)), ("ADT^A37^ADT_A37", [["P1"], ["Q1"]]))
        undone = self.decide("undo", split)
        document, bundle, message = self.all_told(4)
        self.assertEqual((document["kind"], document["of"], document["undoes"]), ("identity.undone", split, "identity.split"))
        self.assertEqual(document["patient"]["person"], document["other"]["person"])
        self.assertEqual(message.type, "ADT^A24^ADT_A24")
        self.killed()
        self.decide("undo", merge)
        document, bundle, message = self.all_told(5)
        self.assertEqual((document["of"], document["undoes"], message.type), (merge, "identity.merged", "ADT^A37^ADT_A37"))
        self.decide("undo", undone)
        document, bundle, message = self.all_told(6)
        self.assertEqual((document["of"], document["undoes"], message.type), (undone, "identity.undone", "ADT^A37^ADT_A37"))

        # Who asks for one of the two hospitals, or where it is, hears of all, who asks for others of nothing; of whom no machine decided.
        self.assertEqual([one.event for one in self.told("other", 6)], [one.event for one in self.told("registry", 6)])
        self.told("area", 6)
        self.at_rest()
        for name in ("elsewhere", "results", "parties"):
            self.assertEqual(self.hooks[name].taken, [])
        for hook in self.hooks.values():
            for one in hook.taken:
                for hidden in ("王芳", "两张病案", "local-operator", "cards"):
                    self.assertNotIn(hidden, one.body.decode("utf-8"))

        # A rebuild sends nothing, a replay everything once more under the same ids: over HL7 v2 what is so.
        before = [one.event for one in self.told("registry", 6)]
        live.stop()
        live.command("rebuild")
        live.start()
        self.say("A04", "P3", "TESTHOSP", OTHERS[2])
        self.say("A04", "Q3", "OTHERHOSP", OTHERS[3])
        self.decide("link", "TESTHOSP/P3", "OTHERHOSP/Q3")
        document, bundle, message = self.all_told(7)
        self.assertEqual((document["reasons"], message.type), (["linked-by-steward"], "ADT^A24^ADT_A24"))
        live.command("replay", "--subscriber", "registry", "--from", "2020-01-01T00:00", "--patient", "OTHERHOSP/Q1")
        live.command("replay", "--subscriber", "his", "--from", "2020-01-01T00:00", "--patient", "OTHERHOSP/Q1")
        again = until(lambda: (lambda all: all if len(all) == 11 else None)([one.event for one in self.hooks["registry"].accepted()]), "the replay", 20)
        self.assertEqual(again[7:], [before[0], before[2], before[3], before[5]])
        until(lambda: len(self.his.accepted()) >= 9, "the replay over HL7 v2", 20)
        self.at_rest()
        self.assertEqual([m.type for m in self.his.taken[7:]], ["ADT^A37^ADT_A37", "ADT^A37^ADT_A37"], "they are two persons by now")

    def test_a_facilitys_own_merge_is_told_once_and_a_patients_results_keep_their_order(self):
        live = self.start(everything={})
        self.say("A04", "P1", "TESTHOSP", OTHERS[0])
        self.say("A04", "P2", "TESTHOSP", OTHERS[1])
        self.say("A40", "P1", "TESTHOSP", OTHERS[0], merged="P2")
        shown = until(lambda: (lambda all: all if len(all) == 1 else None)(
            json.loads(live.command("identity", "show", "TESTHOSP/P1", "--json").stdout)["decisions"]), "the merge", 10)
        self.assertEqual([m.type for m in self.heard(1)], ["ADT^A40^ADT_A39"])
        self.at_rest()
        self.assertEqual(self.hooks["registry"].taken, [])
        kinds = [one.headers["x-hutong-event-kind"] for one in self.hooks["everything"].taken]
        self.assertEqual(kinds.count("patient.merged"), 1)
        # A steward takes it back: that is news.
        self.decide("undo", shown[0]["id"])
        document = json.loads(self.told("registry", 1)[0].body)
        self.assertEqual((document["undoes"], document["other"]["number"]), ("identity.merged", "P2"))
        self.assertEqual([m.type for m in self.heard(2)], ["ADT^A40^ADT_A39", "ADT^A37^ADT_A37"])
        self.say("A08", "P2", "TESTHOSP", {**OTHERS[1], "phone": "13904540000"})
        kinds = lambda: [one.headers["x-hutong-event-kind"] for one in self.hooks["everything"].taken]
        everything = until(lambda: (lambda all: all if all[-1] == "encounter.changed" and "identity.undone" in all else None)(kinds()),
                           "what came after it comes after it", 20)
        self.assertEqual([kind for kind in everything if kind.startswith("identity.")], ["identity.undone"])

    def test_a_refused_decision_holds_both_its_patients_and_nobody_else(self):
        live = self.start(ward={"attempts": 1, "kinds": ["identity.*", "encounter.changed"]})
        for i, number in enumerate(("P1", "P2", "P3")):
            self.say("A04", number, "TESTHOSP", OTHERS[i])
        ward = self.hooks["ward"]
        ward.answer = lambda request: 422 if request.headers["x-hutong-event-kind"] == "identity.linked" else 200
        self.at_rest()
        self.decide("link", "TESTHOSP/P1", "TESTHOSP/P2")
        letters = lambda: json.loads(live.command("deadletter", "list", "--json").stdout)["letters"]
        letter = until(lambda: (letters() or [None])[0], "a dead letter", 15)
        self.assertEqual((letter["state"], letter["kind"], letter["id"][:2]), ("dead", "identity.linked", "2:"))
        shown = live.command("deadletter", "show", "ward/" + letter["id"]).stdout
        self.assertIn("linked-by-steward", shown)
        self.assertNotIn("王芳", shown)
        before = len(ward.accepted())
        for i, number in enumerate(("P1", "P2", "P3")):
            self.say("A08", number, "TESTHOSP", {**OTHERS[i], "phone": "13904540000"})
        until(lambda: len(ward.accepted()) == before + 1, "the third patient's", 15)
        self.assertIn("P3", ward.accepted()[-1].body.decode())
        self.killed(at_rest=False)
        ward.answer = lambda request: 200
        live.command("deadletter", "retry", "ward/" + letter["id"])
        until(lambda: len(ward.accepted()) == before + 4, "all of it", 20)
        self.assertEqual(ward.accepted()[before + 1].headers["x-hutong-event-kind"], "identity.linked")


if __name__ == "__main__":
    run()
