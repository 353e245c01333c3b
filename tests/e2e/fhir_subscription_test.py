"""A client subscribes over FHIR: its endpoint answers a handshake, then it is told, across a kill and a rebuild; it sees its own subscriptions
only, and what they cannot say is refused by name. Invented patients."""

import json
import time

from hutong import Story, ack, run, until
from messages import oru
from receivers import Webhook, allow, declare
from referral import Region, clocks, config, write_keys

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
POTASSIUM = [("K", "钾", "7.1", "mmol/L", "3.5-5.3")]


class Subscribes(Story):
    def start(self):
        self.hook = Webhook()
        self.addCleanup(self.hook.close)
        live = self.broker(start=False, config=config() + '\n[clients.blind]\nscopes = "system/Subscription.cruds system/Patient.r"\njwks = "file:clients.jwks"\n'
                           + allow(self.hook.origin))
        write_keys(live.dir)
        clocks(live)
        live.start()
        self.live, self.region = live, Region(live)
        return live

    def resource(self, criteria, content="full-resource", **more):
        channel = {"type": "rest-hook", "endpoint": self.hook.origin + "/in", "payload": "application/fhir+json",
                   "_payload": {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]}}
        channel.update(more.pop("channel", {}))
        return {"resourceType": "Subscription", "status": "requested", "reason": "story", "criteria": criteria, "channel": channel, **more}

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

    def told(self, count):
        def events():
            return [one for one in self.hook.accepted() if one.headers["x-hutong-event-kind"] != "handshake"]
        return until(lambda: (lambda all: all if len(all) >= count else None)(events()), f"{count} notifications", 15)

    def tell(self, *messages):
        with self.live.mllp() as feed:
            for message in messages:
                self.assertEqual(ack(feed.exchange(message)).code, "AA")

    def parameters(self, bundle):
        status = bundle["entry"][0]["resource"]
        self.assertEqual(status["resourceType"], "Parameters")
        return {each["name"]: next((v for k, v in each.items() if k != "name"), None) for each in status["parameter"]}

    def test_a_handshake_then_what_it_asked_for_across_a_kill_and_a_rebuild(self):
        live = self.start()
        self.tell(oru(control="0", order="BEFORE", items=POTASSIUM))
        one = self.create("Observation?code=http://loinc.org|2823-3")
        self.assertEqual((one["status"], one["criteria"], one["meta"]["versionId"]), ("requested", "Observation?code=http://loinc.org|2823-3", "1"))
        self.reaches(one, "active")
        handshake = json.loads(self.hook.accepted()[0].body)
        self.assertEqual((handshake["type"], self.parameters(handshake)["type"], self.parameters(handshake)["status"]), ("history", "handshake", "requested"))

        self.tell(oru(control="1", order="R1", items=POTASSIUM), oru(control="2", order="R2", items=[("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1")]))
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

        # Deleted it is off, also after a restart, and is told nothing.
        self.assertEqual(self.region.http("bc-county", "DELETE", f"/fhir/Subscription/{one['id']}").status, 204)
        live.restart()
        self.assertEqual(self.read(one)["status"], "off")
        self.tell(oru(control="5", order="R5", items=POTASSIUM))
        live.settle()
        self.assertEqual(len(self.told(3)), 3)

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
        self.region.arrival("bc-county", "H1")
        notification = json.loads(self.told(1)[0].body)
        self.assertEqual(len(notification["entry"]), 1)
        event = next(each for each in notification["entry"][0]["resource"]["parameter"] if each["name"] == "notification-event")["part"]
        focus = next(each for each in event if each["name"] == "focus")["valueReference"]["reference"]
        self.assertIn("/Patient/", focus)
        self.assertNotIn("晓明", self.told(1)[0].body.decode())

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
                                 ({"channel": {"payload": "application/fhir+xml"}}, "channel.payload"), ({"end": "2030-01-01T00:00:00Z"}, "end")]:
            self.assertIn(expected, json.dumps(self.create("Patient?", expect=400, **change)), change)
        for endpoint in ("https://elsewhere.example.cn/in", "http://169.254.169.254/latest"):
            self.create("Patient?", expect=422, channel={"endpoint": endpoint})
        # Whoever may not read it is not told of it, and each is audited.
        self.assertIn("system/Observation.r", json.dumps(self.create("Observation?", client="blind", expect=403)))
        self.create("Patient?", client="blind")
        audit = "".join(file.read_text(encoding="utf-8") for file in sorted((self.live.dir / "audit").glob("*")) if file.is_file())
        self.assertIn('"Subscription"', audit)
        self.assertEqual(self.region.http("operator", "GET", "/fhir/Subscription").status, 403)
        self.assertEqual(self.hook.taken and self.hook.taken[0].headers["x-hutong-event-kind"], "handshake")
        statement = self.live.http("GET", "/fhir/metadata").json()
        mine = next(each for each in statement["rest"][0]["resource"] if each["type"] == "Subscription")
        self.assertEqual(sorted(each["code"] for each in mine["interaction"]), ["create", "delete", "read", "search-type", "update"])
        self.assertEqual(sorted(each["name"] for each in mine["operation"]), ["events", "status"])


if __name__ == "__main__":
    run()
