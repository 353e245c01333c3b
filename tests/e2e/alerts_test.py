"""Operators are told what is wrong, once, and that it is over: a subscriber that lags, dead letters, refusals, a feed that falls
silent, the disk (a log that takes nothing: tests/crash/disk_fails_test.py). A webhook that is away is told afterwards; after a restart
what holds is no news."""

import json
import os
import pathlib
import time

from hutong import CONFIG, Story, ack, run, until
from messages import oru
from receivers import MllpReceiver, Webhook, allow, declare

TESTS = pathlib.Path(os.environ.get("HUTONG_BUILD", "build/release")) / "tests"
# Off, but for what a story turns on.
QUIET = {"hold": "300ms", "lag": "0s", "dead_letters": 0, "failures": 0, "refusals": 0, "disk_free": "0B", "silence_in": "any-hours"}


class Alerts(Story):
    def setUp(self):
        self.duty = Webhook()
        self.addCleanup(lambda: self.duty.close())
        self.ward = MllpReceiver()
        self.addCleanup(lambda: self.ward.close())

    def start(self, *subscriptions, silence=None, environment=None, **alerts):
        config = CONFIG + allow(self.duty.origin) + "\n[alerts]\n"
        config += "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"webhooks": [self.duty.origin + "/duty?key=k"], **QUIET, **alerts}.items())
        config += "[alerts.silence]\n" + "".join(f'"{key}" = "{value}"\n' for key, value in {"*": "0s", **(silence or {})}.items())
        live = self.broker(start=False, config=config)
        declare(live, *subscriptions)
        return live.start(environment=environment(live) if environment else None)

    def subscription(self, **more):
        return {"name": "ward", "sink": "mllp", "target": f"127.0.0.1:{self.ward.port}", "kinds": ["result.reported"], **more}

    def tell(self, live, *messages, answer="AA"):
        with live.mllp() as feed:
            for message in messages:
                self.assertEqual(ack(feed.exchange(message)).code, answer)

    # What was told, in order, and taken: "raised lag:ward".
    def told(self):
        return [f"{each['state']} {each['id']}" for request in self.duty.accepted() for each in json.loads(request.body)["alerts"]]

    def alert(self, words):
        return next(each for request in self.duty.accepted() for each in json.loads(request.body)["alerts"] if f"{each['state']} {each['id']}" == words)

    def begun(self):
        return {kind for request in self.duty.accepted() for kind in json.loads(request.body)["begins"]}

    # The watch has begun, over all: what is told from here on is news.
    def begin(self):
        until(lambda: {"lag", "silence", "disk"} <= self.begun(), "the watch begins", 20)

    def await_told(self, words, deadline=20):
        until(lambda: words in self.told(), words + " is told", deadline)
        return self.alert(words)

    def alerts(self, live):
        return json.loads(live.command("alerts", "--json").stdout)

    def test_a_subscriber_that_lags_is_told_once_and_so_is_that_it_has_caught_up(self):
        live = self.start(self.subscription(), lag="1s")
        self.begin()
        port = self.ward.port
        self.ward.close()
        self.tell(live, oru(control="1", order="R1", number="P77"))
        raised = self.await_told("raised lag:ward")
        self.assertEqual((raised["kind"], raised["subject"], raised["limit"]), ("lag", "ward", 1.0))
        self.assertGreaterEqual(raised["value"], 1)
        self.assertIn("订阅 ward", raised["text"]["zh"])
        self.assertIn("subscription ward: the oldest event that is not delivered", raised["text"]["en"])
        standing, = self.alerts(live)["alerts"]
        self.assertEqual((standing["id"], standing["since"]), ("lag:ward", raised["since"]))
        until(lambda: "told" in self.alerts(live)["alerts"][0], "it is known to be told")
        self.assertEqual(live.metric("hutong_alerts", kind="lag"), 1)
        shown = live.command("alerts").stdout
        self.assertIn("lag:ward", shown)
        self.assertIn(f"webhook {self.duty.origin}  answered 200", shown)
        time.sleep(1.5)
        self.assertEqual(self.told(), ["raised lag:ward"], "once")
        self.ward = MllpReceiver(port)
        cleared = self.await_told("cleared lag:ward", 90)
        self.assertEqual(cleared["since"], raised["since"])
        self.assertGreater(cleared["seconds"], 1.5)
        self.assertIn("投递已跟上，历时", cleared["text"]["zh"])
        self.assertEqual(self.alerts(live)["alerts"], [])
        self.assertEqual(live.metric("hutong_alerts", kind="lag"), 0)
        request = self.duty.accepted()[0]
        self.assertEqual((request.path, request.headers["content-type"]), ("/duty?key=k", "application/json"))
        for body in (each.body.decode() for each in self.duty.taken):
            for personal in ("P77", "测试^一", "测试一"):
                self.assertNotIn(personal, body)
        words = live.log_file.read_text()
        self.assertIn("alert lag:ward raised", words)
        self.assertNotIn("key=k", words + live.http("GET", "/metrics").text + live.command("check").stdout)

    def test_dead_letters_and_attempts_that_fail_are_told_together(self):
        self.ward.answer = lambda message: "AE"
        live = self.start(self.subscription(attempts=1, on_refusal="skip"), dead_letters=3, failures=50, least=3)
        self.begin()
        self.tell(live, *[oru(control=f"{i}", order=f"R{i}", number=f"P{i}") for i in range(3)])
        self.assertEqual(self.await_told("raised dead-letters:ward")["value"], 3)
        failures = self.await_told("raised failures:ward")
        self.assertEqual((failures["value"], failures["limit"]), (100, 50))
        self.ward.answer = lambda message: "AA"
        live.command("deadletter", "retry", "ward", "--all")
        self.assertIn("死信已处理", self.await_told("cleared dead-letters:ward")["text"]["zh"])

    def test_a_feed_that_falls_silent_and_is_heard_again(self):
        live = self.start(silence={"TESTHOSP": "1500ms"})
        self.begin()
        time.sleep(2.5)
        self.assertEqual(self.told(), [], "who never sent anything is not silent")
        self.tell(live, oru(control="1"))
        raised = self.await_told("raised silence:TESTHOSP")
        self.assertIn("测试医院：已有", raised["text"]["zh"])
        self.assertIn("Test hospital: nothing came for", raised["text"]["en"])
        self.tell(live, oru(control="1"))  # a resend: it is there, although the log holds nothing new
        self.await_told("cleared silence:TESTHOSP")
        self.assertEqual(self.told()[:2], ["raised silence:TESTHOSP", "cleared silence:TESTHOSP"])

    def test_a_wall_clock_that_is_set_raises_nothing(self):
        setting = self.directory() / "off"
        setting.write_text("0")
        live = self.start(self.subscription(), silence={"TESTHOSP": "1h"}, lag="1h", disk_free="1B",
                          environment=lambda _: {"LD_PRELOAD": str(TESTS / "libhutong_wall.so"), "HUTONG_WALL": str(setting)})
        self.begin()
        self.tell(live, oru(control="1"))
        until(lambda: len(self.ward.accepted()) == 1, "a delivery")
        setting.write_text("864000")
        until(lambda: live.metric("hutong_clock_jumped") == 1, "the jump is seen")
        time.sleep(1.5)
        self.assertEqual(self.told(), [])
        self.assertEqual(self.alerts(live)["alerts"], [])

    def test_a_feed_whose_messages_are_refused(self):
        live = self.start(refusals=50, least=5, within="3s")
        self.begin()
        bad = ["\r".join(line for line in oru(control=f"b{i}").split("\r") if not line.startswith("PID")) for i in range(6)]
        self.tell(live, *bad[:4], answer="AE")
        self.tell(live, oru(control="good"))
        time.sleep(1)
        self.assertEqual(self.told(), [], "four are not enough")
        self.tell(live, bad[4], bad[4], bad[4], answer="AE")  # one that the sender repeats counts each time
        raised = self.await_told("raised refusals:TESTHOSP")
        self.assertGreater(raised["value"], 80)
        self.assertIn("被拒收", raised["text"]["zh"])
        self.await_told("cleared refusals:TESTHOSP")

    def test_a_disk_with_less_than_is_wanted_is_told_again_and_again_and_after_a_restart_is_no_news(self):
        live = self.start(disk_free="99%", repeat_after="2s")
        standing = self.await_told("standing disk:" + os.uname().nodename)
        self.assertLess(standing["value"], standing["limit"])
        self.assertIn("磁盘剩余", standing["text"]["zh"])
        until(lambda: len(self.told()) >= 3, "again and again", 20)
        before = len(self.duty.taken)
        live.restart()
        until(lambda: any("disk" in json.loads(request.body)["begins"] for request in self.duty.accepted()[before:]), "the watch begins anew")
        self.assertEqual(set(self.told()), {"standing disk:" + os.uname().nodename}, "never as news")

    def test_a_webhook_that_is_away_is_told_the_last_word_afterwards_and_is_itself_seen_meanwhile(self):
        live = self.start(self.subscription(), lag="1s")
        self.begin()
        port, ward = self.duty.port, self.ward.port
        self.duty.answer = lambda request: "close"  # of a connection that is kept
        self.duty.close()
        self.ward.close()
        self.tell(live, oru(control="1"))
        until(lambda: self.alerts(live)["webhooks"][0]["untold"] == 1, "it waits", 20)
        until(lambda: self.alerts(live)["webhooks"][0]["answer"] not in ("", "200"), "it is seen to be away", 20)
        self.assertNotIn("told", self.alerts(live)["alerts"][0])
        self.assertIn("nobody was told", live.command("alerts").stdout)
        self.assertEqual(live.metric("hutong_alerts_untold"), 1)
        until(lambda: live.metric("hutong_alert_messages_total", taken="unreachable"), "its connection is refused", 20)
        self.assertIn(f"alerts: http://127.0.0.1:{port} is not told", live.log_file.read_text())
        began = time.monotonic()
        for i in range(20):  # nothing of it is in the way of messages
            self.tell(live, oru(control=f"m{i}", order=f"M{i}"))
        self.assertLess(time.monotonic() - began, 5)
        self.duty = Webhook(port)
        self.duty.answer = lambda request: 302
        self.duty.headers = {"Location": f"http://127.0.0.1:{port}/elsewhere"}
        until(lambda: self.duty.taken, "it is tried again", 60)
        until(lambda: self.alerts(live)["webhooks"][0]["answer"].startswith("302"), "its answer is shown")
        self.duty.answer = lambda request: 200
        self.await_told("raised lag:ward", 60)
        self.assertEqual({request.path for request in self.duty.taken}, {"/duty?key=k"}, "no redirect is followed")
        self.assertEqual(self.told(), ["raised lag:ward"], "one word, however often it was tried")
        self.ward = MllpReceiver(ward)
        self.await_told("cleared lag:ward", 90)

    def test_a_webhook_that_hangs_holds_up_no_stop(self):
        self.duty.delay = 20
        live = self.start(disk_free="99%")
        time.sleep(2)
        began = time.monotonic()
        self.assertEqual(live.stop(), 0)
        self.assertLess(time.monotonic() - began, 8)
        self.assertNotIn("did not end in time", live.log_file.read_text())

    def test_a_target_that_is_not_allowed_is_a_mistake_with_its_line(self):
        live = self.start()
        live.stop()
        text = live.config.read_text().replace(self.duty.origin + "/duty", "http://169.254.169.254/latest")
        live.config.write_text(text)
        line = next(i for i, each in enumerate(text.splitlines(), 1) if "169.254" in each)
        said = live.command("check", expect=2).stderr
        self.assertIn(f"hutong.toml:{line}: [alerts] webhooks:", said)
        self.assertIn("is not in [delivery] webhooks", said)

    def test_only_an_operator_sees_them(self):
        live = self.start()
        self.assertEqual(live.http("GET", "/api/v1/alerts").status, 401)
        self.assertEqual(live.http("GET", "/api/v1/alerts", token=live.token("clinic")).status, 403)
        seen = live.http("GET", "/api/v1/alerts", token=live.token("operator"))
        self.assertEqual((seen.status, seen.json()["alerts"]), (200, []))


if __name__ == "__main__":
    run()
