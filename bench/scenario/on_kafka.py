"""The broker with its log in Kafka and its views in PostgreSQL, beside Kafka's own producer benchmark on the same three nodes.
Everything shares the machine's cores; nothing is pinned. Standard library only."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import kafka
from hutong import CONFIG, Broker, engines
from measure import BUILD, Result, caught_up, load, machine_seconds, processor_seconds, program, rotated, say, status
from postgres import NotInstalled, Postgres

PARTITIONS = 1  # of events: the default of deploy/hutong.toml


class Machines:
    """Three Kafka nodes and PostgreSQL for a scenario, and what each process took."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-kafka-", dir=os.environ.get("HUTONG_BENCH_DIR", BUILD)))
        self.cluster, self.server = kafka.Cluster(machine=kafka.MEASURED, directory=self.folder / "kafka"), Postgres()
        self.broker, self.kind, self.made = None, "broker", 0

    def __enter__(self):
        self.cluster.__enter__()
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.stop_broker()
        self.server.__exit__()
        self.cluster.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    # A new installation of its own.
    def start_broker(self):
        config = CONFIG + engines(self.cluster.bootstrap, self.server.connection).replace(
            "[log.kafka]\n", f"[log.kafka]\npartitions = {PARTITIONS}\n")
        self.topic = re.search('topic_prefix = "(.*)"', config)[1] + "events"
        self.made += 1
        self.broker = Broker(self.folder / f"broker{self.made}", config=config).start()
        self.port = self.broker.ports["mllp"]

    # And what it wrote goes.
    def stop_broker(self):
        if self.broker:
            self.broker.kill()
            self.broker = None
            self.delete(re.escape(self.topic.removesuffix("events")) + ".*")

    def delete(self, topics):
        self.cluster.tool("TopicCommand", "--delete", "--topic", topics)

    def cpu_seconds(self):
        return processor_seconds(self.broker.pid)

    # Processor seconds of each process so far.
    def taken(self):
        nodes = {f"kafka-{node}": processor_seconds(process.pid) for node, process in self.cluster.processes.items()}
        return {"broker": processor_seconds(self.broker.pid), **nodes, "postgresql": processor_seconds(self.server.pid(), True),
                "machine": machine_seconds()}

    # Kafka's own producer benchmark, on a topic like the broker's: records a second once it is warm.
    def producer(self, record_bytes, count, properties):
        topic = f"producer{time.monotonic_ns()}"
        self.cluster.tool("TopicCommand", "--create", "--topic", topic, "--partitions", PARTITIONS, "--replication-factor", 3,
                          "--config", "min.insync.replicas=2", "--config", "retention.ms=-1")
        said = self.cluster.tool("ProducerPerformance", "--topic", topic, "--record-size", record_bytes, "--throughput", -1,
                                 "--warmup-records", count // 2, "--num-records", count + count // 2,
                                 "--command-property", *properties, machine=kafka.TOOL)
        self.delete(topic)
        return float(re.search(r"steady state records sent, ([\d.]+) records/sec", said)[1])


# What Kafka's benchmark runs with: as it comes, and with batches as large as the broker's client makes them.
PRODUCERS = {"producer": ["acks=all"], "producer_tuned": ["acks=all", "batch.size=1000000", "linger.ms=5", "buffer.memory=67108864"]}


