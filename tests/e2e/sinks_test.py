"""Events reach subscribers as files in a folder and as server-sent events: whole, in order, once each; a folder that is gone and a
client that is away get everything afterwards; what nobody acknowledged comes again under the same id."""

import json
import re
import shutil
import time

from hutong import CONFIG, Story, ack, run, seconds_until, until
from messages import oru
from receivers import EventSource, allow_folders, declare, parse_hl7


class Sinks(Story):
    def start(self, *subscriptions, config=CONFIG):
        live = self.broker(start=False, config=config)
        declare(live, *subscriptions)
        return live.start()

    def tell(self, live, *messages):
        with live.mllp() as feed:
            for message in messages:
                self.assertEqual(ack(feed.exchange(message)).code, "AA")

    def status(self, live, name):
        found = json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        return next(one for one in found if one["name"] == name)


class Files(Sinks):
    def setUp(self):
        self.out = self.directory() / "out"
        self.out.mkdir()

    def file(self, name="ward", payload="event", **more):
        return {"name": name, "sink": "file", "target": str(self.out / name), "payload": payload, "kinds": ["result.reported"], **more}

    def files(self, name="ward"):
        return sorted(each for each in (self.out / name).iterdir() if not each.name.startswith("."))

    def arrived(self, count, name="ward", deadline=15):
        until(lambda: len(self.files(name)) >= count, f"{count} files", deadline)
        return self.files(name)

    def test_a_result_becomes_one_file_in_each_form(self):
        for name in ("event", "fhir", "hl7v2"):
            (self.out / name).mkdir()
        live = self.start(self.file("event"), self.file("fhir", "fhir"), self.file("hl7v2", "hl7v2", version="2.4", charset="GB18030"),
                          config=CONFIG + allow_folders(self.out))
        self.tell(live, oru(control="1", order="R1"))
        event, = self.arrived(1, "event")
        self.assertTrue(event.name.endswith(".json"))
        document = json.loads(event.read_text(encoding="utf-8"))
        self.assertIn(f"{document['id']}.{document['events'][0].get('ordinal', 0)}", event.name)
        fhir, = self.arrived(1, "fhir")
        self.assertTrue(fhir.name.endswith(".fhir.json"))
        self.assertEqual(json.loads(fhir.read_text(encoding="utf-8"))["resourceType"], "Bundle")
        hl7, = self.arrived(1, "hl7v2")
        self.assertTrue(hl7.name.endswith(".hl7"))
        message = parse_hl7(hl7.read_bytes(), "gb18030")
        self.assertEqual((message.type, message.version, message.patient, message.report), ("ORU^R01^ORU_R01", "2.4", "P1", "R1"))
        self.assertEqual(hl7.stat().st_mode & 0o007, 0)
        self.assertEqual(event.name.removesuffix(".json"), fhir.name.removesuffix(".fhir.json"))
        until(lambda: re.search(r"delivery \S+ to event: delivered .*answered written", live.command("trace", "TESTHOSP/1").stdout), "it can be traced", 15)

    def test_names_sort_as_the_results_came_and_a_kill_doubles_nothing(self):
        (self.out / "ward").mkdir()
        live = self.start(self.file(), config=CONFIG + allow_folders(self.out))
        sent = [f"{patient}-{i:03}" for i in range(60) for patient in ("P1", "P2")]
        with live.mllp() as feed:
            answers = feed.pipeline([oru(control=order, number=order[:2], order=order) for order in sent[:70]], 16)
            self.assertEqual({ack(each).code for each in answers}, {"AA"})
        self.arrived(20)
        live.kill()
        live.start()
        self.tell(live, *[oru(control=order, number=order[:2], order=order) for order in sent[70:]])
        found = [json.loads(each.read_text())["source"]["controlId"] for each in self.arrived(len(sent), deadline=30)]
        self.assertEqual(found, sent)
        live.command("replay", "--subscriber", "ward", "--from", "0")
        until(lambda: self.status(live, "ward")["delivered"] >= 2 * len(sent) and not self.status(live, "ward")["replaying"], "all once more", 30)
        self.assertEqual(len(self.files()), len(sent), "a replay takes its own places")
        parts = [each.name for each in (self.out / "ward").iterdir() if each.name.startswith(".")]
        self.assertLessEqual(len(parts), 1, "of the broker that was killed, at most")

    def test_a_folder_that_is_gone_gets_everything_when_it_is_there_again(self):
        live = self.start(self.file(), config=CONFIG + allow_folders(self.out))
        self.tell(live, *[oru(control=f"{i}", order=f"R{i}", number=f"P{i}") for i in range(5)])
        until(lambda: self.status(live, "ward")["state"] == "waiting", "it is noticed")
        self.assertIn("ward: No such file or directory", self.status(live, "ward")["trouble"])
        self.assertEqual(self.status(live, "ward")["dead"], 0)
        live.kill()
        live.start()
        (self.out / "ward").mkdir()
        self.arrived(5, deadline=30)
        until(lambda: self.status(live, "ward")["state"] == "live", "it goes on")
        # Somebody puts a link in its place: nothing is written where it leads.
        elsewhere = self.directory()
        shutil.rmtree(self.out / "ward")
        (self.out / "ward").symlink_to(elsewhere)
        self.tell(live, oru(control="x", order="RX"))
        until(lambda: "symbolic link" in self.status(live, "ward")["trouble"], "it is refused")
        self.assertEqual(list(elsewhere.iterdir()), [])
        (self.out / "ward").unlink()
        (self.out / "ward").mkdir()
        self.arrived(1, deadline=30)

    def test_a_mistake_is_named_with_its_file_and_line(self):
        (self.out / "link").symlink_to(self.directory())
        live = self.broker(start=False, config=CONFIG + allow_folders(self.out))
        for wrong, expected in [({"target": "/etc"}, "lies in none of [delivery] folders"), ({"target": "out"}, "a whole path"),
                                ({"target": f"{self.out}/../etc"}, "without"), ({"target": str(self.out / "link")}, "symbolic link"),
                                ({"payload": "empty"}, "says nothing"), ({"connections": 2}, "no such key"), ({"tls": True}, "no such key")]:
            declare(live, {**self.file(), **wrong})
            done = live.command("check", expect=2)
            self.assertRegex(done.stderr, r"test\.toml:\d+: ")
            self.assertIn(expected, done.stderr)
        declare(live, self.file(), self.file("other", target=str(self.out / "ward") + "/"))
        self.assertIn("into this folder already", live.command("check", expect=2).stderr)
        live.config.write_text(CONFIG + allow_folders("out"))
        self.assertIn("whole path", live.command("check", expect=2).stderr)


