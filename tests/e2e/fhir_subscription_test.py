"""A client subscribes over FHIR: its endpoint answers a handshake, then it is told what it may read, across kills and a rebuild, and fetches
what it missed by number; it sees its own subscriptions only, disturbs nobody else's deliveries, and what it cannot have is refused by name.
Invented patients."""

import contextlib
import json
import pathlib
import time

from hutong import Story, ack, run, until
from messages import adt, oru
from receivers import Webhook, allow, declare
from referral import Region, clocks, config, write_keys

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
POTASSIUM = [("K", "钾", "7.1", "mmol/L", "3.5-5.3")]
GLUCOSE = [("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1")]
K = "Observation?code=http://loinc.org|2823-3"


class Subscribes(Story):
    def start(self, *subscriptions):
        self.hook, self.other = Webhook(), Webhook()
        self.addCleanup(self.hook.close)
        self.addCleanup(self.other.close)
        live = self.broker(start=False, config=config(others={"narrow": ("system/Subscription.cruds system/Patient.r system/Observation.r", "cc-west")})
                           + allow(self.hook.origin, self.other.origin))
        write_keys(live.dir)
        clocks(live)
        declare(live, *[{**one, "target": self.other.origin + one["target"]} for one in subscriptions])
        live.start()
        self.live, self.region = live, Region(live)
        return live

    def resource(self, criteria, content="full-resource", **more):
        channel = {"type": "rest-hook", "endpoint": self.hook.origin + "/in", "payload": "application/fhir+json",
                   "_payload": {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]}}
        channel.update(more.pop("channel", {}))
        return {"resourceType": "Subscription", "status": more.pop("status", "requested"), "reason": "story", "criteria": criteria, "channel": channel, **more}

    def create(self, criteria, client="bc-county", expect=201, **more):
        answer = self.region.http(client, "POST", "/fhir/Subscription", self.resource(criteria, **more))
        self.assertEqual(answer.status, expect, answer.text)
        return answer.json()

    def read(self, one, client="bc-county", expect=200, what=""):
        answer = self.region.http(client, "GET", f"/fhir/Subscription/{one['id']}{what}")
        self.assertEqual(answer.status, expect, answer.text)
        return answer.json()

    def reaches(self, one, status):
        return until(lambda: (lambda now: now if now["status"] == status else None)(self.read(one)), status, 20)

    def active(self, criteria, client="bc-county", **more):
        one = self.create(criteria, client=client, **more)
        until(lambda: self.read(one, client)["status"] == "active", "active", 20)
        return one

    def change(self, one, client="bc-county", expect=200, match=None, **more):
        headers = {"If_Match": f'W/"{match}"'} if match else {}
        answer = self.region.http(client, "PUT", f"/fhir/Subscription/{one['id']}", {**self.resource(one["criteria"], **more), "id": one["id"]}, **headers)
        self.assertEqual(answer.status, expect, answer.text)
        return answer.json()

    def told(self, count, deadline=15, hook=None):
        def events():
            return [one for one in (hook or self.hook).accepted() if one.headers["x-hutong-event-kind"] != "handshake"]
        return until(lambda: (lambda all: all if len(all) >= count else None)(events()), f"{count} notifications", deadline)

    def numbers(self, bundle):
        return [int(next(part["valueString"] for part in each["part"] if part["name"] == "event-number"))
                for each in bundle["entry"][0]["resource"]["parameter"] if each["name"] == "notification-event"]

    # Every page of $events: their numbers, and the resources that came with them.
    def events(self, one, query="", client="bc-county"):
        path, numbers, resources, pages = f"/fhir/Subscription/{one['id']}/$events{query}", [], [], 0
        while path:
            answer = self.region.http(client, "GET", path)
            self.assertEqual(answer.status, 200, answer.text)
            bundle = answer.json()
            numbers += self.numbers(bundle)
            resources += [entry["resource"] for entry in bundle["entry"][1:]]
            link = next((each["url"] for each in bundle.get("link", []) if each["relation"] == "next"), "")
            path = link[link.index("/fhir/"):] if link else ""
            pages += 1
        return numbers, resources, pages

    def tell(self, *messages):
        with self.live.mllp() as feed:
            for message in messages:
                self.assertEqual(ack(feed.exchange(message)).code, "AA")

    def parameters(self, bundle):
        status = bundle["entry"][0]["resource"]
        self.assertEqual(status["resourceType"], "Parameters")
        return {each["name"]: next((v for k, v in each.items() if k != "name"), None) for each in status["parameter"]}

    def test_who_is_one_person_with_whom_is_told_with_the_patients(self):
        live = self.start()
        one = self.active("Patient?", client="narrow")
        for control, facility, number, name in (("1", "bc-city", "Z1", "王^强"), ("2", "bc-county", "C1", "李^伟")):
            self.tell(adt("A04", control, facility=facility, patient=f"PID|1||{number}^^^{facility}^MR||{name}||19700101|M"))
        live.settle()
        live.command("identity", "link", "bc-city/Z1", "bc-county/C1", "--by", "王芳", "--note", "seen at the desk")
        linked = next(each for each in self.told(3) if each.headers["x-hutong-event-kind"] == "identity.linked")
        bundle = json.loads(linked.body)
        stays, goes = (entry["resource"] for entry in bundle["entry"][1:])
        self.assertEqual((stays["active"], goes["active"], goes["link"][0]["other"]["reference"]), (True, False, f"Patient/{stays['id']}"))
        self.assertEqual(stays, live.fhir(f"Patient/{stays['id']}"))
        until(lambda: self.events(one, "?content=id-only", client="narrow")[0] == [1, 2, 3], "all three are recorded", 10)

    def test_a_handshake_then_what_it_asked_for_across_a_kill_and_a_rebuild(self):
        live = self.start()
        self.tell(oru(control="0", order="BEFORE", items=POTASSIUM))
        one = self.create(K)
        self.assertEqual((one["status"], one["criteria"], one["meta"]["versionId"]), ("requested", K, "1"))
        self.reaches(one, "active")
        handshake = json.loads(self.hook.accepted()[0].body)
        self.assertEqual((handshake["type"], self.parameters(handshake)["type"], self.parameters(handshake)["status"]), ("history", "handshake", "requested"))

        self.tell(oru(control="1", order="R1", items=POTASSIUM), oru(control="2", order="R2", items=GLUCOSE))
        bundle = json.loads(self.told(1)[0].body)
        said = self.parameters(bundle)
        self.assertEqual((said["type"], said["events-since-subscription-start"]), ("event-notification", "1"))
        self.assertIn(one["id"], said["subscription"]["reference"])
        resources = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"][1:]}
        self.assertEqual(resources["Observation"]["valueQuantity"]["value"], 7.1)
        live.settle()
        self.assertEqual(resources["DiagnosticReport"], live.fhir("DiagnosticReport/" + resources["DiagnosticReport"]["id"]))

        time.sleep(0.5)  # that it was delivered is recorded every 50 ms
        live.kill()
        live.start()
        self.tell(oru(control="3", order="R3", items=POTASSIUM))
        self.told(2)
        live.stop()
        live.command("rebuild")
        live.start()
        self.tell(oru(control="4", order="R4", items=POTASSIUM))
        numbers = [self.parameters(json.loads(each.body))["events-since-subscription-start"] for each in self.told(3)]
        self.assertEqual(numbers, ["1", "2", "3"])
        self.assertEqual(self.read(one)["status"], "active")
        status = self.parameters(until(lambda: (lambda b: b if self.parameters(b)["events-since-subscription-start"] == "3" else None)(
            self.read(one, what="/$status")), "the status", 10))
        self.assertEqual((status["status"], status["type"]), ("active", "query-status"))

        # Beside those of the installation, as any other.
        listed = json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        self.assertEqual([(each["name"], each["payload"]) for each in listed], [("fhir-" + one["id"], "fhir")])

        # Nobody else's: not there.
        self.read(one, client="cc-east", expect=404)
        self.assertEqual(self.region.http("cc-east", "GET", "/fhir/Subscription").json()["total"], 0)
        self.assertEqual(self.region.http("bc-county", "GET", "/fhir/Subscription?status=active").json()["total"], 1)
        self.assertEqual(self.region.http("cc-east", "DELETE", f"/fhir/Subscription/{one['id']}").status, 404)

        # Deleted it is gone, for operators too, also after a restart, and is told nothing.
        self.assertEqual(self.region.http("bc-county", "DELETE", f"/fhir/Subscription/{one['id']}").status, 204)
        self.read(one, expect=404)
        until(lambda: not json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"], "an empty list", 10)
        live.restart()
        self.read(one, expect=404)
        self.tell(oru(control="5", order="R5", items=POTASSIUM))
        live.settle()
        self.assertEqual(json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"], [])
        self.assertEqual(len(self.told(3)), 3)

    def test_what_was_missed_is_fetched_again_by_number(self):
        live = self.start()
        one = self.active(K)
        self.tell(*[oru(control=f"e{i}", order=f"E{i}", number=f"P{i}", items=POTASSIUM) for i in range(45)])
        sent = self.told(45)
        self.assertEqual([self.numbers(json.loads(each.body)) for each in sent], [[i] for i in range(1, 46)])
        until(lambda: len(self.events(one)[0]) == 45, "all of them", 5)
        numbers, resources, pages = self.events(one)
        self.assertEqual((numbers, pages), (list(range(1, 46)), 3))
        asked = [each["id"] for each in resources if each["resourceType"] == "DiagnosticReport"]
        told = [entry["resource"]["id"] for each in sent for entry in json.loads(each.body)["entry"][1:] if entry["resource"]["resourceType"] == "DiagnosticReport"]
        self.assertEqual(asked, told)
        self.assertEqual(self.events(one, "?eventsSinceNumber=7&eventsUntilNumber=9&content=id-only")[:2], ([7, 8, 9], []))
        for query, expected in [("?eventsSinceNumber=x", "eventsSinceNumber"), ("?content=all", "content"), ("?since=1", "since")]:
            answer = self.region.http("bc-county", "GET", f"/fhir/Subscription/{one['id']}/$events{query}")
            self.assertEqual((answer.status, expected in answer.text), (400, True), answer.text)
        self.read(one, client="cc-east", expect=404, what="/$events")

        # What is not handed over yet is there, too, and its number stays its own.
        self.hook.answer = lambda request: 503
        self.tell(oru(control="late", order="LATE", items=POTASSIUM))
        until(lambda: self.events(one, "?eventsSinceNumber=46")[0] == [46], "the one that waits", 10)
        self.assertIn("503", self.parameters(until(lambda: (lambda b: b if "error" in self.parameters(b) else None)(
            self.read(one, what="/$status")), "the trouble", 10))["error"]["text"])
        live.kill()
        live.start()
        self.hook.answer = lambda request: 200
        self.assertEqual(self.numbers(json.loads(self.told(46)[-1].body)), [46])
        live.stop()
        live.command("rebuild")
        live.start()
        until(lambda: self.events(one)[0] == list(range(1, 47)), "all after a rebuild", 10)

    def test_nothing_is_lost_or_told_under_two_numbers_when_it_is_killed(self):
        live = self.start()
        one = self.active("DiagnosticReport?category=LAB", content="id-only")
        for run_ in range(4):
            self.tell(*[oru(control=f"{run_}-{i}", order=f"K{run_}-{i}", number=f"P{i % 5}", items=GLUCOSE) for i in range(25)])
            live.kill()
            live.start()
        until(lambda: len({each.event for each in self.told(100)}) == 100, "all events", 20)
        number_of = {}
        for each in self.told(100):
            number_of.setdefault(each.event, set()).update(self.numbers(json.loads(each.body)))
        self.assertEqual(sorted(number for all in number_of.values() for number in all), list(range(1, 101)))
        firsts = list(dict.fromkeys(each.event for each in self.told(100)))
        self.assertEqual([min(number_of[event]) for event in firsts], list(range(1, 101)))
        self.assertEqual(self.read(one)["status"], "active")

    def test_a_handshake_is_shaken_again_after_a_kill(self):
        live = self.start()
        self.hook.delay = 2
        one = self.create(K)
        time.sleep(0.3)
        live.kill()
        self.hook.delay = 0
        live.start()
        self.reaches(one, "active")
        self.tell(oru(control="1", order="R1", items=POTASSIUM))
        self.assertEqual(self.numbers(json.loads(self.told(1)[0].body)), [1])

    def test_nobody_else_waits_while_clients_come_and_go(self):
        live = self.start({"name": "slow", "sink": "rest-hook", "target": "/slow", "kinds": ["result.reported"], "facilities": ["bc-city"]},
                          {"name": "quick", "sink": "rest-hook", "target": "/quick", "kinds": ["result.reported"]})
        self.other.answer = lambda request: time.sleep(3) or 200 if request.path == "/slow" else 200
        self.other.lock = contextlib.nullcontext()
        self.tell(oru(control="1", order="S1", items=GLUCOSE, facility="bc-city"))
        until(lambda: any(each.path == "/quick" for each in list(self.other.taken)), "the quick one", 10)
        made = [self.create("Patient?", content="empty") for _ in range(5)]
        began = time.time()
        self.tell(oru(control="2", order="Q1", items=GLUCOSE, number="P2"))
        quick = until(lambda: [each for each in list(self.other.taken) if each.path == "/quick"][1:], "the quick one again", 10)
        self.assertLess(quick[0].at - began, 1)
        for one in made:
            self.reaches(one, "active")
            self.assertEqual(self.region.http("bc-county", "DELETE", f"/fhir/Subscription/{one['id']}").status, 204)
        slow = until(lambda: [each for each in list(self.other.taken) if each.path == "/slow"], "the slow one", 10)
        self.assertEqual([each.headers["x-hutong-attempt"] for each in slow], ["1"], "cut off, and tried again")

    def test_operators_steer_it_as_any_other(self):
        live = self.start()
        one = self.active(K, content="id-only")
        name = "fhir-" + one["id"]
        self.hook.answer = lambda request: 422
        self.tell(oru(control="1", order="R1", items=POTASSIUM))
        letters = until(lambda: json.loads(live.command("deadletter", "list", "--json").stdout)["letters"], "a dead letter", 40)
        self.assertEqual([(each["subscription"], each["state"]) for each in letters], [(name, "dead")])
        self.assertEqual(self.events(one)[0], [1])
        self.hook.answer = lambda request: 200
        live.command("deadletter", "retry", f"{name}/{letters[0]['id']}")
        self.assertEqual(self.numbers(json.loads(self.told(1)[0].body)), [1])
        live.command("subscriptions", "pause", name, "--reason", "story")
        self.tell(oru(control="2", order="R2", items=POTASSIUM))
        live.settle()
        def listed():
            return [(each["name"], each["state"], each["sink"]) for each in
                    live.http("GET", "/api/v1/subscriptions", token=live.token("operator")).json()["subscriptions"]]
        until(lambda: listed() == [(name, "paused", "rest-hook")], "that it rests", 10)
        live.command("subscriptions", "resume", name, "--reason", "story")
        self.assertEqual(self.numbers(json.loads(self.told(2)[1].body)), [2])
        live.command("replay", "--subscriber", name, "--patient", "TESTHOSP/P1", "--from", "0")
        again = self.told(4)[2:]
        self.assertEqual({each.headers["x-hutong-replay"] for each in again}, {"true"})
        self.assertEqual({each.event for each in again}, {each.event for each in self.told(4)[:2]})

    def test_it_is_off_when_told_so_or_when_its_end_has_come(self):
        live = self.start()
        one = self.active(K, content="id-only")
        self.tell(oru(control="1", order="R1", items=POTASSIUM))
        self.told(1)
        self.assertEqual(self.change(one, content="id-only", match=1, expect=412)["issue"][0]["severity"], "error")
        self.assertEqual(self.change(one, content="id-only", match=2, status="off")["status"], "off")
        self.tell(oru(control="2", order="R2", items=POTASSIUM))
        live.restart()
        live.settle()
        self.assertEqual((self.read(one)["status"], len(self.told(1))), ("off", 1))
        # Asked for again it goes on where it was.
        soon = time.time() + 6
        self.change(one, content="id-only", end=time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(soon + 8 * 3600)))
        self.reaches(one, "active")
        self.assertEqual(self.numbers(json.loads(self.told(2)[1].body)), [2])
        self.assertEqual(self.reaches(one, "off")["meta"]["versionId"], "6")
        self.assertGreater(time.time(), soon - 1)
        self.tell(oru(control="3", order="R3", items=POTASSIUM))
        live.settle()
        self.assertEqual([self.numbers(json.loads(each.body)) for each in self.told(2)], [[1], [2]])
        self.assertIn("end", json.dumps(self.change(one, expect=400, end="2020-01-01T00:00:00Z")))

    def test_a_client_is_told_only_what_it_may_read(self):
        live = self.start()
        # With all resources it must be allowed to read all; with their names, what it asks for.
        refused = json.dumps(self.create(K, client="narrow", expect=403))
        self.assertIn("system/DiagnosticReport.r", refused)
        one = self.active(K, client="narrow", content="id-only")
        answer = self.region.http("narrow", "GET", f"/fhir/Subscription/{one['id']}/$events?content=full-resource")
        self.assertEqual(answer.status, 403, answer.text)
        self.assertIn("system/Encounter.r", json.dumps(self.create("Encounter?", client="narrow", content="empty", expect=403)))
        self.active("DiagnosticReport?", content="full-resource")
        # What is sensitive is told to nobody, nor shown by number.
        self.tell(oru(control="1", order="H", items=[("HIVAB", "HIV抗体", "阳性", "", ""), *POTASSIUM]), oru(control="2", order="R2", items=POTASSIUM))
        bodies = [json.loads(each.body) for each in self.told(2)]
        self.assertEqual([self.numbers(body) for body in bodies], [[1], [1]])
        self.assertNotIn("HIV", json.dumps(bodies, ensure_ascii=False))
        until(lambda: self.events(one, client="narrow")[0] == [1], "the other one", 5)
        # Nor is one that may not read it any more.
        text = live.config.read_text(encoding="utf-8")
        live.config.write_text(text.replace("system/Subscription.cruds system/Patient.r system/Observation.r", "system/Subscription.cruds system/Patient.r"), encoding="utf-8")
        live.restart()
        self.region.tokens.clear()
        failed = until(lambda: (lambda now: now if now["status"] == "error" else None)(self.read(one, "narrow")), "error", 20)
        self.assertIn("system/Observation.r", failed["error"])
        self.tell(oru(control="3", order="R3", items=POTASSIUM))
        self.told(3)
        self.assertEqual(len([each for each in self.hook.accepted() if each.headers["x-hutong-subscription"] == "fhir-" + one["id"]]), 2)

    def test_an_endpoint_that_does_not_answer_is_an_error_and_may_be_asked_again(self):
        self.start()
        self.hook.answer = lambda request: 404
        one = self.create("Patient?", content="id-only")
        failed = self.reaches(one, "error")
        self.assertIn("404", failed["error"])
        self.hook.answer = lambda request: 200
        again = self.region.http("bc-county", "PUT", f"/fhir/Subscription/{one['id']}", {**self.resource("Patient?", content="id-only"), "id": one["id"]},
                                 If_Match=f'W/"{failed["meta"]["versionId"]}"')
        self.assertEqual((again.status, again.json()["status"]), (200, "requested"), again.text)
        self.reaches(one, "active")
        bare = self.active("Patient?", content="empty")
        self.region.arrival("bc-county", "H1")
        told = {each.headers["x-hutong-subscription"]: json.loads(each.body) for each in self.told(2)}
        empty, notification = told["fhir-" + bare["id"]], told["fhir-" + one["id"]]
        self.assertEqual((len(empty["entry"]), self.numbers(empty)), (1, [1]))
        self.assertNotIn("Patient", json.dumps(empty))
        self.assertEqual(len(notification["entry"]), 1)
        event = next(each for each in notification["entry"][0]["resource"]["parameter"] if each["name"] == "notification-event")["part"]
        focus = next(each for each in event if each["name"] == "focus")["valueReference"]["reference"]
        self.assertIn("/Patient/", focus)
        self.assertNotIn("晓明", "".join(each.body.decode() for each in self.told(2)))

    def test_an_endpoint_goes_where_webhooks_may_go_and_nowhere_else(self):
        self.start()
        corpus = [json.loads(line) for line in pathlib.Path(__file__).with_name("forbidden_targets.jsonl").read_text(encoding="utf-8").splitlines()]
        targets = [one["target"] for one in corpus if one["refused"] in ("as it is written", "as not listed")]
        self.assertGreater(len(targets), 100)
        for target in targets:
            answer = self.region.http("bc-county", "POST", "/fhir/Subscription", self.resource("Patient?", channel={"endpoint": target}))
            self.assertIn(answer.status, (400, 422), target)
            self.assertIn("endpoint", answer.text, target)
        self.assertEqual(self.region.http("bc-county", "GET", "/fhir/Subscription").json()["total"], 0)
        self.hook.answer, self.hook.headers = lambda request: 307, {"Location": self.other.origin + "/in"}
        self.assertIn("307", self.reaches(self.create("Patient?"), "error")["error"])
        self.assertEqual(self.other.taken, [])

    def test_a_task_is_told_to_whose_it_is(self):
        self.start()
        one = self.create("Task?owner=Organization/bc-county")
        self.reaches(one, "active")
        self.region.arrival()
        asked = self.region.request()["command"]["referral"]
        entries = json.loads(self.told(1)[0].body)["entry"]
        self.assertEqual([entry["resource"]["resourceType"] for entry in entries], ["Parameters", "Task", "ServiceRequest"])
        self.assertEqual(entries[1]["resource"]["id"], asked)
        self.assertEqual(self.create("Task?owner=Organization/bc-city", expect=400)["issue"][0]["severity"], "error")

    def test_what_cannot_be_said_is_refused_by_name(self):
        self.start()
        for criteria, expected in [("Observation?subject=Patient/1", "subject"), ("Medication?", "expected Observation"), ("Observation?code=GLU", "LOINC"),
                                   ("http://example.org/topic", "topics"), ("DiagnosticReport?category=XX", "LAB or RAD"), ("Task?owner=Organization/nobody", "no facility")]:
            self.assertIn(expected, json.dumps(self.create(criteria, expect=400)), criteria)
        for change, expected in [({"channel": {"type": "email"}}, "rest-hook"), ({"channel": {"header": ["Authorization: Bearer x"]}}, "channel.header"),
                                 ({"channel": {"payload": "application/fhir+xml"}}, "channel.payload"), ({"end": "2030-01-01"}, "end"),
                                 ({"contact": [{"value": "1"}]}, "contact")]:
            self.assertIn(expected, json.dumps(self.create("Patient?", expect=400, **change)), change)
        for endpoint in ("https://elsewhere.example.cn/in", "http://169.254.169.254/latest"):
            self.create("Patient?", expect=422, channel={"endpoint": endpoint})
        # Whoever may not read it is not told of it, and each is audited.
        self.assertIn("system/Encounter.r", json.dumps(self.create("Encounter?", client="narrow", expect=403)))
        self.create("Patient?", client="narrow")
        audit = "".join(file.read_text(encoding="utf-8") for file in sorted((self.live.dir / "audit").glob("*")) if file.is_file())
        self.assertIn('"Subscription"', audit)
        self.assertEqual(self.region.http("operator", "GET", "/fhir/Subscription").status, 403)
        until(lambda: self.hook.taken, "a handshake", 10)
        self.assertEqual({each.headers["x-hutong-event-kind"] for each in self.hook.taken}, {"handshake"})
        statement = self.live.http("GET", "/fhir/metadata").json()
        mine = next(each for each in statement["rest"][0]["resource"] if each["type"] == "Subscription")
        self.assertEqual(sorted(each["code"] for each in mine["interaction"]), ["create", "delete", "read", "search-type", "update"])
        self.assertEqual(sorted(each["name"] for each in mine["operation"]), ["events", "status"])


if __name__ == "__main__":
    run()
