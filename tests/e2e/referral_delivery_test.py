"""Referrals and critical values reach subscribers: a community refers, the hospital's system hears of it, its answer comes back; who loses the
referral is told that and no more, who is no party hears nothing. Over webhooks and as HL7 v2, across kills, a rebuild, a refusal and a replay.
Invented patients."""

import datetime
import json
import unittest

from hutong import Story, ack, run, until
from messages import msh, pid
from receivers import MllpReceiver, Webhook, allow, declare
from referral import Region, clocks, config, write_keys

SLOT = {"start": "2026-12-01T08:00:00+08:00", "end": "2026-12-01T09:00:00+08:00", "department": "心内科", "place": "3 床"}
CHINA = datetime.timezone(datetime.timedelta(hours=8))


class Told(Story):
    def start(self, hooks=(), feeds=(), more=()):
        """hooks: {name: subscription}, each with a webhook of its own; feeds: the same over MLLP."""
        self.hooks, self.feeds, declared = {}, {}, list(more)
        for name, says in dict(hooks).items():
            self.hooks[name] = Webhook()
            self.addCleanup(self.hooks[name].close)
            declared.append({"name": name, "sink": "rest-hook", "target": self.hooks[name].origin + "/in", **says})
        for name, says in dict(feeds).items():
            self.feeds[name] = MllpReceiver()
            self.addCleanup(self.feeds[name].close)
            declared.append({"name": name, "sink": "mllp", "target": f"127.0.0.1:{self.feeds[name].port}", **says})
        live = self.broker(start=False, config=config() + allow(*[hook.origin for hook in self.hooks.values()]))
        write_keys(live.dir)
        clocks(live)
        declare(live, *declared)
        live.start()
        self.live, self.region = live, Region(live)
        return live

    # What the webhook has taken of these kinds, once there are so many.
    def told(self, name, count, prefix=("referral.", "critical-value.")):
        found = lambda: [one for one in self.hooks[name].accepted() if one.headers["x-hutong-event-kind"].startswith(prefix)]
        return until(lambda: (lambda all: all if len(all) >= count else None)(found()), f"{count} to {name}", 15)

    def heard(self, name, count):
        return until(lambda: (lambda all: all if len(all) >= count else None)(self.feeds[name].accepted()), f"{count} to {name}", 15)

    def steps(self, name, count):
        return [json.loads(one.body)["action"] for one in self.told(name, count)]

    # Everybody has read everything and owes nothing.
    def at_rest(self):
        listed = lambda: json.loads(self.live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        until(lambda: all((one["lagRecords"], one["open"], one["held"]) == (0, 0, 0) for one in listed()), "all are told", 15)

    def test_the_hospital_hears_of_it_and_the_community_of_the_answer(self):
        live = self.start(hooks={"county": {"parties": ["bc-county"], "payload": "fhir"}, "city": {"parties": ["bc-city"], "payload": "fhir"},
                                 "community": {"parties": ["cc-east"], "kinds": ["referral.*"]},
                                 "name": {"parties": ["cc-east"], "kinds": ["referral.*"], "payload": "id-only"},
                                 "everything": {}, "other": {"parties": ["cc-west"]}, "resources": {"payload": "fhir"}},
                          feeds={"county-his": {"parties": ["bc-county"], "kinds": ["referral.*"], "version": "2.4", "charset": "GB18030"},
                                 "community-his": {"parties": ["cc-east"], "kinds": ["referral.*"]}, "labs": {}})
        self.feeds["county-his"].charset = "gb18030"
        region = self.region
        region.arrival()
        asked = region.request(urgency="urgent", reason={"text": "胸痛待查"})["command"]["referral"]

        # What the hospital is sent is what it reads at the door.
        bundle = json.loads(self.told("county", 1)[0].body)
        task, request = (entry["resource"] for entry in bundle["entry"])
        self.assertEqual((task["resourceType"], request["resourceType"], task["id"]), ("Task", "ServiceRequest", asked))
        self.assertEqual(task, region.http("bc-county", "GET", f"/fhir/Task/{asked}").json())
        self.assertEqual(request, region.http("bc-county", "GET", f"/fhir/ServiceRequest/{asked}").json())
        message, = self.heard("county-his", 1)
        self.assertEqual((message.type, message.patient, message.segments[0][3]), ("REF^I12^REF_I12", "C1", "cc-east"))
        rf1 = next(s for s in message.segments if s[0] == "RF1")
        self.assertEqual((rf1[2], rf1[6], rf1[10]), ("U", "T1^cc-east", "^胸痛待查"))
        self.assertIn("王^晓明", next(s for s in message.segments if s[0] == "PID")[5])

        live.restart()
        region.say("bc-county", asked, "decline", version=1, reason={"code": "01", "text": "无床位"}, receiver="bc-city")
        self.assertEqual(self.steps("community", 2), ["request", "decline"])
        answer, = self.heard("community-his", 1)
        rf1 = next(s for s in answer.segments if s[0] == "RF1")
        self.assertEqual((answer.type, rf1[1], rf1[6], rf1[10]), ("RRI^I12^RRI_I12", "R", "T1^cc-east", "01^无床位"))
        self.assertEqual([s[4] for s in answer.segments if s[0] == "PRD"][1], "^^^bc-city")
        names = json.loads(self.told("name", 2)[0].body)
        self.assertEqual(names["resources"][:2], [f"Task/{asked}", f"ServiceRequest/{asked}"])

        # Given to another: the first one is told that it has lost it, and not to whom, nor of whom more than the number.
        region.say("cc-east", asked, "redirect", version=2, receiver="bc-city", choice="agreed", reason={"text": "县医院无床位"})
        self.assertEqual(json.loads(self.told("city", 1)[0].body)["entry"][0]["resource"]["owner"]["reference"], "Organization/bc-city")
        lost = self.heard("county-his", 2)[1]
        self.assertEqual((lost.type, lost.patient), ("REF^I14^REF_I12", "C1"))
        for hidden in ("bc-city", "晓明", "县医院", "胸痛"):
            self.assertNotIn(hidden, lost.raw.decode("gb18030"))
        region.say("bc-city", asked, "accept", version=3, slot=SLOT)
        self.assertEqual(self.steps("community", 4), ["request", "decline", "redirect", "accept"])
        accepted = self.heard("community-his", 2)[1]
        self.assertEqual([s[7][:12] for s in accepted.segments if s[0] == "RF1"], ["202612010800"])
        self.told("city", 2)

        # A rebuild tells nothing twice, and a replay tells who is no party any more only what it may know.
        live.stop()
        live.command("rebuild")
        live.start()
        region.say("bc-city", asked, "arrive")
        self.assertEqual(self.steps("community", 5)[-1], "arrive")
        self.at_rest()
        live.command("replay", "--subscriber", "county-his", "--from", "2020-01-01T00:00")
        self.assertEqual(self.heard("county-his", 3)[2].control, lost.control)
        live.command("replay", "--subscriber", "county", "--from", "2020-01-01T00:00")
        self.at_rest()
        self.assertEqual([m.type for m in self.feeds["county-his"].taken], ["REF^I12^REF_I12", "REF^I14^REF_I12", "REF^I14^REF_I12"])
        self.assertEqual(len(self.told("county", 1)), 2)  # the request and its own declining, then
        for hook in ("community", "city"):
            events = [one.event for one in self.hooks[hook].taken]
            self.assertEqual(len(events), len(set(events)), "told twice")

        # Who is no party: nothing of it, in whichever form.
        region.arrival("cc-west", "W1")
        self.told("everything", 2, "patient.")
        self.at_rest()
        for name in ("everything", "other", "resources"):
            for one in self.hooks[name].taken:
                self.assertNotIn("referral", one.headers["x-hutong-event-kind"])
                self.assertNotIn(asked, one.body.decode("utf-8"))
        for message in self.feeds["labs"].taken:
            self.assertTrue(message.type.startswith("ADT"), message.type)

    # Read while it was a party, handed over when it was none any more: nothing of the patient leaves.
    def test_what_is_handed_over_late_is_for_who_is_a_party_then(self):
        live = self.start(feeds={"county-his": {"parties": ["bc-county"]}}, hooks={"county": {"parties": ["bc-county"], "payload": "fhir"}})
        self.region.arrival()
        for name in ("county", "county-his"):
            live.command("subscriptions", "pause", name)
        listed = lambda: json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        wait = lambda count: until(lambda: [one["open"] for one in listed()] == [count, count], f"{count} are read and wait", 15)
        asked = self.region.request()["command"]["referral"]
        wait(1)  # each is read before the next is said: after the redirect nothing earlier is for this hospital
        self.region.say("bc-county", asked, "decline", version=1, reason={"text": "无床位"})
        wait(2)
        self.region.say("cc-east", asked, "redirect", version=2, receiver="bc-city", choice="agreed", reason={"text": "县医院无床位"})
        wait(3)
        for name in ("county", "county-his"):
            live.command("subscriptions", "resume", name)
        self.assertEqual([message.type for message in self.heard("county-his", 1)], ["REF^I14^REF_I12"])
        self.at_rest()
        self.assertEqual((len(self.feeds["county-his"].taken), self.hooks["county"].taken), (1, []))
        self.assertNotIn("晓明", self.feeds["county-his"].taken[0].raw.decode("utf-8"))

    def test_a_refused_step_waits_for_an_operator_and_its_patients_results_behind_it(self):
        live = self.start(hooks={"community": {"parties": ["cc-east"], "attempts": 1, "kinds": ["referral.*"]}},
                          more=())
        self.hooks["community"].answer = lambda request: 422 if b'"decline"' in request.body else 200
        self.region.arrival()
        asked = self.region.request()["command"]["referral"]
        self.region.say("bc-county", asked, "decline", version=1, reason={"text": "无床位"})
        self.region.say("cc-east", asked, "redirect", version=2, receiver="bc-city", choice="agreed", reason={"text": "县医院无床位"})
        letters = lambda: json.loads(live.command("deadletter", "list", "--json").stdout)["letters"]
        found = until(lambda: (lambda all: all if len(all) == 2 else None)(letters()), "a dead letter, and what stands behind it", 15)
        self.assertEqual([(l["state"], l["kind"]) for l in found], [("dead", "referral.answered"), ("behind", "referral.answered")])
        self.assertIn('"decline"', live.command("deadletter", "show", "community/" + found[0]["id"]).stdout)
        live.kill()
        live.start()
        self.hooks["community"].answer = lambda request: 200
        live.command("deadletter", "retry", "community/" + found[0]["id"])
        self.assertEqual(self.steps("community", 3), ["request", "decline", "redirect"])

    def test_a_critical_value_is_told_to_the_centre_that_ordered_it(self):
        live = self.start(hooks={"village": {"parties": ["vc-01"], "kinds": ["critical-value.*"]},
                                 "name": {"parties": ["vc-01"], "kinds": ["critical-value.opened"], "payload": "id-only"},
                                 "everything": {}, "other": {"parties": ["cc-east"]}})
        now = datetime.datetime.now(CHINA).strftime("%Y%m%d%H%M%S")
        with live.mllp() as feed:
            answer = ack(feed.exchange("\r".join([
                msh("ORU^R01^ORU_R01", "L1", facility="lab-regional", time=now),
                pid("V1", name="测试^七", born="19600101", sex="F", facility="vc-01"),
                f"OBR|1|R1-P|R1|BIO^电解质^L|||{now}|||||||||V01^村医生||||||{now}||LAB|F",
                f"OBX|1|NM|K^钾^L||7.1|mmol/L|3.5-5.3|HH|||F|||{now}"]) + "\r"))
        self.assertEqual(answer.code, "AA")
        opened, told = (json.loads(one.body) for one in self.told("village", 2)[:2])
        self.assertEqual((opened["facility"], opened["laboratory"], opened["loinc"]), ("vc-01", "lab-regional", "2823-3"))
        self.assertNotIn("测试", str(opened) + str(told))
        observation = json.loads(self.told("name", 1)[0].body)["resources"][0]
        self.assertEqual(live.fhir(observation)["valueQuantity"]["value"], 7.1)
        confirmed = self.region.http("vc-01", "POST", f"/api/v1/critical-values/{opened['value']}/confirmation",
                                     {"facility": "vc-01", "name": "王医生", "practitioner": "V01"})
        self.assertEqual(confirmed.status, 200, confirmed.text)
        kinds = [one.headers["x-hutong-event-kind"] for one in self.told("village", 3)]
        self.assertEqual(kinds, ["critical-value.opened", "critical-value.told", "critical-value.confirmed"])
        self.at_rest()
        for name in ("everything", "other"):
            self.assertFalse([one for one in self.hooks[name].taken if one.headers["x-hutong-event-kind"].startswith("critical")])

    def test_what_would_be_told_to_nobody_is_a_mistake(self):
        live = self.broker(start=False, config=config() + allow("https://his.example.cn"))
        write_keys(live.dir)
        for wrong, expected in [({"kinds": ["referral.answered"]}, "parties"), ({"kinds": ["referral.*"]}, "parties"),
                                ({"kinds": ["referral.told"], "parties": ["cc-east"]}, "no events of this kind"),
                                ({"kinds": ["critical-value.opened"], "parties": ["cc-east"], "payload": "fhir"}, "cannot be said")]:
            declare(live, {"name": "x", "sink": "rest-hook", "target": "https://his.example.cn/", **wrong})
            done = live.command("check", expect=2)
            self.assertIn("test.toml:", done.stderr)
            self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    run()
