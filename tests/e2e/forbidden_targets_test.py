"""Webhooks never lead inside, however their target is written (reliability F33): forbidden_targets.jsonl holds spellings, addresses,
names, answers of name servers and redirects, each with how it is refused; every one is tried on the real binary. Who would be
reached listens on every address of this machine and must never be connected to."""

import collections
import contextlib
import http.server
import json
import os
import pathlib
import socket
import threading
import unittest

from hutong import CONFIG, Story, ack, run, until
from messages import ITEMS, oru
from receivers import declare

CORPUS = [json.loads(line) for line in pathlib.Path(__file__).with_name("forbidden_targets.jsonl").read_text(encoding="utf-8").splitlines()]
COUNTS = {"as it is written": 132, "as not listed": 20, "where it leads": 57, "where its name leads": 26, "where its name leads next": 8,
          "where it redirects": 17}
NAMES = pathlib.Path(os.environ.get("HUTONG_BUILD", "build/release")) / "tests" / "libhutong_names.so"
ALLOWED = "127.0.0.2"   # in private_networks; everything else inside is not
MESSAGES = 3


def those(refused):
    return [one for one in CORPUS if one["refused"] == refused]


def delivery(webhooks, networks=()):
    return f"\n[delivery]\nwebhooks = {json.dumps(list(webhooks), ensure_ascii=False)}\nprivate_networks = {json.dumps(list(networks))}\n"


class Inside:
    """What must not be reached: counts connections to a port of every address of this machine but ALLOWED."""

    def __init__(self, port):
        self.connections, self.sockets = 0, []
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with contextlib.suppress(OSError):  # a machine without IPv6
                listening = socket.socket(family)
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind((address, port))
                listening.listen()
                self.sockets.append(listening)
                threading.Thread(target=self.count, args=(listening,), daemon=True).start()

    def count(self, listening):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                self.connections += 1
                connection.close()

    def close(self):
        for listening in self.sockets:
            listening.close()


