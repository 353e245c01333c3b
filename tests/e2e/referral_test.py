"""Two-way referral: community → county hospital, declined, redirected to the city hospital, accepted, arrived, reported, sent down, accepted
below, closed; with the broker stopped or killed between every two steps. Nobody waits unseen, nobody else reads it, and a rebuild
shows the same. Invented patients."""

import datetime
import os
import pathlib
import time

from hutong import Story, ack, run, until
from messages import msh, oru, pid, resident_card
from referral import CARD, NATIONAL_ID, Region, clocks, config, write_keys

WALL = pathlib.Path(os.environ.get("HUTONG_BUILD", "build/release")) / "tests" / "libhutong_wall.so"
SLOT = {"start": "2026-12-01T08:00:00+08:00", "end": "2026-12-01T09:00:00+08:00", "department": "心内科", "place": "3 床"}
REPORT = [{"kind": "treatment-report", "id": "45c48cce2e2d7fbdea1afc51c7c6ad26"}]


class Referral(Story):
    def start(self, environment=None, clients=None, **options):
        live = self.broker(start=False, config=clients or config(), environment=environment)
        write_keys(live.dir)
        clocks(live, **options)
        live.start()
        self.region = Region(live)
        self.region.arrival()
        return live

    # Stopped and started again, by turns gently and not.
    def interrupted(self, live):
        self.turns = getattr(self, "turns", 0) + 1
        if self.turns % 2:
            live.kill()
        else:
            live.stop()
        live.start()

    def states(self, referral):
        return [step["state"] for step in self.region.read(referral, "cc-east")["steps"]]

    def test_the_whole_way_with_a_restart_between_every_two_steps(self):
        live, region = self.start(), None
        region = self.region
        asked = region.request(urgency="urgent", reason={"text": "胸痛待查"})
        up = asked["command"]["referral"]
        self.assertEqual((asked["command"]["outcome"], asked["command"]["state"], asked["command"]["version"]), ("applied", "requested", 1))
        self.interrupted(live)
        region.say("bc-county", up, "receive", version=1)
        self.interrupted(live)
        region.say("bc-county", up, "decline", version=2, reason={"code": "01", "text": "无床位"}, receiver="bc-city")
        shown = region.read(up)
        self.assertEqual((shown["state"], shown["proposed"], shown["waitingFor"]["role"]), ("declined", "bc-city", "sender"))
        self.interrupted(live)
        region.say("cc-east", up, "redirect", version=3, receiver="bc-city", choice="agreed", reason={"text": "县医院无床位"})
        region.read(up, "bc-county", expect=404)  # who lost it reads it no more
        self.assertEqual(region.ledger("bc-county"), [])
        self.interrupted(live)
        region.say("bc-city", up, "accept", version=4, slot=SLOT)
        self.interrupted(live)
        region.say("bc-city", up, "arrive", happened="2026-12-01T08:10:00+08:00")
        self.interrupted(live)
        region.say("bc-city", up, "report", documents=REPORT)
        self.interrupted(live)
        refused = region.say("bc-city", up, "close", version=7, expect=409)  # nobody is sent down to who has not accepted
        self.assertEqual(refused["error"]["code"], "downward-missing")
        self.assertTrue(refused["command"]["text"]["zh"] and refused["command"]["text"]["en"])
        down = region.request("bc-city", "cc-east", "Z1", "down", follows=up)["command"]["referral"]
        self.assertEqual(region.read(up)["state"], "report-returned")
        self.interrupted(live)
        region.say("cc-east", down, "accept", version=1, slot=SLOT)
        closed = until(lambda: (lambda one: one if one["state"] == "closed" else None)(region.read(up)), "the upward one closes", 10)
        self.interrupted(live)
        region.say("cc-east", down, "arrive")
        region.say("cc-east", down, "report", documents=REPORT)
        self.interrupted(live)
        region.say("cc-east", down, "close", version=4)
        self.assertEqual([step["state"] for step in closed["steps"]],
                         ["requested", "received", "declined", "redirected", "accepted", "arrived", "report-returned", "closed"])
        self.assertEqual(closed["steps"][-1]["role"], "linked")
        self.assertEqual(closed["downward"], down)
        self.assertEqual(region.read(down)["state"], "closed")
        self.assertEqual(region.read(down)["follows"], up)
        for step in closed["steps"]:
            self.assertTrue(step["at"] and step["text"]["zh"] and step["text"]["en"])

        # A resend changes nothing: the same answer.
        self.assertEqual(region.request(urgency="urgent", reason={"text": "胸痛待查"})["command"], asked["command"])
        self.assertEqual(len(region.read(up)["steps"]), 8)

        before = [region.ledger(facility) for facility in ("cc-east", "bc-city", "bc-county")]
        live.stop()
        live.command("rebuild")
        live.start()
        live.settle()
        until(lambda: region.read(up).get("state") == "closed", "the rebuilt ledger", 10)
        self.assertEqual([region.ledger(facility) for facility in ("cc-east", "bc-city", "bc-county")], before)

    # Reads the Task as `facility`, changes it, and puts it back for the version that was read.
    def put(self, facility, task, expect=200, business=None, output=(), **changes):
        read = self.region.http(facility, "GET", f"/fhir/Task/{task}")
        self.assertEqual(read.status, 200, read.text)
        body = {**read.json(), **changes}
        if business:
            body["businessStatus"]["coding"][0]["code"] = business
        body.setdefault("output", []).extend({"type": {"coding": [{"code": code}]}, **value} for code, value in output)
        answer = self.region.http(facility, "PUT", f"/fhir/Task/{task}", body, If_Match=read.header("ETag"))
        self.assertEqual(answer.status, expect, answer.text)
        return answer.json()

    def asked_by_fhir(self, sender, receiver, number, follows=None):
        patient = {"identifier": {"system": NATIONAL_ID, "value": CARD}}
        request = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "subject": patient, "identifier": [{"value": number}],
                   "requester": {"reference": f"Organization/{sender}"}, "performer": [{"reference": f"Organization/{receiver}"}]}
        if follows:
            request["basedOn"] = [{"reference": f"ServiceRequest/{follows}"}]
        task = {"resourceType": "Task", "status": "requested", "intent": "order", "focus": {"reference": "urn:uuid:1"},
                "input": [{"type": {"coding": [{"code": "choice"}]}, "valueCode": "agreed"}]}
        bundle = {"resourceType": "Bundle", "type": "transaction",
                  "entry": [{"fullUrl": "urn:uuid:1", "resource": request, "request": {"method": "POST", "url": "ServiceRequest"}},
                            {"resource": task, "request": {"method": "POST", "url": "Task"}}]}
        answers = [self.region.http(sender, "POST", "/fhir", bundle) for _ in range(2)]  # and sent again
        self.assertEqual([answer.status for answer in answers], [200, 200], answers[0].text)
        self.assertEqual(answers[0].json(), answers[1].json())
        return answers[0].json()["entry"][1]["resource"]["id"]

    def test_the_whole_way_by_fhir_with_a_restart_between_every_two_steps(self):
        live = self.start()
        up = self.asked_by_fhir("cc-east", "bc-county", "F1")
        self.interrupted(live)
        self.put("bc-county", up, status="rejected", statusReason={"text": "无床位"})
        self.interrupted(live)
        # Whoever is asked next is asked for by the patient again: what he chose before, and why somebody declined, are not taken for that.
        moved = {"owner": {"reference": "Organization/bc-city"}}
        chosen = {"type": {"coding": [{"code": "choice"}]}, "valueCode": "agreed"}
        self.assertIn("choice-missing", str(self.put("cc-east", up, expect=409, statusReason={"text": "县医院无床位"}, **moved)))
        self.assertIn("reason-missing", str(self.put("cc-east", up, expect=409, input=[chosen], **moved)))
        self.put("cc-east", up, input=[chosen], statusReason={"text": "县医院无床位"}, **moved)
        self.interrupted(live)
        slot = [("slot", {"valuePeriod": {"start": "2026-12-01T08:00:00+08:00", "end": "2026-12-01T09:00:00+08:00"}})]
        self.put("bc-city", up, status="accepted", output=slot)
        self.interrupted(live)
        self.put("bc-city", up, status="in-progress")
        self.interrupted(live)
        self.put("bc-city", up, output=[("treatment-report", {"valueReference": {"reference": "DocumentReference/45c48cce2e2d7fbdea1afc51c7c6ad26"}})])
        self.interrupted(live)
        self.put("bc-city", up, status="completed", expect=409)
        down = self.asked_by_fhir("bc-city", "cc-east", "F2", follows=up)
        self.interrupted(live)
        self.put("cc-east", down, status="accepted", output=slot)
        self.reaches(up, "closed")
        self.interrupted(live)
        self.assertEqual(self.states(up), ["requested", "declined", "redirected", "accepted", "arrived", "report-returned", "closed"])
        found = self.region.http("cc-east", "GET", "/fhir/Task?status=completed&direction=up&_include=Task:focus").json()
        self.assertEqual([(entry["resource"]["resourceType"], entry["resource"]["id"]) for entry in found["entry"]], [("Task", up), ("ServiceRequest", up)])

    # Until the message's command was decided.
    def reaches(self, referral, state, facility="cc-east"):
        until(lambda: self.region.read(referral, facility)["state"] == state, f"{state}", 15)

    def referral_of(self, number, facility="cc-east"):
        return until(lambda: next((one for one in self.region.ledger(facility) if one["number"] == number), None), number, 15)["id"]

    def test_the_whole_way_by_hl7_with_a_restart_between_every_two_steps(self):
        live = self.start()
        region = self.region
        say = region.message
        answer = say("REF^I12^REF_I12", "cc-east", "H1", "cc-east", receiver="bc-county", reason="^胸痛待查", zrf="agreed|up")
        self.assertEqual(answer[0][8], "RRI^I12^RRI_I12")
        self.assertEqual([segment[0] for segment in answer], ["MSH", "MSA", "RF1", "PRD", "PID"])
        self.assertEqual((answer[2][1], answer[2][6]), ("P", "H1^cc-east"))
        up = self.referral_of("H1")
        self.assertEqual(region.read(up)["indication"]["text"], "胸痛待查")
        self.interrupted(live)
        say("RRI^I12^RRI_I12", "bc-county", "H1", "cc-east", "R", reason="01^无床位", receiver="bc-city")
        self.reaches(up, "declined")
        self.assertEqual(region.read(up)["proposed"], "bc-city")
        self.interrupted(live)
        say("REF^I13^REF_I12", "cc-east", "H1", "cc-east", receiver="bc-city", reason="^县医院无床位", zrf="agreed")
        self.reaches(up, "redirected")
        self.interrupted(live)
        say("RRI^I13^RRI_I12", "bc-city", "H1", "cc-east", "A", slot=("20261201080000", "20261201090000"))
        self.reaches(up, "accepted")
        self.interrupted(live)
        say("RRI^I13^RRI_I12", "bc-city", "H1", "cc-east", "ARRIVED")
        self.reaches(up, "arrived")
        self.interrupted(live)
        say("RRI^I13^RRI_I12", "bc-city", "H1", "cc-east", "RETURNED", more=["OBR|1||R77|CT001^胸部CT平扫^L"])
        self.reaches(up, "report-returned")
        self.interrupted(live)
        say("REF^I12^REF_I12", "bc-city", "H2", "bc-city", receiver="cc-east", zrf="agreed|down||H1^cc-east")
        down = self.referral_of("H2")
        self.interrupted(live)
        say("RRI^I12^RRI_I12", "cc-east", "H2", "bc-city", "A", slot=("20261209080000", "20261209090000"))
        self.reaches(down, "accepted")
        self.reaches(up, "closed")
        self.interrupted(live)
        say("RRI^I13^RRI_I12", "cc-east", "H2", "bc-city", "RETURNED")  # who is reported on has arrived
        self.reaches(down, "report-returned")
        say("REF^I13^REF_I12", "bc-city", "H2", "bc-city", "CLOSED")
        self.reaches(down, "closed")
        self.assertEqual(self.states(up), ["requested", "declined", "redirected", "accepted", "arrived", "report-returned", "closed"])
        before = [region.ledger(facility) for facility in ("cc-east", "bc-city", "bc-county")]
        live.stop()
        live.command("rebuild")
        live.start()
        live.settle()
        until(lambda: [region.ledger(facility) for facility in ("cc-east", "bc-city", "bc-county")] == before, "the rebuilt ledger", 10)

    def test_a_referral_is_asked_for_by_hl7_and_answered_by_fhir_and_api(self):
        live = self.start()
        region = self.region
        region.message("REF^I12^REF_I12", "cc-east", "M1", "cc-east", receiver="bc-county", zrf="agreed")  # up, as the levels have it
        up = self.referral_of("M1")
        self.interrupted(live)
        task = region.http("bc-county", "GET", f"/fhir/Task/{up}")
        self.assertEqual(task.status, 200, task.text)
        body = task.json()
        self.assertEqual([entry["valueCode"] for entry in body["input"]], ["up"])  # the choice stands in the ServiceRequest
        body["businessStatus"]["coding"][0]["code"] = "received"
        answer = region.http("bc-county", "PUT", f"/fhir/Task/{up}", body, If_Match=task.header("ETag"))
        self.assertEqual((answer.status, answer.header("ETag")), (200, 'W/"2"'), answer.text)
        self.assertEqual(region.http("bc-county", "PUT", f"/fhir/Task/{up}", {**body, "status": "rejected"}, If_Match=task.header("ETag")).status, 412)
        # The answer was lost and it is put again; and so once somebody else has gone on.
        again = lambda changed=None: region.http("bc-county", "PUT", f"/fhir/Task/{up}", changed or body, If_Match=task.header("ETag"))
        self.assertEqual((again().status, again().header("ETag")), (200, 'W/"2"'), again().text)
        self.interrupted(live)
        region.say("bc-county", up, "accept", version=2, slot=SLOT)
        self.assertEqual((again().status, again().json()["status"]), (200, "accepted"), again().text)
        accepted = {**body, "status": "accepted", "output": [{"type": {"coding": [{"code": "slot"}]}, "valuePeriod": {"start": SLOT["start"], "end": SLOT["end"]}}]}
        accepted["businessStatus"] = {"coding": [{"code": "accepted"}]}
        put = lambda body: region.http("bc-county", "PUT", f"/fhir/Task/{up}", body, If_Match='W/"3"').status
        self.assertEqual([put(accepted), put(accepted)], [200, 200])
        later = {**accepted, "output": [{**accepted["output"][0], "valuePeriod": {"start": SLOT["start"], "end": "2026-12-01T10:00:00+08:00"}}]}
        self.assertEqual(put(later), 412)  # another word under the version of the first
        region.say("bc-county", up, "accept", version=4, slot=SLOT)
        self.interrupted(live)
        region.message("RRI^I13^RRI_I12", "bc-county", "M1", "cc-east", "ARRIVED")
        self.reaches(up, "arrived")
        body = region.http("bc-county", "GET", f"/fhir/Task/{up}").json()
        body["output"].append({"type": {"coding": [{"code": "treatment-report"}]}, "valueReference": {"reference": "DocumentReference/45c48cce2e2d7fbdea1afc51c7c6ad26"}})
        self.assertEqual(region.http("bc-county", "PUT", f"/fhir/Task/{up}", body).json()["businessStatus"]["text"], "已回报")
        self.interrupted(live)
        region.message("REF^I14^REF_I12", "cc-east", "M1", "cc-east", reason="^误")  # too late: the patient was there
        time.sleep(0.5)
        self.assertEqual(region.read(up)["state"], "report-returned")
        region.say("cc-east", up, "close", version=7, reason={"text": "已痊愈，无需下转"})
        self.assertEqual(region.read(up)["state"], "closed")
        for missing in ("/fhir/Task/" + "0" * 32, "/fhir/Task/nonsense", "/fhir/CodeSystem/nonsense"):
            self.assertEqual(region.http("bc-county", "GET", missing).status, 404)
        self.assertEqual(region.http("cc-west", "GET", f"/fhir/Task/{up}").status, 404)
        self.assertEqual(region.http("cc-west", "GET", f"/fhir/ServiceRequest/{up}").status, 404)

    def test_who_may_say_what(self):
        self.start()
        region = self.region
        up = region.request()["command"]["referral"]
        region.read(up, "cc-west", expect=404)
        # For an outsider it is not there: the same answer as of none.
        strange, none = (region.say("cc-west", each, "accept", slot=SLOT, expect=404) for each in (up, "0" * 32))
        for answer in (strange, none):
            for given in ("id", "referral", "at"):
                self.assertTrue(answer["command"].pop(given))
        self.assertEqual(strange, none)
        self.assertEqual(strange["command"]["refusal"], "unknown-referral")
        self.assertEqual(region.say("bc-county", up, "accept", slot=SLOT, client="cc-west", expect=403)["error"]["code"], "forbidden")
        region.ledger("bc-county", client="cc-west", expect=403)
        self.assertEqual(region.say("cc-east", up, "accept", slot=SLOT, expect=409)["command"]["refusal"], "not-yours")
        self.assertEqual(region.say("bc-county", up, "accept", version=7, slot=SLOT, expect=412)["command"]["refusal"], "version-conflict")
        self.assertEqual(region.say("bc-county", up, "accept", expect=409)["command"]["refusal"], "slot-missing")
        self.assertEqual(region.say("bc-county", "0" * 32, "accept", slot=SLOT, expect=404)["command"]["refusal"], "unknown-referral")
        reader = self.region.http("clinic", "POST", f"/api/v1/referrals/{up}/commands", {"action": "receive", "facility": "bc-county"})
        self.assertEqual(reader.status, 403)
        self.assertIn("system/Task.u", reader.text)
        # The duty role redirects and ends; a facility's client may not speak for it.
        self.assertEqual(region.say("", up, "cancel", client="bc-county", capacity="coordinator", reason={"text": "误"}, expect=403)["error"]["code"],
                         "forbidden")
        region.say("", up, "redirect", client="duty", capacity="coordinator", receiver="bc-city", choice="agreed", reason={"text": "县医院停电"})
        self.assertEqual(region.read(up)["receiver"]["facility"], "bc-city")
        # A critical patient waits for nobody's acceptance, and no version holds an arrival back.
        region.say("bc-city", up, "arrive", version=1)
        self.assertTrue(region.read(up)["cameUnaccepted"])
        for missing, why in (({"choice": ""}, "choice-missing"), ({"choice": "refused"}, "patient-refused"), ({"receiver": "bc-city", "direction": "down"}, "direction-mismatch"),
                             ({"receiver": "nowhere"}, "receiver-unknown"), ({"receiver": "lab-regional"}, "route-outside")):
            self.assertEqual(region.request(number=f"N-{why}", expect=409, **missing)["command"]["refusal"], why)
        self.assertEqual(region.request(number="N2", expect=422, patient={"facility": "cc-east", "number": "nobody"})["error"]["code"], "patient-unknown")

    def test_who_may_read_and_not_search_reads_its_own_alone(self):
        others = {"reader-west": ("system/Task.r", "cc-west"), "reader-east": ("system/Task.r", "cc-east"), "reader-county": ("system/Task.r", "bc-county")}
        self.start(clients=config(others=others))
        region = self.region
        asked = region.request(number="ZZ17", outside="仅此一家")["command"]
        up, command = asked["referral"], asked["id"]
        region.read(up, "reader-west", expect=404)
        self.assertEqual(region.read(up, "reader-east")["number"], "ZZ17")
        verdict = lambda client: region.http(client, "GET", f"/api/v1/referrals/commands/{command}").status
        self.assertEqual([verdict(client) for client in ("cc-east", "cc-west", "reader-west", "reader-county")], [200, 404, 404, 404])
        # An operator sees the course, and no free words.
        operator = region.broker.http("GET", f"/api/v1/referrals/{up}", token=region.broker.token("operator"))
        self.assertEqual(operator.status, 200)
        for hidden in ("仅此一家", "ZZ17", CARD):
            self.assertNotIn(hidden, operator.text)
        # Who has lost it, and sends again what was applied once, hears that and not how it goes on.
        accept = lambda: region.say("bc-county", up, "accept", key="K1", slot=SLOT)
        self.assertEqual(accept()["now"]["version"], 2)
        region.say("cc-east", up, "redirect", receiver="bc-city", choice="agreed", reason={"text": "县医院停电"})
        self.assertNotIn("now", accept())
        # What is no id is in no audit.
        region.ledger(query=f"&patient={CARD}", expect=400)
        region.broker.stop()
        audit = "".join(file.read_text(errors="replace") for file in (region.broker.dir / "audit").glob("*"))
        self.assertIn("referral-ledger", audit)
        self.assertNotIn(CARD, audit)

    def test_what_was_refused_is_judged_anew(self):
        live = self.start()
        region = self.region
        up = region.request()["command"]["referral"]
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
        slot = {**SLOT, "start": soon.isoformat(), "end": (soon + datetime.timedelta(hours=1)).isoformat()}
        region.say("bc-county", up, "accept", version=1, slot=slot)
        for _ in range(3):
            refused = region.say("bc-county", up, "no-show", version=2, expect=409)
            self.assertEqual(refused["command"]["refusal"], "slot-not-over")
        time.sleep(3.1)
        self.assertEqual(region.say("bc-county", up, "no-show", version=2)["now"]["state"], "no-show")
        self.interrupted(live)
        self.assertEqual(region.say("bc-county", up, "no-show", version=2)["command"]["outcome"], "applied")  # and now it stands
        self.assertEqual(len(region.read(up)["steps"]), 3)
        # A fact of who is no party becomes one of who is.
        moved = lambda receiver: region.say("cc-east", up, "redirect", receiver=receiver, choice="agreed", reason={"text": "停电"})
        moved("bc-city")
        region.say("bc-county", up, "arrive", expect=404)
        moved("bc-county")
        region.say("bc-county", up, "arrive")
        # A request that no table allowed, once the table does.
        refused = region.request(number="T2", receiver="lab-regional", expect=409)
        self.assertEqual(refused["command"]["refusal"], "route-outside")
        own = live.dir / "schemas" / "referral"
        shipped = pathlib.Path(os.environ["HUTONG_SOURCE"]) / "schemas" / "referral" / "routes.csv"
        (own / "routes.csv").write_text(shipped.read_text(encoding="utf-8") + "up,1,2,laboratory,any,2024-01-01,,story\n", encoding="utf-8")
        live.reload()
        until(lambda: region.http("cc-east", "POST", "/api/v1/referrals", {
            "facility": "cc-east", "number": "T2", "direction": "up", "receiver": "lab-regional", "choice": "agreed", "department": "全科", "practitioner": "D07",
            "patient": {"identifiers": [{"system": NATIONAL_ID, "value": CARD}]}}).status == 201, "the same request, once it is allowed", 10)

    def test_a_burst_of_hl7_ends_where_its_last_message_says(self):
        live = self.start()
        region = self.region
        patient = pid("C1", name="王^晓明", born="19800101", sex="M", card=CARD, facility="cc-east")

        def told(kind, number, receiver, control):
            return "\r".join([msh(f"REF^{kind}^REF_I12", control, facility="cc-east", application="HIS"), f"RF1||R|||A|{number}^cc-east||||^停电",
                              f"PRD|RT|||^^^{receiver}", patient, "ZRF|agreed"]) + "\r"

        ways = {"B1": ("bc-county", "bc-city"), "B2": ("bc-county", "bc-city", "bc-county"), "B3": ("bc-city", "bc-county", "bc-city", "bc-county")}
        burst = [told("I12" if i == 0 else "I13", number, receiver, f"{number}-{i}") for number, way in ways.items() for i, receiver in enumerate(way)]
        with live.mllp() as feed:
            for answer in feed.pipeline(burst):
                self.assertEqual(ack(answer).code, "AA", answer)
        for number, way in ways.items():
            up = self.referral_of(number)
            until(lambda: len(region.read(up)["steps"]) == len(way), "all are decided", 10)
            shown = region.read(up)
            self.assertEqual((shown["receiver"]["facility"], shown["state"]), (way[-1], "redirected"), number)
            self.assertEqual([step["action"] for step in shown["steps"]], ["request"] + ["redirect"] * (len(way) - 1))
            self.assertIn(up, [one["id"] for one in region.ledger(way[-1])])
            region.read(up, way[-2], expect=404)

    def test_the_ledger_is_searched_and_paged(self):
        live = self.start(remind="1s", escalate="2s", again="1h", end="2h")
        region = self.region
        made = [region.request(number=f"L{i}", urgency="routine")["command"]["referral"] for i in range(7)]
        region.say("bc-county", made[0], "decline", reason={"text": "无床位"})
        region.say("cc-east", made[1], "cancel", reason={"text": "好转"})
        region.say("bc-county", made[2], "accept", slot=SLOT)
        ids = lambda found: [one["id"] for one in found]
        self.assertEqual(ids(region.ledger()), made[::-1])
        self.assertEqual(ids(region.ledger("bc-county", "&part=receiver&state=requested")), made[:2:-1])
        self.assertEqual(ids(region.ledger("bc-county", "&part=sender")), [])
        self.assertEqual(ids(region.ledger(query="&state=declined,cancelled")), [made[1], made[0]])
        self.assertEqual(ids(region.ledger(query="&open=false")), [made[1]])
        self.assertEqual(ids(region.ledger(query="&direction=down")), [])
        until(lambda: ids(region.ledger(query="&overdue=true")) == [*made[:2:-1], made[0]], "what nobody answered is overdue", 10)
        person = live.fhir(f"Patient?identifier={NATIONAL_ID}|{CARD}")["entry"][0]["resource"]["id"]
        self.assertEqual(ids(region.ledger(query=f"&patient={person}")), made[::-1])
        for query in ("", f"&patient={person}", "&open=true"):
            pages, page = [], ""
            while True:
                answer = region.http("cc-east", "GET", f"/api/v1/referrals?facility=cc-east&limit=2{query}{page}").json()
                self.assertLessEqual(len(answer["referrals"]), 2)
                pages += ids(answer["referrals"])
                if not answer.get("next"):
                    break
                page = "&page=" + answer["next"]
            self.assertEqual(pages, [one for one in made[::-1] if not (query == "&open=true" and one == made[1])])
        # An operator sees the course of all, and nobody's patient.
        seen = live.http("GET", "/api/v1/referrals", token=live.token("operator"))
        self.assertEqual(ids(seen.json()["referrals"]), made[::-1])
        self.assertNotIn(person, seen.text)
        self.assertNotIn("L3", seen.text)
        self.assertEqual(live.http("GET", f"/api/v1/referrals?patient={person}", token=live.token("operator")).status, 403)

    def test_a_referral_opens_reports_of_its_patient_alone(self):
        little = "system/Task.cruds system/ServiceRequest.cruds"
        live = self.start(clients=config(scopes=little, others={"cc-west": (little + " system/DiagnosticReport.r", "cc-west")}))
        region = self.region
        other = resident_card(order=55)
        patients = {"mine": pid("C1", name="王^晓明", born="19800101", sex="M", card=CARD, facility="cc-east"),
                    "other": pid("C9", name="李^大山", born="19700505", sex="M", card=other, facility="cc-east")}
        now = datetime.datetime.now().strftime("%Y%m%d%H%M%S")
        self.sent = 0

        def result(order, whose="mine", facility="lab-regional", items=(("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1"),), status="F"):
            self.sent += 1
            with live.mllp() as feed:
                answer = ack(feed.exchange(oru(control=f"X{self.sent}", order=order, observed=now, items=items, patient=patients[whose], facility=facility, status=status)))
            self.assertEqual(answer.code, "AA", answer.raw)
            live.settle()

        def report_of(card, order):
            person = live.fhir(f"Patient?identifier={NATIONAL_ID}|{card}")["entry"][0]["resource"]["id"]
            found = live.fhir(f"DiagnosticReport?patient={person}")["entry"]
            return next(one["resource"]["id"] for one in found if order in str(one["resource"]["identifier"]))

        for order in ("L1", "L2", "L3"):
            result(order)
        result("E1", facility="cc-east")
        result("X1", "other")
        foreign, own, first, second, third = report_of(other, "X1"), report_of(CARD, "E1"), *(report_of(CARD, order) for order in ("L1", "L2", "L3"))
        status = lambda client, report: region.http(client, "GET", f"/fhir/DiagnosticReport/{report}").status
        named = lambda report: {"documents": [{"kind": "report", "id": report}]}
        put_in = lambda report: [{"type": {"coding": [{"code": "report"}]}, "valueReference": {"reference": f"DiagnosticReport/{report}"}}]

        # What is another's is opened by no door and by neither party; nor, to who could not read it before, what is this one's.
        up = region.request()["command"]["referral"]
        for report in (foreign, first, "0" * 32):
            for client, action in (("cc-east", "amend"), ("bc-county", "report")):
                self.assertEqual(region.say(client, up, action, expect=422, **named(report))["error"]["code"], "document-unknown")
            for client, side in (("cc-east", "input"), ("bc-county", "output")):
                body = region.http(client, "GET", f"/fhir/Task/{up}").json()
                answer = region.http(client, "PUT", f"/fhir/Task/{up}", {**body, side: body.get(side, []) + put_in(report)})
                self.assertEqual(answer.status, 422, answer.text)
            region.request(number="W", expect=422, **named(report))
        self.assertEqual([step["action"] for step in region.read(up)["steps"]], ["request"])
        for client in ("cc-east", "bc-county"):
            self.assertEqual([status(client, report) for report in (foreign, first)], [403, 403])
        # Its own result a facility names as it is; and an outsider's word is none.
        region.say("cc-east", up, "amend", **named(own))
        self.assertEqual([status(client, own) for client in ("bc-county", "bc-city")], [200, 403])
        region.say("bc-city", up, "report", expect=404, **named(foreign))

        # Who may read reports names them; what a correction gives to another, or a label hides, closes again.
        west = region.request("cc-west", number="T9", documents=[{"kind": "report", "id": report} for report in (first, second, third)])["command"]["referral"]
        self.assertEqual([status("bc-county", report) for report in (first, second, third, foreign)], [200, 200, 200, 403])
        result("L2", "other", status="C")
        result("L3", items=(("HIVAB", "人类免疫缺陷病毒抗体", "阴性", "", ""),), status="C")
        self.assertEqual([status("bc-county", report) for report in (first, second, third)], [200, 403, 403])
        live.stop()
        live.command("rebuild")
        live.start()
        live.settle()
        until(lambda: region.read(west, "cc-west")["state"] == "requested", "rebuilt", 10)
        self.assertEqual([status("bc-county", report) for report in (first, second, third)], [200, 403, 403])

    def test_the_records_travel_and_whoever_loses_the_referral_loses_them(self):
        live = self.broker(start=False, config=config(scopes="system/Task.cruds system/ServiceRequest.cruds"))
        write_keys(live.dir)
        clocks(live)
        (live.dir / "schemas" / "referral" / "parameters.csv").write_text(
            "name,valid_from,valid_to,value,source\nzone,2024-01-01,,+08:00,story\ninsurance_filing,2024-01-01,,off,story\n"
            "readable_for,2024-01-01,,4s,story\nproposed_for,2024-01-01,,90d,story\n", encoding="utf-8")
        live.start()
        region = self.region = Region(live)
        patient = pid("C1", name="王^晓明", born="19800101", sex="M", card=CARD, facility="cc-east")
        now, old = (moment.strftime("%Y%m%d%H%M%S") for moment in (datetime.datetime.now(), datetime.datetime.now() - datetime.timedelta(days=200)))
        with live.mllp() as feed:
            for control, order, observed, items in (("1", "R1", now, [("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1")]), ("2", "R2", old, [("K", "钾", "4.1", "mmol/L", "")]),
                                                    ("3", "R3", now, [("HIVAB", "人类免疫缺陷病毒抗体", "阴性", "", "")])):
                feed.exchange(oru(control=control, order=order, observed=observed, items=items, patient=patient, facility="cc-east"))
        live.settle()
        person = live.fhir(f"Patient?identifier={NATIONAL_ID}|{CARD}")["entry"][0]["resource"]["id"]
        proposed = live.http("GET", f"/api/v1/referrals/proposals?patient={person}", token=live.token()).json()["documents"]
        self.assertEqual([(one["kind"], one["recognisable"]) for one in proposed], [("report", True)])  # recent, and not sensitive
        report = proposed[0]["id"]
        observation = live.fhir(f"Observation?patient={person}&code=14749-6")["entry"][0]["resource"]["id"]
        for wrong in ("0" * 32, "nothing"):
            refused = region.request(number="W", expect=422, documents=[{"kind": "report", "id": wrong}])
            self.assertEqual(refused["error"]["code"], "document-unknown")
        up = region.request(documents=[{"kind": "report", "id": report}])["command"]["referral"]

        def reads(facility):
            answers = {region.http(facility, "GET", f"/fhir/{what}").status for what in (f"DiagnosticReport/{report}", f"Observation/{observation}")}
            self.assertEqual(len(answers), 1)
            return answers.pop() == 200

        self.assertTrue(reads("bc-county"))
        for facility in ("bc-city", "cc-west"):
            self.assertFalse(reads(facility))
        self.assertEqual(region.http("bc-county", "GET", f"/fhir/Patient/{person}").status, 403)
        self.assertEqual(region.http("bc-county", "GET", f"/fhir/DiagnosticReport?patient={person}").status, 403)
        region.say("bc-county", up, "decline", reason={"text": "无床位"})
        self.assertFalse(reads("bc-county"))
        region.say("cc-east", up, "redirect", receiver="bc-city", choice="agreed", reason={"text": "县医院无床位"})
        self.assertTrue(reads("bc-city"))
        self.assertFalse(reads("bc-county"))
        region.say("bc-city", up, "report", documents=REPORT)
        region.say("cc-east", up, "close", reason={"text": "已痊愈"})
        self.assertTrue(reads("bc-city"))
        until(lambda: region.http("bc-city", "GET", f"/fhir/DiagnosticReport/{report}").status != 200, "some time after closing it ends", 10)
        self.assertFalse(reads("bc-city"))
        live.stop()
        audit = "".join(file.read_text(errors="replace") for file in (live.dir / "audit").glob("*"))
        self.assertIn(f"referral/{up}", audit)

    def test_beds_are_asked_for_first_and_a_chronic_patient_sent_down_is_followed_up(self):
        live = self.start()
        region = self.region
        soon, past = ({"start": f"{day}T08:00:00+08:00", "end": f"{day}T09:00:00+08:00", "place": "3 诊室"} for day in ("2099-01-01", "2020-01-01"))
        free = {"facility": "bc-city", "department": "心内科", "beds": 2, "slots": [past, soon]}
        self.assertEqual(region.http("bc-county", "PUT", "/api/v1/resources", free).status, 403)
        self.assertEqual(region.http("bc-city", "PUT", "/api/v1/resources", {**free, "beds": 7}).status, 200)
        self.assertEqual(region.http("bc-city", "PUT", "/api/v1/resources", free).status, 200)
        self.assertEqual(region.http("bc-city", "PUT", "/api/v1/resources", {**free, "beds": "many"}).status, 400)
        asked = lambda query="": region.http("cc-east", "GET", "/api/v1/resources" + query).json()["resources"]
        until(lambda: [one.get("beds") for one in asked("?facility=bc-city&department=心内科")] == [2], "the last word", 10)
        self.assertEqual([slot["start"][:4] for slot in asked()[0]["slots"]], ["2099"])
        self.assertEqual(asked("?facility=bc-county"), [])

        down = [region.request("bc-city", "cc-east", f"D{i}", "down", reason={"code": code})["command"]["referral"]
                for i, code in enumerate(("I10.x00", "J18.900", "E11.900"))]
        for referral in down:
            region.say("cc-east", referral, "accept", slot=SLOT)
        for way in (("decline",), ("decline", "accept"), ()):  # lost, and one that comes back
            lost = region.request("bc-city", "cc-east", f"D9{len(way)}", "down", reason={"code": "I10"})["command"]["referral"]
            region.say("cc-east", lost, "accept", slot=SLOT)
            for action in way:
                region.say("cc-east", lost, action, slot=SLOT, reason={"text": "床位已满"})
            region.say("bc-city", lost, "cancel", reason={"text": "另作安排"})
        listed = lambda query="": region.http("cc-east", "GET", "/api/v1/followups" + query).json()
        found = until(lambda: (lambda all: all if len(all) == 2 else None)(listed()["followups"]), "the list", 10)
        self.assertEqual([(one["disease"], one["text"]["zh"], one["from"]) for one in found], [("E11", "糖尿病", "bc-city"), ("I10", "高血压", "bc-city")])
        page = listed("?limit=1")
        self.assertEqual(page["followups"] + listed("?limit=1&page=" + page["next"])["followups"], found)
        self.assertEqual(region.http("cc-west", "GET", "/api/v1/followups?facility=cc-east").status, 403)
        live.stop()
        live.command("rebuild")
        live.start()
        live.settle()
        until(lambda: listed()["followups"] == found, "the same after a rebuild", 10)
        time.sleep(0.5)
        self.assertEqual(listed()["followups"], found)

    def test_an_unanswered_urgent_referral_escalates_on_time_across_restarts(self):
        live = self.start(urgent=("2s", "4s", "3s", "20s"))
        region = self.region
        up = region.request(urgency="urgent")["command"]["referral"]
        asked = time.monotonic()
        live.kill()
        live.start()
        told = lambda: region.read(up).get("told", {})
        until(lambda: "reminded" in told(), "the receiver is reminded", 10)
        live.stop()
        time.sleep(max(0, asked + 4.5 - time.monotonic()))  # down while it was due
        live.start()
        until(lambda: "firstEscalated" in told(), "the duty role is told at once", 5)
        self.assertLess(time.monotonic() - asked, 8)
        shown = region.read(up)
        since = lambda name: (datetime.datetime.fromisoformat(shown["told"][name]) - datetime.datetime.fromisoformat(shown["askedAt"])).total_seconds()
        self.assertGreaterEqual(since("reminded"), 2)
        self.assertGreaterEqual(since("firstEscalated"), 4)
        self.assertEqual(shown["version"], 1)  # nobody's If-Match fails because of a clock
        self.assertTrue(shown["waitingFor"]["overdue"])
        region.say("bc-county", up, "accept", version=1, slot=SLOT)
        self.assertNotIn("told", region.read(up))

    def test_a_wall_clock_that_is_set_neither_hastens_nor_delays_anything(self):
        setting = self.directory() / "wall"
        setting.write_text("0")
        environment = {"LD_PRELOAD": str(WALL), "HUTONG_WALL": str(setting)}
        live = self.start(urgent=("3s", "9s", "30s", "60s"), environment=environment)
        region = self.region
        asked = time.monotonic()
        up = region.request(urgency="urgent")["command"]["referral"]
        told = lambda: region.read(up).get("told", {})

        def alarmed():
            clock = next(one for one in live.http("GET", "/readyz").json()["dependencies"] if one["name"] == "clock")
            return bool(clock.get("reason"))

        setting.write_text("10800")
        region.tokens.clear()  # the broker takes tokens by the wall clock
        until(alarmed, "a clock that was set is told", 10)
        until(lambda: live.metric("hutong_clock_jumped") == 1, "the metric, too", 2)
        self.assertLess(time.monotonic() - asked, 3)
        self.assertNotIn("reminded", told())
        live.kill()  # and killed with it: from here on it follows the wall again
        setting.write_text("0")
        live.start()
        region.tokens.clear()
        until(lambda: "reminded" in told(), "the receiver is reminded", 10)
        self.assertGreaterEqual(time.monotonic() - asked, 3)
        setting.write_text("-18000")
        region.tokens.clear()
        until(alarmed, "set back, too", 10)
        until(lambda: "firstEscalated" in told(), "the duty role is told", 15)
        took = time.monotonic() - asked
        self.assertTrue(9 <= took < 13, took)
        setting.write_text("0")
        region.tokens.clear()
        until(lambda: not alarmed(), "and when it is right again", 10)

    def test_clocks_that_change_are_reckoned_anew(self):
        live = self.start()
        region = self.region
        up = region.request()["command"]["referral"]
        self.assertEqual(region.read(up)["clock"]["action"], "remind")
        clocks(live, remind="1s", escalate="1h")
        live.reload()
        until(lambda: "reminded" in region.read(up).get("told", {}), "the new clock", 10)
        clocks(live, remind="soon")
        live.reload()
        until(lambda: "clocks.csv:2" in live.last_words(), "the mistake is named with its line", 10)
        self.assertEqual(region.read(up)["state"], "requested")
        mistake = live.command("check", expect=2)
        self.assertIn("clocks.csv:2", mistake.stderr)


if __name__ == "__main__":
    run()
