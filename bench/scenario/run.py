"""Runs the benchmarks of bench/README.md and prints a table; --json FILE writes the results. Called by bench/run.sh.

The broker (or a limit) has core 0, the load generator core 1. Each round starts every contender afresh in an empty directory,
in rotated order, and deletes what it wrote. Only ratios taken within one round are compared. Standard library only.
"""

import argparse
import collections
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from measure import (BUILD, LOAD_CORE, ON_SERVER_CORE, ROOT, SERVER_CORE, Result, Server, caught_up, fdatasync_p99, load, program,
                     resident, rotated, say, status)
from on_delivery import catch_up, routing
from on_kafka import on_kafka
from hutong import Mllp, ack
from messages import oru


# --- scenarios --------------------------------------------------------------------------------------------------------

def ingest(name, window, options):
    rate = Result(name, "messages/s", "whole broker, durable, 2.2 KB messages of 20 items, 64 connections")
    limits = {kind: Result(f"{name}.{kind}", "messages/s") for kind in ("J", "A")}
    p99, lag = Result(f"{name}.ack_p99", "s"), Result(f"{name}.projector_lag", "s", "until the views had caught up after the load")
    server_cpu, load_cpu = Result(f"{name}.server_cpu", "cores"), Result(f"{name}.load_cpu", "cores")
    record_bytes = 0  # what the broker of the first round made of a message: J appends as much
    for number in range(options.rounds):
        measured = {}
        for kind in rotated(["broker", "J", "A"], number):
            with Server(kind, record_bytes) as server:
                load(server, window=window, messages=2000)
                if kind == "broker":
                    record_bytes = server.broker.metric("hutong_record_bytes_total") / 2000
                measured[kind] = load(server, window=window, seconds=options.seconds, source=1_000_000)
                if kind == "broker":
                    p99.add(measured[kind]["latency_ms"]["p99"] / 1000)
                    lag.add(caught_up(server.broker))
        figures = {kind: report["per_second"] for kind, report in measured.items()}
        rate.add(figures["broker"], J=figures["broker"] / figures["J"], A=figures["broker"] / figures["A"])
        server_cpu.add(measured["broker"]["server_cpu"])
        load_cpu.add(measured["broker"]["load_cpu"])
        for kind, limit in limits.items():
            limit.add(figures[kind])
        say(f"  {name} {number + 1}/{options.rounds}: " + "  ".join(f"{k} {v:,.0f}/s" for k, v in figures.items())
            + f"  lag {lag.values[-1]:.1f} s")
    return [rate, *limits.values(), p99, lag, server_cpu, load_cpu]


def burst(options):
    return ingest("burst", 16, options)


def lockstep(options):
    results = ingest("lockstep", 1, options)
    half = Result("lockstep.half_load_ack_p99", "s", "at half the measured rate")
    median = statistics.median(results[0].values)
    for _ in range(min(3, options.rounds)):
        with Server("broker") as server:
            probe = fdatasync_p99(server.dir)
            load(server, window=1, messages=2000)
            report = load(server, window=1, seconds=options.seconds, rate=round(median / 2), source=1_000_000)
            half.add(report["latency_ms"]["p99"] / 1000, fdatasync_p99=report["latency_ms"]["p99"] / 1000 / probe)
    return [*results, half]


def durability(options):
    durable = Result("durability", "messages/s", "burst, durable against the same server not syncing")
    for number in range(options.rounds):
        figures = {}
        for kind in rotated(["broker", "not-durable"], number):
            with Server(kind) as server:
                load(server, messages=2000)
                figures[kind] = load(server, seconds=options.seconds, source=1_000_000)["per_second"]
        durable.add(figures["broker"], not_durable=figures["broker"] / figures["not-durable"])
        say(f"  durability {number + 1}/{options.rounds}: " + "  ".join(f"{k} {v:,.0f}/s" for k, v in figures.items()))
    return [durable]


