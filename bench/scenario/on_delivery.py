"""Scenarios of delivery: what routing costs with many subscriptions, and what catching up does to ingest. Called by run.py."""

import os
import socket
import subprocess
import sys
import time

from measure import LOAD_CORE, SERVER_CORE, Result, Server, caught_up, load, processor_seconds, program, rotated, say, thread_seconds

# Filters that the benchmark's message (bc-city, 20 items of a blood count) does not meet, one after the other.
UNMET = [lambda n: {"items": [f"{50_000 + n}-0"]}, lambda n: {"items": [f"{90_000 + n}-0"], "flag": "abnormal"}, lambda n: {"areas": [f"{110_000 + n}"]},
         lambda n: {"flag": "critical", "items": [f"{70_000 + n}-0"]}, lambda n: {"facilities": ["TESTHOSP"], "items": [f"{30_000 + n}-0"]},
         lambda n: {"centres": ["cc-east"]}]


def subscriptions(count):
    return [{"name": f"s{n}", "sink": "mllp", "target": "127.0.0.1:1", "kinds": ["result.reported"], **UNMET[n % len(UNMET)](n)} for n in range(count)]


def routing(options):
    messages = 10_000 if options.quick else 50_000
    cost = {count: Result(f"routing.{count}", "s", "of a processor for each message, the delivering thread alone, nothing to deliver") for count in (10, 10_000)}
    for number in range(options.rounds):
        took = {}
        for count in rotated([10, 10_000], number):
            with Server("broker", subscriptions=subscriptions(count)) as server:
                load(server, messages=2000)
                caught_up(server.broker)
                before = thread_seconds(server.pid, "delivery")
                load(server, messages=messages, rate=2000, source=1_000_000)
                caught_up(server.broker)
                time.sleep(0.2)
                took[count] = (thread_seconds(server.pid, "delivery") - before) / messages
                if server.broker.metric("hutong_deliveries_total"):
                    raise SystemExit("routing: something was delivered")
        cost[10].add(took[10])
        cost[10_000].add(took[10_000], ten=took[10_000] / took[10])
        say(f"  routing {number + 1}/{options.rounds}: " + "  ".join(f"{count} {seconds * 1e6:.1f} µs" for count, seconds in took.items()))
    return list(cost.values())


class Receiver:
    """One that can be away; counts what it took."""

    def __init__(self):
        self.folder = self.process = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(["taskset", "-c", LOAD_CORE, str(program("many_receivers")), str(self.folder),
                                         f"behind=mllp:{self.port}"], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("catch-up: the receiver did not start")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def taken(self):
        file = self.folder / "behind.taken"
        return sum(1 for _ in open(file, "rb")) if file.exists() else 0


def catch_up(options):
    events = int(os.environ.get("HUTONG_CATCH_UP_EVENTS", 60_000 if options.quick else 1_000_000))
    wanted = int(os.environ.get("HUTONG_CATCH_UP_RATE", 2000))
    seconds = 4 if options.quick else 30
    rate = Result("catch-up", "deliveries/s", f"MLLP, 16 connections, {events:,} events behind, beside {wanted}/s of ingest")
    ingest = Result("catch-up.ingest", "messages/s", "beside it; `alone`: of what was reached while the receiver was away")
    p99 = {when: Result(f"catch-up.ack_p99_{when}", "s") for when in ("alone", "beside")}
    busy = Result("catch-up.receiver_cpu", "cores", "at 1.0 it was the receiver that was measured")
    for _ in range(1 if options.quick else 3):
        receiver = Receiver()
        behind = {"name": "behind", "sink": "mllp", "target": f"127.0.0.1:{receiver.port}", "kinds": ["result.reported"], "connections": 16}
        with Server("broker", cores=f"{SERVER_CORE},{LOAD_CORE}", subscriptions=[behind]) as server:
            try:
                load(server, messages=events)
                server.broker.settle(deadline=1200)
                alone = load(server, seconds=seconds, rate=wanted, source=10_000_000)
                receiver.start(server.dir)
                while receiver.taken() < 1000:  # it is probed a minute later at most
                    time.sleep(0.05)
                before, began, used = receiver.taken(), time.monotonic(), processor_seconds(receiver.process.pid)
                beside = load(server, seconds=seconds, rate=wanted, source=20_000_000)
                took, passed = receiver.taken() - before, time.monotonic() - began
                used = processor_seconds(receiver.process.pid) - used
                told = server.broker.http("GET", "/api/v1/subscriptions", token=server.broker.token("operator")).json()["subscriptions"][0]
                if told["lagRecords"] == 0:  # it had caught up before the load was over
                    raise SystemExit(f"catch-up: {events:,} events are too few for {seconds} s: set HUTONG_CATCH_UP_EVENTS")
            finally:
                receiver.stop()
        rate.add(took / passed, goal_5000=took / passed / 5000)
        ingest.add(beside["per_second"], alone=beside["per_second"] / alone["per_second"])
        busy.add(used / passed)
        for when, report in (("alone", alone), ("beside", beside)):
            p99[when].add(report["latency_ms"]["p99"] / 1000)
        say(f"  catch-up: {took / passed:,.0f}/s beside {beside['per_second']:,.0f}/s of ingest, alone {alone['per_second']:,.0f}/s")
    return [rate, ingest, *p99.values(), busy]
