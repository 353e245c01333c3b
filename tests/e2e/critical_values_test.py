"""Critical values: potassium of 7.1 mmol/L from the regional laboratory reaches the list of the village clinic that ordered it, nobody
confirms, the duty role is told, then the region's; somebody confirms by name. Corrections take it back, labels hold, restarts and a
rebuild lose nothing. Invented patients."""

import datetime
import time

from hutong import Story, ack, run, until
from messages import msh, oru, pid, resident_card
from referral import News, Region, config, write_keys

CHAIN = "level,role,after,again,valid_from,valid_to,source\n0,orderer,0s,,2024-01-01,,story\n1,duty,{duty},,2024-01-01,,story\n2,coordinator,{coordinator},{again},2024-01-01,,story\n"
CHINA = datetime.timezone(datetime.timedelta(hours=8))


def now(days=0):
    return (datetime.datetime.now(CHINA) - datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%S")


class CriticalValues(Story):
    def start(self, duty="10m", coordinator="20m", again="10m"):
        live = self.broker(start=False, config=config(others={"reader-east": ("system/Observation.r", "cc-east"), "reader-vc": ("system/Observation.r", "vc-01")}))
        write_keys(live.dir)
        self.live = live
        self.chain(duty, coordinator, again)
        live.start()
        self.region = Region(live)
        self.count = 0
        return live

    def chain(self, duty, coordinator, again="10m"):
        own = self.live.dir / "schemas" / "critical"
        own.mkdir(parents=True, exist_ok=True)
        (own / "chain.csv").write_text(CHAIN.format(duty=duty, coordinator=coordinator, again=again), encoding="utf-8")

    # A result of the regional laboratory about a patient of the village clinic.
    def result(self, value="7.1", flag="N", status="F", order="R1", code="K^钾^L", unit="mmol/L", number="V1", facility="vc-01", days=0, card=""):
        self.count += 1
        at = now(days)
        message = "\r".join([
            msh("ORU^R01^ORU_R01", f"L{self.count}", facility="lab-regional", time=now()),
            pid(number, name="测试^七", born="19600101", sex="F", facility=facility, card=card),
            f"OBR|1|{order}-P|{order}|BIO^电解质^L|||{at}|||||||||V01^村医生||||||{at}||LAB|{status}",
            f"OBX|1|NM|{code}||{value}|{unit}|3.5-5.3|{flag}|||{status}|||{at}"]) + "\r"
        with self.live.mllp() as feed:
            answer = ack(feed.exchange(message))
        self.assertEqual(answer.code, "AA", answer.raw)
        self.live.settle()

    def list(self, facility="vc-01", query="", client=None):
        answer = self.region.http(client or facility, "GET", f"/api/v1/critical-values?facility={facility}{query}")
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json()["criticalValues"]

    def waits(self, count=1, **options):
        return until(lambda: (lambda found: found if len(found) == count else None)(self.list(query="&open=true", **options)), f"{count} open", 15)

    def confirm(self, value, facility="vc-01", name="王医生", practitioner="V01", client=None, expect=200, **says):
        body = {"facility": facility, "name": name, "practitioner": practitioner, **says}
        answer = self.region.http(client or facility, "POST", f"/api/v1/critical-values/{value['id']}/confirmation", body)
        self.assertEqual(answer.status, expect, answer.text)
        return answer.json()

    def roles(self, value):
        one = self.region.http("vc-01", "GET", f"/api/v1/critical-values/{value['id']}").json()
        return [step["role"] for step in one["steps"] if step["action"] in ("told", "escalated")]

    def test_potassium_of_the_regional_laboratory_reaches_the_village_and_escalates(self):
        live = self.start(duty="3s", coordinator="6s", again="4s")
        self.result()
        value = self.waits()[0]
        self.assertEqual((value["laboratory"], value["facility"], value["loinc"], value["degree"], value["basis"]),
                         ("lab-regional", "vc-01", "2823-3", "high", "limit high 6.2 mmol/L"))
        self.assertNotIn("7.1", str(value))
        self.assertNotIn("测试", str(value))
        self.assertEqual(live.fhir(f"Observation/{value['observation']}")["valueQuantity"]["value"], 7.1)
        until(lambda: self.roles(value) == ["orderer"], "who ordered is told", 10)
        began = time.monotonic()
        live.kill()
        live.start()
        until(lambda: self.roles(value)[:2] == ["orderer", "duty"], "nobody confirmed: the duty role is told", 10)
        live.stop()
        live.start()
        until(lambda: "coordinator" in self.roles(value), "the region's duty role is told", 15)
        self.assertLess(time.monotonic() - began, 15)
        steps = self.list()[0]["steps"]
        self.assertGreaterEqual(steps[1]["seconds"], 3)
        self.assertGreaterEqual(steps[2]["seconds"], 6)
        # Confirmed by name and time, by who was told.
        self.region.read("0" * 32, "cc-east", expect=404)
        self.assertEqual(self.region.http("cc-east", "GET", f"/api/v1/critical-values/{value['id']}").status, 404)
        reads = lambda client: self.region.http(client, "GET", f"/api/v1/critical-values/{value['id']}").status
        self.assertEqual([reads(client) for client in ("reader-east", "reader-vc")], [404, 200])  # reading, and not searching
        self.confirm(value, facility="cc-east", expect=404)
        self.confirm(value, client="cc-east", expect=403)
        self.confirm(value, name="", expect=400)
        done = self.confirm(value)
        self.assertEqual((done["state"], done["steps"][-1]["name"], done["steps"][-1]["practitioner"]), ("confirmed", "王医生", "V01"))
        self.assertEqual(self.confirm(value)["steps"], done["steps"])  # again: nothing changes
        self.confirm(value, name="李医生", practitioner="V02", expect=409)
        self.assertEqual(self.list(query="&open=true"), [])
        told = len(self.roles(value))
        time.sleep(5)
        self.assertEqual(len(self.roles(value)), told)
        before = self.list()
        live.stop()
        live.command("rebuild")
        live.start()
        live.settle()
        until(lambda: self.list() == before, "the same after a rebuild", 10)
        operator = live.http("GET", "/api/v1/critical-values", token=live.token("operator"))
        self.assertEqual(operator.status, 200)
        for hidden in ("王医生", value["patient"], "2823-3", value["report"]):
            self.assertNotIn(hidden, operator.text)

    def test_what_is_critical_and_what_is_not(self):
        self.start()
        self.result("4.1", order="A")
        self.result("4.1", flag="HH", order="B")  # the laboratory says so
        self.result("7.1", order="C", days=30)    # history: a feed that is caught up with
        self.result("6.9", order="D", status="P")  # danger does not wait for approval
        self.result("6.9", order="D", status="F")  # the same word, final
        found = self.waits(2)
        self.assertEqual(sorted(value["basis"] for value in found), ["flag HH", "limit high 6.2 mmol/L"])
        self.result("4.2", order="D", status="C")  # a mistake of the laboratory
        self.waits(1)
        withdrawn = self.list(query="&open=false")[0]
        self.assertEqual((withdrawn["state"], [step["reason"] for step in withdrawn["steps"] if step["action"] == "withdrawn"]), ("withdrawn", ["corrected"]))
        self.confirm(withdrawn, expect=409)
        self.result("7.3", order="D", status="C")  # and yet
        self.waits(2)
        self.result("7.3", order="D", status="X")
        self.waits(1)

    def test_a_sensitive_result_says_that_it_is_critical_and_not_what(self):
        self.start()
        self.result("阳性", flag="AA", code="HIVAB^人类免疫缺陷病毒抗体^L", unit="", order="S")
        value = self.waits()[0]
        self.assertTrue(value["labelled"])
        for hidden in ("loinc", "basis", "degree"):
            self.assertNotIn(hidden, value)

    def test_the_list_goes_in_pages(self):
        self.start()
        for i in range(5):
            self.result(order=f"P{i}")
        self.waits(5)
        self.confirm(self.list()[2])
        everything = [value["id"] for value in self.list()]
        self.assertEqual(len(everything), 5)
        pages, page = [], ""
        while True:
            answer = self.region.http("vc-01", "GET", f"/api/v1/critical-values?limit=2{page}").json()
            pages += [value["id"] for value in answer["criticalValues"]]
            if "next" not in answer:
                break
            page = "&page=" + answer["next"]
        self.assertEqual(pages, everything)

    def test_the_region_confirms_once_it_was_told(self):
        self.start(duty="1s", coordinator="3s")
        news = News(self.live)
        self.addCleanup(news.close)
        time.sleep(1.2)  # a sample
        self.result()
        value = self.waits()[0]
        self.confirm(value, client="duty", capacity="coordinator", facility="", expect=409)
        until(lambda: "coordinator" in self.roles(value), "the region is told", 10)
        done = self.confirm(value, client="duty", capacity="coordinator", facility="", name="总值班")
        self.assertEqual(done["state"], "confirmed")
        steps = lambda: [event["kind"] for kind, event in news.found if kind == "critical-value" and event["value"] == value["id"]]
        until(lambda: "critical-value.confirmed" in steps(), "it is seen live", 10)
        self.assertEqual(steps(), ["critical-value.opened", "critical-value.told", "critical-value.escalated", "critical-value.escalated",
                                   "critical-value.confirmed"])
        for hidden in ("总值班", "V01", value["patient"], "2823-3", value["report"]):
            self.assertNotIn(hidden, str(news.found))


if __name__ == "__main__":
    run()