def sustained(options):
    seconds = int(os.environ.get("HUTONG_SUSTAINED_SECONDS", 20 if options.quick else 600))
    wanted = int(os.environ.get("HUTONG_SUSTAINED_RATE", 5000))
    rate = Result("sustained", "messages/s", f"{seconds} s at {wanted}/s asked")
    lag = Result("sustained.lag_max", "s", "projector behind the log's end, sampled each second")
    growth = Result("sustained.memory_growth", "ratio", "resident memory: mean of the last fifth over the second fifth")
    p99, memory = Result("sustained.ack_p99", "s"), Result("sustained.memory", "bytes")
    with Server("broker") as server:
        token = server.broker.token("operator") if server.broker else ""
        began, lags, sizes = time.monotonic(), [], []
        generator = subprocess.Popen(
            [str(program("load_generator")), "--port", str(server.port), "--connections", "64", "--window", "16", "--core", LOAD_CORE,
             "--seconds", str(seconds), "--rate", str(wanted)], stdout=subprocess.PIPE, text=True)
        while generator.poll() is None:
            time.sleep(1)
            if time.monotonic() - began > 250:           # tokens last 300 s
                token, began = server.broker.token("operator"), time.monotonic()
            with contextlib.suppress(KeyError):
                now = status(server.broker, token)
                lags.append(now["lagSeconds"])
            sizes.append(resident(server.pid))
        report = json.loads(generator.stdout.read())
        if not lags:
            raise SystemExit("sustained: /api/v1/status gave no lagSeconds")
        fifth = max(1, len(sizes) // 5)
        rate.add(report["per_second"], asked=report["per_second"] / wanted)
        lag.add(max(lags))
        memory.add(sizes[-1])
        growth.add(statistics.mean(sizes[-fifth:]) / statistics.mean(sizes[fifth:2 * fifth] or sizes))
        p99.add(report["latency_ms"]["p99"] / 1000)
    return [rate, lag, memory, growth, p99]


def idle_memory(options):
    result = Result("idle-memory", "bytes", "resident, started on an empty directory, nothing connected")
    for _ in range(options.rounds):
        with Server("broker") as server:
            time.sleep(2)
            result.add(resident(server.pid), goal_64MiB=resident(server.pid) / (64 << 20))
    return [result]


def connections_memory(options):
    result = Result("connections-memory", "bytes", "resident with 1,000 connections that each sent one message")
    for number in range(min(3, options.rounds)):
        with Server("broker") as server:
            feeds = [Mllp("127.0.0.1", server.port) for _ in range(1000)]
            for i, feed in enumerate(feeds):
                answer = ack(feed.exchange(oru(control=f"m{number}-{i}", number=f"P{i}", order=f"R{i}")))
                if answer.code != "AA":
                    raise SystemExit(f"connections-memory: answered {answer.code}")
            time.sleep(1)
            result.add(resident(server.pid), goal_256MiB=resident(server.pid) / (256 << 20))
            for feed in feeds:
                feed.close()
    return [result]


def restart(options):
    records = int(os.environ.get("HUTONG_RESTART_RECORDS", 50_000 if options.quick else 1_000_000))
    result = Result("restart", "s", f"from exec to the first AA, {records:,} records in the log, after SIGKILL")
    with Server("broker") as server:
        load(server, messages=records)
        server.broker.settle(deadline=1200)
        for number in range(options.rounds):
            server.broker.kill()
            began = time.monotonic()
            server.broker.start(deadline=300)
            with server.broker.mllp() as feed:
                if ack(feed.exchange(oru(control=f"restart{number}"))).code != "AA":
                    raise SystemExit("restart: not accepted")
            result.add(time.monotonic() - began, goal_5s=(time.monotonic() - began) / 5)
    return [result]


# One order of 10 items after another at 100 a second, on one kept connection, for the patient with 10,000 results, none of which
# ends the search early (no mark). Beside it results come in at 2,000 a second. The broker shares both cores with its clients.
def recognition(options):
    patients = int(os.environ.get("HUTONG_RECOGNITION_PATIENTS", 20_000 if options.quick else 1_000_000))
    seconds = int(os.environ.get("HUTONG_RECOGNITION_SECONDS", 10 if options.quick else 60))
    alone = Result("recognition.alone_p99", "s", f"10 items, 500 reports of 20 items, {patients:,} patients, HTTP, audited and recorded")
    beside = Result("recognition.p99", "s", "the same beside 2,000 messages/s of ingest")
    median = Result("recognition.p50", "s", "beside ingest")
    rate = Result("recognition.rate", "orders/s", "beside ingest, 100 asked")
    with Server("broker", cores=f"{SERVER_CORE},{LOAD_CORE}") as server:
        load(server, messages=patients, patients=patients)
        now = time.time()
        with server.broker.mllp() as feed:
            heavy = (oru(control=f"H{i}", number="HEAVY", order=f"H{i}",
                         observed=time.strftime("%Y%m%d%H%M%S", time.localtime(now - i * 67_000))) for i in range(500))
            if any(ack(answer).code != "AA" for answer in feed.pipeline(heavy)):
                raise SystemExit("recognition: a result was not accepted")
        server.broker.settle(deadline=1200)
        order = json.dumps({"patient": {"identifiers": [{"system": "urn:hutong:facility:TESTHOSP:mrn", "value": "HEAVY"}]},
                            "requester": {"facility": "cc-east", "practitioner": {"code": "D1"}}, "encounterClass": "AMB",
                            "items": ["GLU", "UREA", "CREA", "UA", "ALT", "AST", "TP", "ALB", "TBIL", "K"]}).encode()

        def ask(count):
            token, times = server.broker.token(), []
            connection = http.client.HTTPConnection("127.0.0.1", server.broker.ports["http"])
            began = time.perf_counter()
            for i in range(count):
                time.sleep(max(0.0, began + i / 100 - time.perf_counter()))
                sent = time.perf_counter()
                connection.request("POST", "/api/v1/recognition/check", order, {"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                body = answer.read()
                times.append(time.perf_counter() - sent)
                if answer.status != 200 or json.loads(body)["items"][0]["verdict"] != "clinician-decides":
                    raise SystemExit(f"recognition: answered {answer.status} {body[:300]!r}")
            return sorted(times), count / (time.perf_counter() - began)

        for _ in range(min(3, options.rounds)):
            ask(50)
            times, _ = ask(seconds * 50)
            alone.add(times[int(len(times) * 0.99)], goal_10ms=times[int(len(times) * 0.99)] / 0.01)
            generator = subprocess.Popen(
                [str(program("load_generator")), "--port", str(server.port), "--connections", "16", "--window", "4", "--core", LOAD_CORE,
                 "--seconds", str(seconds + 2), "--rate", "2000", "--patients", str(patients)], stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            times, reached = ask(seconds * 100)
            generator.communicate()
            beside.add(times[int(len(times) * 0.99)], goal_10ms=times[int(len(times) * 0.99)] / 0.01)
            median.add(times[len(times) // 2])
            rate.add(reached)
            server.broker.settle(deadline=600)
    return [alone, beside, median, rate]


# --- micro ------------------------------------------------------------------------------------------------------------

# Which benchmarks of a program are limits or rivals of which others, by their first words.
MICRO_LIMITS = {"hl7v2": {"split": ["touch", "memchr_fields"]}}


# A Google Benchmark program. A benchmark named "X/limit:L" is the limit L of "X"; others are named in MICRO_LIMITS.
def micro(name):
    def run(options):
        done = subprocess.run(
            [*ON_SERVER_CORE, str(program(name)), "--benchmark_format=json", f"--benchmark_repetitions={options.rounds}",
             "--benchmark_enable_random_interleaving=true", f"--benchmark_min_time={0.1 if options.quick else 0.5}"],
            capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), env=dict(os.environ, TMPDIR=str(BUILD)))
        if done.returncode:
            raise SystemExit(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}")
        rounds = collections.defaultdict(list)
        for row in json.loads(done.stdout[done.stdout.index("{"):])["benchmarks"]:
            if row.get("error_occurred"):
                raise SystemExit(f"{name}: {row['name']}: {row.get('error_message')}")
            if row.get("run_type") == "iteration":
                plain = re.sub(r"/(real_time|manual_time|process_time|iterations:\d+|repeats:\d+|min_time:[\d.]+)", "", row["name"])
                rounds[plain].append(row)
        results = []
        for plain, rows in sorted(rounds.items()):
            factor = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[rows[0]["time_unit"]]
            real = any("manual_time" in r["name"] or "real_time" in r["name"] for r in rows)
            result = Result(f"{name.removesuffix('_bench')}/{plain}", "s")
            limits = {other.split("limit:")[1]: r for other, r in rounds.items() if other.startswith(plain + "/limit:")}
            for other in MICRO_LIMITS.get(name.removesuffix("_bench"), {}).get(plain.split("/")[0], []):
                limits[other] = rounds.get(other, [])
            for number, row in enumerate(rows):
                value = row["real_time" if real else "cpu_time"] * factor
                key = "real_time" if real else "cpu_time"
                result.add(value, **{limit: r[number][key] * factor / value for limit, r in limits.items() if number < len(r)})
            results.append(result)
            for counter, unit in (("bytes_per_second", "bytes/s"), ("items_per_second", "items/s")):
                if all(counter in row for row in rows):
                    rate = Result(f"{result.name}.{counter.split('_')[0]}", unit)
                    for row in rows:
                        rate.add(row[counter])
                    results.append(rate)
        return results
    return run


SCENARIOS = {"burst": burst, "lockstep": lockstep, "durability": durability, "sustained": sustained, "idle-memory": idle_memory,
             "connections-memory": connections_memory, "restart": restart, "recognition": recognition, "routing": routing, "catch-up": catch_up,
             "kafka": on_kafka}
MICRO = {path.stem.removesuffix("_bench"): micro(path.stem) for path in sorted((ROOT / "bench/micro").glob("*_bench.cpp"))}
ALL = {**MICRO, **SCENARIOS}


def shown(value, unit):
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"
    if unit.startswith("bytes"):
        per = unit.removeprefix("bytes")
        return f"{value / 2**20:,.1f} MiB{per}" if value >= 2**20 else f"{value / 2**10:,.1f} KiB{per}"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return (f"{model.group(1) if model else 'unknown processor'}, {os.cpu_count()} cores, Linux {os.uname().release}; "
            f"commit {commit.stdout.strip() or 'none'}; release build; server on core {SERVER_CORE}, load on core {LOAD_CORE}")


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description="see bench/README.md")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(ALL))
        return 0
    unknown = [name for name in options.names if name not in ALL]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(ALL)}")
    options.rounds, options.seconds = (3, 2) if options.quick else (7, 5)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(machine())
    if options.quick:
        print("--quick: too short for figures to compare with anything")
    results, failed = [], []
    for name in options.names or ALL:
        say(f"==> {name}")
        try:
            made = ALL[name](options)
        except (SystemExit, OSError, subprocess.SubprocessError, ValueError, KeyError) as fault:
            say(f"{name} FAILED: {fault!r}")
            failed.append(name)
            continue
        for result in made:
            row = result.as_json()
            results.append(row)
            ratios = "  ".join(f"{value:.2f} of {limit}" for limit, value in row["ratios"].items())
            print(f"{row['name']:<34} {shown(row['median'], row['unit']):>18}  [{shown(row['min'], row['unit'])} .. "
                  f"{shown(row['max'], row['unit'])}] x{row['rounds']}  {ratios}", flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
