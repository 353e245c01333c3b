"""deploy/monitoring for real: a Prometheus that asks two brokers, with its token, and the load balancer. Every expression of every dashboard and alarm is asked of it, and every metric named there is one that really exists."""

import json
import re
import subprocess
import sys
import unittest
import urllib.parse

from deployed import DEPLOY, Installation, Program, adapted, balancer, free_port, program, ready, until
from hutong import Story, ack, request, run
from messages import adt, oru

MONITORING = DEPLOY / "monitoring"
WINDOW = "1m"  # what Grafana puts for $__rate_interval


def dashboards():
    """(file, panel, expression) of each query of each dashboard."""
    for file in sorted((MONITORING / "grafana/dashboards").glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield file.name, panel["title"], target["expr"].replace("$__rate_interval", WINDOW)
        for note in board["annotations"]["list"]:
            yield file.name, note["name"], note["expr"]


def names_of_series(expression):
    """Names of metrics in an expression: our own, the balancer's, and `up`."""
    bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"", "", expression)
    return set(re.findall(r"\b(?:hutong|haproxy)_[a-z_]+\b|\bup\b", bare))


class Monitoring(Story):
    def setUp(self):
        self.folder = self.directory()
        self.installation = Installation(self.folder / "installation")
        self.brokers = [self.installation.broker(self.folder / f"broker-{number}") for number in (1, 2)]
        for broker in self.brokers:
            self.addCleanup(broker.kill)
            broker.start(ready=False)
            until(lambda b=broker: ready(b), "a broker is ready")
        proxy, self.ports = balancer(self.folder, self.installation, self.brokers)
        self.proxy = self.enterContext(proxy)
        self.port = free_port()
        # Prometheus by its file, only faster: a test has no minutes. "LOCALHOST" is this machine, but by no name that is free: it is
        # shown nothing without its token.
        token = self.folder / "token"
        token.write_text(self.brokers[0].token("prometheus") + "\n", encoding="utf-8")  # good at both
        keeps = adapted("monitoring/prometheus.yml", {
            "15s": "1s", "balancer:8404": f"127.0.0.1:{self.ports['metrics']}", "/run/secrets/": f"{self.installation.secrets}/",
            "/run/token/prometheus": str(token),
            **{f"broker-{number}:8080": f"LOCALHOST:{broker.ports['http']}" for number, broker in enumerate(self.brokers, 1)}})
        (self.folder / "prometheus.yml").write_text(keeps, encoding="utf-8")
        (self.folder / "alerts.yml").write_text((MONITORING / "alerts.yml").read_text(encoding="utf-8"), encoding="utf-8")
        self.prometheus = self.enterContext(Program(
            self.folder, "prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/kept",
            f"--web.listen-address=127.0.0.1:{self.port}"))
        until(self.up, f"Prometheus starts ({self.prometheus.said()})")

    def up(self):
        try:
            return request("127.0.0.1", self.port, "GET", "/-/ready").status == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        answer = request("127.0.0.1", self.port, "GET", f"/api/v1/{path}?" + urllib.parse.urlencode(parameters))
        told = answer.json()
        self.assertEqual((answer.status, told["status"]), (200, "success"), f"{parameters}: {told}")
        return told["data"]

    # The samples of an expression.
    def ask(self, expression):
        return self.api("query", query=expression)["result"]

    def asked(self, expression, how_many):
        try:
            until(lambda: len(self.ask(expression)) == how_many, f"{how_many} of {expression}", 30)
        except AssertionError as late:
            targets = self.api("targets")["activeTargets"]
            raise AssertionError(f"{late}: {[(one['scrapeUrl'], one['lastError']) for one in targets]}") from None

    # Some of everything that is counted: accepted, resent, other content, refused twice, without a map.
    def traffic(self, round_):
        with self.installation.feed(self.ports["mllp"]) as a, self.installation.feed(self.ports["mllp"]) as b:
            for feed, name in ((a, "a"), (b, "b")):
                said = lambda message, one=feed: ack(one.exchange(message)).code
                self.assertEqual(said(adt(control=f"A{name}{round_}", number="P1")), "AA")
                one = oru(f"C{name}{round_}", "P1", f"R{name}{round_}", [("NOMAP", "某项", "1", "g/L", "1-2")])
                self.assertEqual([said(one), said(one)], ["AA", "AA"])
                self.assertEqual(said(one.replace("某项", "他项")), "AA")
                broken = oru("", "P1", f"B{name}{round_}")
                self.assertEqual([said(broken), said(broken)], ["AR", "AR"])

    def test_what_is_shown_and_alarmed_is_there(self):
        self.asked('up{job="hutong"} == 1', 2)
        self.assertEqual({one["metric"]["broker"] for one in self.ask('up{job="hutong"}')}, {"broker-1", "broker-2"})
        self.asked('up{job="balancer"} == 1', 1)
        self.asked('haproxy_server_status{proxy="http", server=~"broker-.*", state="UP"} == 1', 2)
        for round_ in range(3):  # a rate is the difference of two looks
            self.traffic(round_)
            until(lambda n=round_: [float(one["value"][1]) for one in
                                    self.ask('sum(hutong_messages_total{facility="TESTHOSP", answer="accepted"})')] == [6.0 * (n + 1)],
                  "what was sent is seen")

        exported = {"up"} | {re.split(r"[{ ]", line)[0] for broker in self.brokers for line in self.exported(broker)}
        exported |= {re.split(r"[{ ]", line)[0] for line in
                     request("127.0.0.1", self.ports["metrics"], "GET", "/metrics").text.splitlines() if not line.startswith("#")}
        shown = list(dashboards())
        self.assertGreater(len(shown), 20)
        for file, panel, expression in shown:
            with self.subTest(dashboard=file, panel=panel, expression=expression):
                named = names_of_series(expression)
                self.assertEqual(named - exported, set(), "no such metric")
                if "ALERTS" in expression:
                    self.ask(expression)
                    continue
                self.assertTrue(named)
                self.assertTrue(self.ask(expression), "shows nothing")
        loaded = self.api("rules")["groups"]
        written = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text(encoding="utf-8"))
        rules = [rule for group in loaded for rule in group["rules"]]
        self.assertEqual([rule["name"] for rule in rules], written)
        for rule in rules:
            with self.subTest(alarm=rule["name"]):
                named = names_of_series(rule["query"])
                self.assertTrue(named)
                self.assertEqual(named - exported, set(), "no such metric")
                self.ask(rule["query"])
                until(lambda name=rule["name"]: self.health(name) == "ok", f"{rule['name']} was evaluated")

        # Not everything is well any more: it is seen by the balancer and by the broker's own agent.
        self.brokers[0].kill()
        self.asked('up{job="hutong", broker="broker-1"} == 0', 1)
        self.asked('haproxy_server_status{proxy="http", server="broker-1", state="UP"} == 0', 1)
        until(lambda: {"HutongDown", "HutongNotReady"} <= {alert["labels"]["alertname"] for alert in self.api("alerts")["alerts"]},
              "the alarms are on their way")

    def exported(self, broker):
        return [line for line in self.installation.get(broker.ports["http"], "/metrics")[1].splitlines() if not line.startswith("#")]

    def health(self, name):
        return next(rule["health"] for group in self.api("rules")["groups"] for rule in group["rules"] if rule["name"] == name)

    def test_beyond_this_machine_no_figures_without_a_token(self):
        port = self.brokers[0].ports["http"]
        self.assertEqual(self.installation.get(port, "/metrics", host="LOCALHOST")[0], 401)
        self.assertEqual(self.installation.get(port, "/metrics")[0], 200)


class Rules(unittest.TestCase):
    def promtool(self, *arguments):
        done = subprocess.run([program("promtool"), *arguments], cwd=MONITORING, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_files_are_what_prometheus_takes(self):
        self.promtool("check", "rules", "alerts.yml")
        self.promtool("check", "config", "--syntax-only", "prometheus.yml")  # the token's file is in the container

    def test_alarms_come_when_they_should(self):
        self.promtool("test", "rules", "alerts_test.yml")

    def test_every_alarm_is_tested(self):
        written = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text(encoding="utf-8"))
        tests = (MONITORING / "alerts_test.yml").read_text(encoding="utf-8")
        self.assertEqual([name for name in written if f'"{name}"' not in tests and f"alertname: {name}\n" not in tests], [])


if __name__ == "__main__":
    missing = [name for name in ("prometheus", "promtool", "haproxy") if not program(name)]
    if missing:
        print(f"not installed: {', '.join(missing)} (deploy/install-packages.sh test)")
        sys.exit(77)
    run()