class ServerSentEvents(Sinks):
    def subscription(self, **more):
        return {"name": "app", "sink": "sse", "target": "clinic", "payload": "id-only", "kinds": ["result.reported"], **more}

    def connect(self, live, last="", acknowledges=False, client="clinic", name="app"):
        def connected():
            source = EventSource(live, name, live.token(client), last, acknowledges)
            self.addCleanup(source.close)
            return source if source.status != 503 else None  # it does not deliver yet

        return until(connected, "a connection", 15)

    def arrived(self, source, count, deadline=15):
        until(lambda: len(source.taken) >= count, f"{count} events", deadline)
        return source.taken

    def test_what_the_client_acknowledges_is_delivered_and_never_comes_again(self):
        live = self.start(self.subscription(payload="event"))
        source = self.connect(live, acknowledges=True)
        self.assertEqual(source.answer.getheader("Content-Type"), "text/event-stream; charset=utf-8")
        self.tell(live, *[oru(control=f"{i}", order=f"R{i}", number=f"P{i % 2}") for i in range(6)])
        got = self.arrived(source, 6)
        self.assertEqual({each.kind for each in got}, {"result.reported"})
        document = json.loads(got[0].data)
        self.assertEqual(got[0].event.split(".")[0], document["id"])
        until(lambda: self.status(live, "app")["delivered"] == 6, "all acknowledged")
        until(lambda: re.search(r"delivery \S+ to app: delivered .*answered acknowledged", live.command("trace", "TESTHOSP/0").stdout), "it can be traced", 15)
        live.stop()
        live.start()
        source = self.connect(live, acknowledges=True)
        self.tell(live, oru(control="9", order="R9"))
        self.assertEqual(len(self.arrived(source, 1)), 1)
        self.assertNotIn(source.taken[0].event, {each.event for each in got})

    def test_what_was_only_written_comes_again_under_the_same_id_also_after_a_kill(self):
        live = self.start(self.subscription())
        source = self.connect(live)
        self.tell(live, *[oru(control=f"{i}", order=f"R{i}", number=f"P{i}") for i in range(3)])
        first = [each.event for each in self.arrived(source, 3)]
        self.assertEqual(self.status(live, "app")["delivered"], 0, "a socket took it, nobody has it")
        live.kill()
        live.start()
        # Nobody was there: the first one comes alone, and the others once that is acknowledged.
        source = self.connect(live)
        alone = self.arrived(source, 1)[0].event
        self.assertEqual(source.acknowledge(alone), 1)
        self.assertEqual(sorted(each.event for each in self.arrived(source, 3)), sorted(first))
        # It connects anew and says which one it has last: that one is settled, the other comes.
        last, other = [each.event for each in source.taken if each.event != alone]
        source.close()
        source = self.connect(live, last=last)
        self.assertEqual([each.event for each in self.arrived(source, 1)], [other])
        until(lambda: self.status(live, "app")["delivered"] == 2, "Last-Event-ID")
        self.assertEqual(source.acknowledge(other, last, "never.0"), 1)
        until(lambda: (self.status(live, "app")["delivered"], self.status(live, "app")["open"]) == (3, 0), "all of them")

    def test_nobody_connected_loses_nothing_and_is_told(self):
        live = self.start(self.subscription())
        self.tell(live, *[oru(control=f"{i}", order=f"R{i}", number=f"P{i % 7}") for i in range(40)])
        until(lambda: self.status(live, "app")["trouble"] == "nobody is connected", "it is noticed")
        self.assertEqual(self.status(live, "app")["state"], "waiting")
        time.sleep(3)
        source = self.connect(live, acknowledges=True)
        self.assertLess(seconds_until(lambda: source.taken, "the first one"), 2, "it waits for its client, its client not for it")
        self.arrived(source, 40, 30)
        until(lambda: (self.status(live, "app")["state"], self.status(live, "app")["delivered"]) == ("live", 40), "caught up")
        self.assertEqual(len({each.event for each in source.taken}), 40)

    def test_the_newer_connection_holds_and_the_older_is_told(self):
        live = self.start(self.subscription())
        older = self.connect(live, acknowledges=True)
        newer = self.connect(live, acknowledges=True)
        until(lambda: older.ended, "the older ends")
        self.assertEqual([(each.kind, each.data) for each in older.notes], [("replaced", "another connection took over")])
        self.tell(live, oru(control="1", order="R1"))
        self.arrived(newer, 1)
        self.assertEqual(older.taken, [])

    def test_only_its_client_with_the_right_to_read_may(self):
        live = self.start(self.subscription())
        self.assertEqual(live.http("GET", "/api/v1/subscriptions/app/events").status, 401)
        self.assertEqual(self.connect(live, client="operator").status, 403)
        self.assertEqual(self.connect(live, name="other").status, 404)
        acknowledge = "/api/v1/subscriptions/app/acknowledge"
        self.assertEqual(live.http("POST", acknowledge, body={"events": ["a.0"]}, token=live.token("operator")).status, 403)
        self.assertEqual(live.http("POST", acknowledge, body={"event": "a.0"}, token=live.token("clinic")).status, 400)
        audited = "".join(each.read_text() for each in (live.dir / "audit").glob("audit-*.jsonl"))
        self.assertRegex(audited, r'"operator".*Subscription/\$events.*"denied"')
        self.assertEqual(self.connect(live).status, 200)
        audited = "".join(each.read_text() for each in (live.dir / "audit").glob("audit-*.jsonl"))
        self.assertRegex(audited, r'"clinic".*DiagnosticReport/\$events.*"allowed"')

    def test_a_mistake_is_named_with_its_file_and_line(self):
        live = self.broker(start=False)
        for wrong, expected in [({"target": "nobody"}, "one of [clients]"), ({"target": "operator"}, "lacks system/Patient.r"),
                                ({"payload": "hl7v2", "charset": "GB18030"}, "are UTF-8"), ({"authorization": "env:HOME"}, "no such key")]:
            declare(live, {**self.subscription(), **wrong})
            done = live.command("check", expect=2)
            self.assertRegex(done.stderr, r"test\.toml:\d+: ")
            self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    run()