def ingest(machines, options):
    rate = Result("kafka", "messages/s", "whole broker, acknowledged once replicated, 64 connections × window 16")
    rivals = {kind: Result(f"kafka.{kind}", "records/s", " ".join(properties)) for kind, properties in PRODUCERS.items()}
    p99, lag = Result("kafka.ack_p99", "s"), Result("kafka.projector_lag", "s", "until the views had caught up after the load")
    cpu, size = Result("kafka.broker_cpu", "cores", "of those that all processes share"), Result("kafka.record", "bytes")
    record_bytes, speed = 0, dict.fromkeys(PRODUCERS, 2000.0)
    for number in range(-1, options.rounds):  # the first is not counted: the nodes' virtual machines are cold
        figures = {}
        for kind in rotated(["broker", *PRODUCERS], number) if record_bytes else ["broker", *PRODUCERS]:
            if kind != "broker":
                figures[kind] = speed[kind] = machines.producer(record_bytes, round(speed[kind] * options.seconds), PRODUCERS[kind])
                continue
            machines.start_broker()
            load(machines, messages=2000, core=None)
            report = load(machines, seconds=options.seconds, source=1_000_000, core=None)
            figures[kind] = report["per_second"]
            record_bytes = round(machines.cluster.bytes_of(machines.topic) / (2000 + report["answers"]["AA"]))
            behind = caught_up(machines.broker)
            machines.stop_broker()
            if number >= 0:
                p99.add(report["latency_ms"]["p99"] / 1000)
                lag.add(behind)
                cpu.add(report["server_cpu"])
                size.add(record_bytes)
        say(f"  kafka {number + 1}/{options.rounds}: " + "  ".join(f"{k} {v:,.0f}/s" for k, v in figures.items()))
        if number >= 0:
            rate.add(figures["broker"], **{kind: figures["broker"] / figures[kind] for kind in PRODUCERS})
            for kind, rival in rivals.items():
                rival.add(figures[kind])
    return [rate, *rivals.values(), p99, lag, cpu, size]


# The views follow a steady load: how far behind they were at worst, and what each process took of the cores.
def sustained(machines, options):
    seconds = int(os.environ.get("HUTONG_SUSTAINED_SECONDS", 20 if options.quick else 120))
    wanted = int(os.environ.get("HUTONG_KAFKA_RATE", 2000))
    rate = Result("kafka.sustained", "messages/s", f"{seconds} s at {wanted}/s asked, after ten that do not count")
    lag, p99 = Result("kafka.sustained.lag_max", "s", "sampled twice a second"), Result("kafka.sustained.ack_p99", "s")
    machines.start_broker()
    load(machines, seconds=10, rate=wanted, core=None)
    caught_up(machines.broker)
    generator = subprocess.Popen(
        [str(program("load_generator")), "--port", str(machines.port), "--connections", "64", "--window", "16",
         "--from", "1000000", "--seconds", str(seconds), "--rate", str(wanted)], stdout=subprocess.PIPE, text=True)
    token, asked, lags = machines.broker.token("operator"), time.monotonic(), []
    before, began = machines.taken(), time.monotonic()
    while generator.poll() is None:
        time.sleep(0.5)
        if time.monotonic() - asked > 250:  # tokens last 300 s
            token, asked = machines.broker.token("operator"), time.monotonic()
        lags.append(status(machines.broker, token)["lagSeconds"])
    taken, whole = machines.taken(), time.monotonic() - began
    report = json.loads(generator.stdout.read())
    if set(code for code, count in report["answers"].items() if count) != {"AA"}:
        raise SystemExit(f"kafka.sustained: not every message was accepted: {report['answers']}")
    rate.add(report["per_second"], asked=report["per_second"] / wanted)
    lag.add(max(lags), goal_2s=max(lags) / 2)
    p99.add(report["latency_ms"]["p99"] / 1000)
    results = [rate, lag, p99]
    shares = {name: (taken[name] - before[name]) / whole for name in taken}
    shares["load"] = report["cpu_seconds"] / whole
    shares["others"] = shares.pop("machine") - sum(shares.values())
    for name, cores in shares.items():
        share = Result(f"kafka.sustained.cpu.{name}", "cores")
        share.add(cores)
        results.append(share)
    machines.stop_broker()
    return results


def on_kafka(options):
    try:
        with Machines() as machines:
            return [*ingest(machines, options), *sustained(machines, options)]
    except (kafka.Unavailable, NotInstalled) as reason:
        raise SystemExit(str(reason)) from None