class Allowed:
    """A webhook on ALLOWED that closes after each answer, so that the next one looks the name up again. `/r/N` redirects as
    the corpus has it. `.taken` counts what came by subscription."""

    def __init__(self):
        self.taken, self.lock, allowed = collections.Counter(), threading.Lock(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                with allowed.lock:
                    allowed.taken[self.headers["X-Hutong-Subscription"]] += 1
                if self.path.startswith("/r/"):
                    redirect = those("where it redirects")[int(self.path[3:])]
                    self.send_response(redirect["status"])
                    self.send_header("Location", redirect["location"].replace("{port}", str(allowed.port)))
                    self.send_header("Refresh", f"0; url=http://127.0.0.1:{allowed.port}/")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 256

            def server_bind(self):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                super().server_bind()

        self.server = Server((ALLOWED, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class ForbiddenTargets(Story):
    def test_the_corpus_is_whole(self):
        self.assertEqual(collections.Counter(one["refused"] for one in CORPUS), COUNTS)
        self.assertEqual(len({json.dumps(one) for one in CORPUS}), sum(COUNTS.values()))

    def refused_by_check(self, live, target):
        declare(live, {"name": "x", "sink": "rest-hook", "target": target})
        done = live.command("check", expect=None)
        self.assertEqual(done.returncode, 2, f"{target!r} was taken")
        self.assertRegex(done.stderr, r"test\.toml:4: target: ")
        return done.stderr

    def test_what_could_be_read_in_two_ways_is_no_target(self):
        live = self.broker(start=False, config=CONFIG + delivery(["https://his.example.cn"]))
        for one in those("as it is written"):
            self.assertIn("expected https://host/path", self.refused_by_check(live, one["target"]), one["target"])
        declare(live)
        plain = live.config.read_text(encoding="utf-8")
        for one in those("as it is written"):  # nor can an operator list it by mistake
            live.config.write_text(plain.replace(delivery(["https://his.example.cn"]), delivery([one["target"]])), encoding="utf-8")
            self.assertEqual(live.command("check", expect=None).returncode, 2, f"{one['target']!r} was listed")

    def test_what_is_not_listed_is_no_target(self):
        live = self.broker(start=False, config=CONFIG + delivery(["https://his.example.cn"], ["0.0.0.0/0", "::/0"]))
        for one in those("as not listed"):
            self.assertIn("is not in [delivery] webhooks", self.refused_by_check(live, one["target"]), one["target"])

    # --- a running broker ---

    def running(self, targets, names=()):
        """A broker that may deliver to all of these as far as its list goes, and the name of each one's subscription."""
        live = self.broker(start=False, config=CONFIG + delivery(sorted({target.rsplit("/", 2 if "/r/" in target else 1)[0] for target in targets}),
                                                                 [ALLOWED]))
        names_file = live.dir / "names"
        names_file.write_text("".join(f"{name} {' '.join(answer)}\n" for name, answers in names for answer in answers))
        live.environment |= {"LD_PRELOAD": str(NAMES), "HUTONG_NAMES": str(names_file)}
        subscribed = {f"s{number}": target for number, target in enumerate(targets)}
        declare(live, *[{"name": name, "sink": "rest-hook", "target": target, "payload": "empty", "kinds": ["result.reported"]}
                        for name, target in subscribed.items()])
        live.start()
        with live.mllp() as feed:
            for number in range(MESSAGES):
                self.assertEqual(ack(feed.exchange(oru(control=f"c{number}", order=f"R{number}", number=f"P{number}", items=ITEMS[:1]))).code, "AA")
        return live, subscribed

    def told(self, live):
        found = json.loads(live.command("subscriptions", "list", "--json").stdout)["subscriptions"]
        return {one["name"]: one for one in found}

    def setUp(self):
        self.allowed = Allowed()
        self.addCleanup(self.allowed.close)
        self.inside = Inside(self.allowed.port)
        self.addCleanup(self.inside.close)

    def test_what_leads_inside_is_not_connected_to(self):
        named = those("where its name leads")
        targets = [one["target"].replace("{port}", str(self.allowed.port)) for one in those("where it leads")]
        targets += [f"http://{one['name']}:{self.allowed.port}/in" for one in named]
        good = f"http://{ALLOWED}:{self.allowed.port}/in"
        live, subscribed = self.running([*targets, good], [(one["name"], one["answers"]) for one in named])

        def all_tried():
            told = self.told(live)
            return all(one["failed"] > 0 or one["delivered"] == MESSAGES for one in told.values()) and told
        told = until(all_tried, "each is tried", 30)
        for name, target in subscribed.items():
            if target == good:
                self.assertEqual((told[name]["delivered"], self.allowed.taken[name]), (MESSAGES, MESSAGES), "the control")
                continue
            self.assertEqual((told[name]["delivered"], told[name]["state"]), (0, "waiting"), target)
            self.assertRegex(told[name]["trouble"], r"^it leads to \S+, which is no public address", target)
        self.assertEqual(sum(self.allowed.taken.values()), MESSAGES)
        self.assertEqual(self.inside.connections, 0)
        asked = (live.dir / "names.asked").read_text().split()
        self.assertEqual(set(asked), {one["name"] for one in named}, "the names are those of this story")

    def test_a_name_that_leads_inside_the_next_time_is_not_followed(self):
        cases = those("where its name leads next")
        live, subscribed = self.running([f"http://{one['name']}:{self.allowed.port}/in" for one in cases],
                                        [(one["name"], one["answers"]) for one in cases])
        for (name, target), one in zip(subscribed.items(), cases):
            good = [answer == [ALLOWED] for answer in one["answers"]]
            if good[-1]:  # once it leads where it may
                until(lambda name=name: self.allowed.taken[name] == MESSAGES, f"{target}: everything", 30)
                continue
            trouble = until(lambda name=name: self.told(live)[name]["trouble"], f"{target}: trouble", 30)
            self.assertRegex(trouble, r"^it leads to \S+, which is no public address", target)
            self.assertEqual(self.allowed.taken[name], sum(good), f"{target}: one look-up for each connection")
        self.assertEqual(self.inside.connections, 0)

    def test_no_redirect_is_followed(self):
        cases = those("where it redirects")
        live, subscribed = self.running([f"http://{ALLOWED}:{self.allowed.port}/r/{number}" for number in range(len(cases))])
        until(lambda: all(self.allowed.taken[name] > 0 for name in subscribed), "each was asked", 30)
        told = until(lambda: (lambda told: all(one["trouble"] for one in told.values()) and told)(self.told(live)), "each is told of", 30)
        for (name, one), case in zip(told.items(), (cases[int(name[1:])] for name in told)):
            self.assertEqual(one["trouble"], f"{case['status']} (redirects are not followed)", case)
            self.assertEqual((one["delivered"], one["dead"]), (0, 0), case)
        self.assertEqual(self.inside.connections, 0)
        # Whoever listens there would have been seen.
        socket.create_connection(("127.0.0.1", self.allowed.port)).close()
        until(lambda: self.inside.connections == 1, "the counter counts")


if __name__ == "__main__":
    run()
