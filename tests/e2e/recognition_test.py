"""A result of hospital A, an order in community centre B: the doctor is told in time, decides on the page, and hears of it when A
withdraws the result and issues it anew; the statistics show it, and say the same after a rebuild."""

import concurrent.futures
import html.parser
import json
import os
import re
import unittest

from hutong import SOURCE, Story, run
from messages import resident_card
from recognition import CARD, ITEMS, Page, Region, assess, item_code


class Markup(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)


class Recognition(Story):
    def setUp(self):
        self.live = self.broker(start=False)
        assess(self.live, SOURCE)
        self.live.start()
        self.region = Region(self.live)

    def known_to_both(self, **options):
        self.region.result(**options)
        self.region.arrival()
        self.live.settle()
        found = self.region.until(lambda: len(self.live.fhir(f"Patient?identifier=urn:oid:2.16.156.10011.1.3|{CARD}").get("entry", [])) == 1)
        self.assertTrue(found, "the card links A's and B's patient")

    def test_the_whole_story(self):
        self.known_to_both()
        told = self.region.check(["GLU", {"code": "K"}, {"code": "TSH"}])
        by_code = {item["code"]: item for item in told["items"]}
        self.assertEqual(by_code["GLU"]["verdict"], "recognisable", json.dumps(told, ensure_ascii=False, indent=1))
        best = by_code["GLU"]["candidates"][0]
        self.assertEqual((best["facility"], best["mark"], best["markCode"], best["windowDays"], best["value"]), ("TESTHOSP", "全国HR", "HR.CN", 30, "5.8"))
        self.assertEqual([reason["code"] for reason in best["reasons"]], ["national-mark"])
        self.assertTrue(best["reasons"][0]["text"]["zh"] and best["reasons"][0]["text"]["en"] and best["reasons"][0]["clause"])
        self.assertEqual(by_code["TSH"]["verdict"], "not-recognisable")
        self.assertEqual((told["verdict"], [left["code"] for left in told["remaining"]]), ("part", ["TSH"]))
        observation = self.live.fhir(f"Observation/{best['observation']}")
        self.assertEqual(observation["valueQuantity"]["value"], 5.8)
        self.assertEqual(self.live.fhir(f"DiagnosticReport/{best['report']}")["meta"]["versionId"], "1")

        page = Page(self.live, told["link"])
        for _ in range(10):  # prefetchers and scanners spend nothing, and read nothing
            shell = page.look()
            self.assertEqual(shell.status, 200)
            self.assertNotIn("5.8", shell.text)
            self.assertNotIn("王", shell.text)
        shown = page.open()
        self.assertIn("5.8", shown.text)
        self.assertIn("王*明", shown.text)
        self.assertNotIn(CARD, page.answer.text)
        self.assertIn("全国HR", shown.text)
        self.assertEqual([b for b in shown.buttons if b.startswith("r:")], ["r:0", "r:1"])
        self.assertIn("已互认", page.press("r:0").text)
        page.press("n:1")
        declined = page.press("x:1:01", told="yes")
        self.assertIn("不互认 01", declined.text)
        self.assertEqual(page.press("done").title, "HUTONG-DONE recognised=1 refused=1 undecided=0")
        self.assertEqual(Page(self.live, told["link"]).open().text.count("此链接已使用"), 1)

        total = self.region.until(lambda: (lambda t: t if t["recognised"] == 1 and t["refused"] == 1 else None)(self.region.statistics()["total"]))
        self.assertTrue(total, self.region.statistics())
        self.assertEqual((total["orders"], total["prompts"], total["lookedAt"], total["offered"], total["viewed"], total["told"], total["undecided"]),
                         (1, 1, 1, 2, 2, 1, 0))
        self.assertEqual(total["rate"], {"numerator": 1, "denominator": 2, "value": 0.5})
        self.assertEqual(total["savedYuan"], "6.00")
        self.assertEqual([(r["code"], r["counted"], r["count"]) for r in total["reasons"]], [("01", True, 1)])
        self.assertEqual(self.region.notices(), [])

        self.region.result(items=[("GLU", "葡萄糖", "15.8", "mmol/L", "3.9-6.1"), *ITEMS[1:]], status="C")
        self.live.settle()
        notices = self.region.until(self.region.notices)
        self.assertEqual([(n["report"], n["version"], n["shownVersion"], n["use"], n["practitioner"], n["order"], n["withdrawn"]) for n in notices],
                         [(best["report"], 2, 1, "recognised", "D07", "O1", False)])
        self.region.result(items=[(*item[:2], "", *item[3:]) for item in ITEMS], status="W")
        self.live.settle()
        notices = self.region.until(lambda: (lambda n: n if len(n) == 2 else None)(self.region.notices()))
        self.assertEqual([(n["version"], n["withdrawn"]) for n in notices], [(3, True), (2, False)])
        again = self.region.check(["GLU"])
        self.assertEqual(again["items"][0]["verdict"], "not-recognisable")
        self.assertEqual([r["code"] for r in again["items"][0]["reasons"]], ["withdrawn"])
        self.assertNotIn("link", again)

        before, told_before = self.region.until(lambda: (lambda s: s if s["total"]["orders"] == 2 else None)(self.region.statistics("?by=item"))), self.region.notices()
        self.live.stop()
        self.live.command("rebuild")
        self.live.start()
        self.live.settle()
        self.region.until(lambda: self.region.statistics("?by=item") == before and self.region.notices() == told_before)
        self.assertEqual(self.region.statistics("?by=item"), before)
        self.assertEqual(self.region.notices(), told_before)

    def test_racing_posts_make_one_decision(self):
        self.known_to_both()
        told = self.region.check(["GLU"])
        page = Page(self.live, told["link"])
        shell = {"ticket": told["link"].rsplit("/", 1)[1]}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _: page.post("/d/v", shell), range(8)))
        self.assertEqual(sorted(answer.status for answer in opened), [200] + [410] * 7, "a ticket is spent once")
        page._take(next(answer for answer in opened if answer.status == 200))
        recognise, decline = page.fields("r:0"), page.fields("n:0")
        self.assertEqual(recognise[1]["state"], decline[1]["state"])
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: page.post(recognise[0], dict(recognise[1], do="r:0" if i % 2 else "x:0:01")), range(8)))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.region.until(lambda: (lambda t: t["recognised"] + t["refused"] == 1)(self.region.statistics()["total"]))
        total = self.region.statistics()["total"]
        self.assertEqual(total["recognised"] + total["refused"], 1, total)
        self.assertEqual(total["viewed"], 1)

    def test_a_result_corrected_while_the_page_is_open_is_asked_again(self):
        self.known_to_both()
        page = Page(self.live, self.region.check(["GLU"])["link"])
        page.open()
        self.region.result(items=[("GLU", "葡萄糖", "9.9", "mmol/L", "3.9-6.1"), *ITEMS[1:]], status="C")
        self.live.settle()
        asked = page.press("r:0")
        self.assertIn("结果已更正", asked.text)
        self.assertIn("9.9", asked.text)
        self.assertNotIn("已互认", asked.text)
        self.assertEqual(self.region.statistics()["total"]["recognised"], 0)
        self.assertIn("已互认", page.press("r:0").text)
        self.assertIn("undo", "undo" if "u:0" in page.now.buttons else page.now.buttons)
        page.press("u:0")
        page.press("n:0")
        self.assertIn("需要文字说明", page.press("x:0:08").text)
        self.assertNotIn("u:0", page.now.buttons, "nothing is decided before it is said why")
        self.assertIn("不互认 08", page.press("x:0:08", text="与临床不符").text)
        self.region.until(lambda: self.region.statistics()["total"]["refused"] == 1)
        total = self.region.statistics()["total"]
        self.assertEqual((total["recognised"], total["refused"], total["savedYuan"]), (0, 1, "0.00"), "undone leaves nothing behind")
        groups = self.region.statistics("?by=reason")["groups"]
        self.assertEqual([(group["key"], group["refused"]) for group in groups], [("08", 1)])

    # What the page shows only after it was opened was seen, too: whoever saw it hears of its correction.
    def test_a_newer_result_that_an_open_page_came_to_show_is_known_to_be_seen(self):
        self.known_to_both()
        page = Page(self.live, self.region.check(["GLU"])["link"])
        page.open()
        newer = [("GLU", "葡萄糖", "9.9", "mmol/L", "3.9-6.1")]
        self.region.result(items=newer, order="R2", days=1.0)
        self.live.settle()
        self.assertIn("9.9", page.press("r:0").text)
        self.assertEqual(self.region.notices(), [])
        self.region.result(items=[(*newer[0][:2], "4.4", *newer[0][3:])], order="R2", days=1.0, status="C")
        self.live.settle()
        notices = self.region.until(self.region.notices)
        self.assertEqual([(n["version"], n["shownVersion"], n["use"]) for n in notices or []], [(2, 1, "viewed")])

    def test_as_of_a_past_moment_says_what_was_said_then(self):
        self.known_to_both()
        first = self.region.check(["GLU"])
        self.region.result(items=[("GLU", "葡萄糖", "15.8", "mmol/L", "3.9-6.1"), *ITEMS[1:]], status="C")
        self.live.settle()
        now = self.region.check(["GLU"], order="O2")
        self.assertEqual(now["items"][0]["candidates"][0]["value"], "15.8")
        then = self.region.check(["GLU"], asOf=first["at"])
        self.assertEqual((then["recorded"], "link" in then, "decisionId" in then), (False, False, False))
        for answer in (first, then):  # the same to the last letter, but for the link and the decision's id
            for key in ("link", "decisionId", "recorded", "interrupt"):
                answer.pop(key, None)
        self.assertEqual(then, first)
        self.region.until(lambda: self.region.statistics()["total"]["orders"] == 2)
        self.assertEqual(self.region.statistics()["total"]["orders"], 2, "a question about the past is no order")

    def test_emergency_is_told_and_never_interrupted(self):
        self.known_to_both()
        told = self.region.check(["GLU"], encounterClass="EMER")
        self.assertEqual(told["items"][0]["verdict"], "clinician-decides")
        self.assertIn("emergency", [r["code"] for r in told["items"][0]["reasons"]])
        self.assertEqual((told["interrupt"], "link" in told), (False, False))

    # A canary: a labelled result must come out of no door, nor whether it is there.
    def test_labelled_results_stay_out_of_answers_pages_and_statistics(self):
        self.region.arrival()
        self.region.result(items=[("HIV", "HIV抗原抗体联合检测", "CANARY-77", "", "")], order="H1")
        self.region.result(order="R1")
        self.live.settle()
        told = self.region.check(["GLU", {"code": "HIV", "name": "HIV抗原抗体联合检测", "loinc": "56888-1"}])
        text = json.dumps(told, ensure_ascii=False)
        self.assertNotIn("CANARY", text)
        hiv = told["items"][1]
        self.assertEqual((hiv["verdict"], [r["code"] for r in hiv["reasons"]], hiv["candidates"]), ("not-recognisable", ["no-result"], []))
        self.assertNotIn("item", hiv)
        page = Page(self.live, told["link"])
        page.open()
        self.assertNotIn("CANARY", page.answer.text)
        self.assertNotIn("HIV", page.answer.text)
        # Shown, and labelled only then: its report opens no more.
        self.region.result(order="R1", status="C", items=[*ITEMS, ("HIV", "HIV抗原抗体联合检测", "CANARY-78", "", "")])
        self.live.settle()
        opened = page.press("report:0:0")
        self.assertNotIn("CANARY", page.answer.text)
        self.assertNotIn(ITEMS[2][1], opened.text)
        self.region.until(lambda: self.region.statistics("?by=item")["total"]["orders"] == 1)
        statistics = json.dumps(self.region.statistics("?by=item"), ensure_ascii=False)
        self.assertNotIn("HIV", statistics)
        self.assertNotIn(item_code(SOURCE, "56888-1"), statistics)
        journal = [path for path in (self.live.dir / "log").rglob("*") if path.is_file() and "operations" in str(path)]
        if not journal and os.environ.get("HUTONG_KAFKA_BOOTSTRAP"):
            return  # the same records in another log
        raw = b"".join(path.read_bytes() for path in journal)
        self.assertIn(b"recognition.decided", raw, "the log of the operations is where it is looked for")
        for word in (b"CANARY", b"HIV", b"56888", item_code(SOURCE, "56888-1").encode()):
            self.assertNotIn(word, raw)

    def test_who_may_ask_and_what_is_refused(self):
        self.known_to_both()
        order = self.region.order(["GLU"])
        self.assertEqual(self.live.http("POST", "/api/v1/recognition/check", body=order).status, 401)
        self.assertEqual(self.live.http("POST", "/api/v1/recognition/check", body=order, token=self.live.token("operator")).status, 403)
        self.assertEqual(self.live.http("GET", "/api/v1/recognition/statistics", token=self.live.token()).status, 403)
        for more in ({"items": []}, {"requester": {"facility": "nobody"}}, {"patient": {}}, {"asOf": "yesterday"}, {"purpose": "fun"},
                     {"encounterClass": "X"}, {"items": ["GLU"] * 101}, {"asOf": "2999-01-01T00:00:00Z"},
                     {"patient": {"identifiers": [{"value": "B1"}]}}, {"order": "O\u0000"}, {"diagnosis": "x" * 1001},
                     {"requester": {"facility": "cc-east", "department": "内" * 100}}):
            self.assertIn("error", self.region.check(**{"items": ["GLU"], "expect": 400, **more}))
        self.assertEqual(self.live.http("POST", "/api/v1/recognition/check", body="{", token=self.live.token()).status, 400)
        verified = self.live.command("audit", "verify", "--json")
        self.assertIn('"good":true', verified.stdout)

    # The order says one card, the register another: whoever has the number B1 here is not the patient.
    def test_another_persons_results_are_not_offered_by_a_number_that_both_have(self):
        self.region.result()
        self.region.arrival()
        self.live.settle()
        local = {"system": "urn:hutong:facility:cc-east:mrn", "value": "B1"}
        self.region.until(lambda: self.region.check(["GLU"], patient={"identifiers": [local]}, order="O0")["items"][0]["verdict"] == "recognisable")
        told = self.region.check(["GLU"], patient={"identifiers": [{"system": "urn:oid:2.16.156.10011.1.3", "value": resident_card(order=77)}, local]})
        self.assertEqual((told["items"][0]["verdict"], told["items"][0]["candidates"], told["patients"]), ("not-recognisable", [], 0))

    def test_a_client_orders_in_the_name_of_its_own_facilities_only(self):
        config = self.live.config.read_text(encoding="utf-8")
        self.live.stop()
        self.live.config.write_text(config + '\n[clients.clinic]\nfacilities = "cc-east"\n', encoding="utf-8")
        self.live.start()
        self.known_to_both()
        self.region.check(["GLU"])
        refused = self.region.check(["GLU"], expect=403, requester={"facility": "TESTHOSP"})
        self.assertIn("facilities", refused["error"]["message"] if isinstance(refused["error"], dict) else json.dumps(refused))
        answer = self.live.http("GET", "/api/v1/recognition/notices?facility=TESTHOSP", token=self.live.token())
        self.assertEqual(answer.status, 403)

    def test_every_look_says_whose_results_and_who_looked(self):
        self.known_to_both()
        told = self.region.check(["GLU"], requester={"facility": "cc-east", "practitioner": {"code": "D_07"}})
        Page(self.live, told["link"]).open()
        audit = "".join(path.read_text(encoding="utf-8") for path in (self.live.dir / "audit").rglob("*") if path.is_file())
        looks = [json.loads(line) for line in audit.splitlines() if "by=D_07" in line]
        self.assertEqual([look["parameters"].split(",")[0] for look in looks], ["recognition-check", "decision-page"])
        self.assertEqual({look["subject"] for look in looks}, {told["patient"]})

    def test_a_retry_of_the_same_order_counts_once(self):
        self.known_to_both()
        first = self.region.check(["GLU", "K"])
        page = Page(self.live, first["link"])
        page.open()
        page.press("r:0")
        again = self.region.check(["GLU", "K"])
        self.assertNotEqual(again["decisionId"], first["decisionId"])
        self.region.until(lambda: self.region.statistics()["total"]["recognised"] == 1)
        self.live.settle()
        total = self.region.statistics()["total"]
        self.assertEqual((total["orders"], total["ordered"], total["offered"], total["recognised"], total["undecided"]), (1, 2, 2, 1, 1))

    # What old browser controls can draw, and nothing that runs or loads: tags, attributes and CSS properties by an allow-list.
    def test_the_page_keeps_to_what_old_controls_can_draw(self):
        (self.live.dir / "schemas/facilities/test.toml").write_text(
            (self.live.dir / "schemas/facilities/test.toml").read_text(encoding="utf-8").replace('name_zh = "测试医院"', "name_zh = \"<script>alert(1)</script>&\\\"'医院\""),
            encoding="utf-8")
        self.live.restart()
        self.region.result(items=[("GLU", "葡萄糖", "5.8", "mmol/L", "<b onclick=x>3.9-6.1"), *ITEMS[1:]])
        self.region.arrival()
        self.live.settle()
        told = self.region.check(["GLU", "K"], requester={"facility": "cc-east", "department": "<img src=x onerror=alert(1)>", "practitioner": {"code": "D07"}})
        page = Page(self.live, told["link"])
        pages = [page.look().text]
        for step in (page.open, lambda: page.press("n:0"), lambda: page.press("back"), lambda: page.press("report:0:0"), lambda: page.press("back"),
                     lambda: page.press("r:0"), lambda: page.press("done")):
            step()
            pages.append(page.answer.text)
        tags = {"html", "head", "meta", "title", "link", "body", "div", "span", "p", "b", "br", "table", "tr", "th", "td", "form", "input", "button",
                "label", "a"}
        attributes = {"http-equiv", "content", "charset", "rel", "href", "lang", "class", "id", "method", "action", "accept-charset", "type", "name",
                      "value", "colspan", "maxlength", "title"}
        for text in pages:
            self.assertLess(len(text.encode()), 25 * 1024)
            check = Markup(text)
            self.assertLessEqual(check.tags, tags)
            self.assertLessEqual(check.attributes, attributes)
            self.assertTrue(text.startswith("<!doctype html>"))
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", pages[1])
        style = self.live.http("GET", "/d/page.css").text
        self.assertLess(len(style), 6 * 1024)
        properties = set(re.findall(r"[;{]\s*([a-z-]+):", style))
        self.assertLessEqual(properties, {
            "margin", "padding", "background", "color", "font", "height", "line-height", "overflow", "float", "border", "border-bottom", "border-top",
            "border-color", "border-collapse", "width", "table-layout", "text-align", "font-weight", "vertical-align", "word-wrap", "font-size",
            "min-height", "cursor", "text-decoration", "display", "outline", "position", "left", "right", "top", "bottom"})
        self.assertNotRegex(style, r"flex|grid|var\(|@|url\(|calc|display:(?!block|inline)")
        for header, value in (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"), ("X-UA-Compatible", "IE=edge"), ("X-Frame-Options", "DENY")):
            self.assertEqual(page.answer.header(header), value)
        self.assertTrue(page.answer.header("Content-Security-Policy").startswith("default-src 'none'"))
        self.assertEqual(page.answer.header("Set-Cookie"), "")

    def test_cds_hooks_is_the_second_door(self):
        self.known_to_both()
        services = self.live.http("GET", "/cds-services").json()["services"]
        self.assertEqual([(s["hook"], s["id"]) for s in services], [("order-select", "mutual-recognition"), ("order-sign", "mutual-recognition")])

        def order(number, code):
            return {"resource": {"resourceType": "ServiceRequest", "id": number, "status": "draft", "intent": "order",
                                 "code": {"coding": [{"system": "urn:local", "code": code}]}, "subject": {"reference": "Patient/1"}}}

        asked = {"hook": "order-select", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
                 "context": {"userId": "Practitioner/D07", "patientId": "1", "encounterId": "2", "selections": ["ServiceRequest/a", "ServiceRequest/b"],
                             "draftOrders": {"resourceType": "Bundle", "type": "collection",
                                             "entry": [order("a", "GLU"), order("b", "K"), order("c", "ALT")]}},
                 "prefetch": {"patient": {"resourceType": "Patient", "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": CARD}]},
                              "encounter": {"resourceType": "Encounter", "class": {"code": "AMB"}, "serviceProvider": {"reference": "Organization/cc-east"}}}}
        service = "/cds-services/mutual-recognition"
        cards = self.live.http("POST", service, body=asked, token=self.live.token()).json()["cards"]
        self.assertEqual(len(cards), 2, "only what is selected")
        for card in cards:
            self.assertLessEqual(len(card["summary"]), 140)
            self.assertIn(card["indicator"], ("info", "warning", "critical"))
            self.assertTrue(card["source"]["label"] and card["detail"])
            self.assertIn("01", [reason["code"] for reason in card["overrideReasons"]])
            self.assertEqual(card["links"][0]["type"], "absolute")
            self.assertEqual([a["type"] for a in card["suggestions"][0]["actions"]], ["delete"])
        self.assertEqual([c["suggestions"][0]["actions"][0]["resourceId"] for c in cards], ["ServiceRequest/a", "ServiceRequest/b"])
        self.assertEqual(len({card["uuid"] for card in cards}), 2)
        feedback = {"feedback": [
            {"card": cards[0]["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": cards[0]["suggestions"][0]["uuid"]}],
             "outcomeTimestamp": "2026-01-05T08:00:00Z"},
            {"card": cards[1]["uuid"], "outcome": "overridden", "overrideReason": {"reason": {"code": "98"}, "userComment": "x"},
             "outcomeTimestamp": "2026-01-05T08:00:00Z"}]}
        self.assertEqual(self.live.http("POST", service + "/feedback", body=feedback, token=self.live.token()).status, 200)
        self.region.until(lambda: self.region.statistics()["total"]["refusedUncounted"] == 1)
        total = self.region.statistics()["total"]
        self.assertEqual((total["recognised"], total["refused"], total["refusedUncounted"], total["rate"]["denominator"]), (1, 0, 1, 1))
        # At signing the same drafts are asked about once more: one order, and what was answered stands.
        self.live.http("POST", service, body={**asked, "hook": "order-sign"}, token=self.live.token())
        self.live.settle()
        total = self.region.statistics()["total"]
        self.assertEqual((total["orders"], total["ordered"], total["recognised"], total["refusedUncounted"]), (1, 2, 1, 1))
        for uuid in (cards[0]["uuid"][:-2] + "07", cards[0]["uuid"][:-2] + "00"):
            wrong = {"feedback": [{"card": uuid, "outcome": "accepted"}]}
            self.assertIn(self.live.http("POST", service + "/feedback", body=wrong, token=self.live.token()).status, (400, 404))
        stat = json.loads(json.dumps(asked))
        stat["context"]["draftOrders"]["entry"][0]["resource"]["priority"] = "stat"
        for code in ("EMER", "急诊", "emergency"):
            asked["prefetch"]["encounter"]["class"]["code"] = code
            self.assertEqual(self.live.http("POST", service, body=asked, token=self.live.token()).json()["cards"], [], "emergency is not interrupted")
        self.assertEqual(self.live.http("POST", service, body=stat, token=self.live.token()).json()["cards"], [], "nor what is urgent by its own word")
        for broken, status in (({"hook": "patient-view"}, 400), ({"hookInstance": ""}, 400), ({"prefetch": {}}, 412)):
            self.assertEqual(self.live.http("POST", service, body={**asked, **broken}, token=self.live.token()).status, status)
        self.assertEqual(self.live.http("POST", service, body=asked).status, 401)
        unknown = {"feedback": [{"card": "00000000-0000-0000-0000-000000000001", "outcome": "accepted"}]}
        self.assertEqual(self.live.http("POST", service + "/feedback", body=unknown, token=self.live.token()).status, 404)

    def test_statistics_as_csv_name_the_formula(self):
        self.known_to_both()
        self.region.check(["GLU"])
        self.region.until(lambda: self.region.statistics()["total"]["orders"] == 1)
        answer = self.live.http("GET", "/api/v1/recognition/statistics?by=facility&format=csv", token=self.live.token("operator"))
        lines = answer.body.decode("utf-8-sig").splitlines()
        self.assertIn("text/csv", answer.header("Content-Type"))
        columns = lines[0].split(",")
        row = dict(zip(columns, lines[1].split(",")))
        self.assertEqual((row["facility"], row["name"], row["orders"], row["offered"], row["undecided"], row["formula"]),
                         ("cc-east", "城东社区卫生服务中心", "1", "1", "1", "rate-1"))
        self.assertEqual(len(lines), 3)


if __name__ == "__main__":
    run()
