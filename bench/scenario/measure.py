"""What the scenarios of run.py are made of: a figure over its rounds, a contender on its core, the load generator. Standard
library only."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
BUILD = pathlib.Path(os.environ.get("HUTONG_BUILD", ROOT / "build/release"))
os.environ.setdefault("HUTONG_BINARY", str(BUILD / "hutong"))
from hutong import Broker  # noqa: E402
from receivers import declare  # noqa: E402

SERVER_CORE, LOAD_CORE = "0", "1"
CONFIG = """\
[broker]
shards = 1

[mllp]
listen = "127.0.0.1:0"
unknown_senders = "accept"

[http]
listen = "127.0.0.1:0"

[log]
unsafe_no_sync = {unsafe}
"""
ON_SERVER_CORE = ["taskset", "-c", SERVER_CORE]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Result:
    """One figure over its rounds; `ratios` are medians of ratios taken within each round."""

    def __init__(self, name, unit, note=""):
        self.name, self.unit, self.note = name, unit, note
        self.values, self.ratios = [], collections.defaultdict(list)

    def add(self, value, **ratios):
        self.values.append(value)
        for limit, ratio in ratios.items():
            self.ratios[limit].append(ratio)

    def as_json(self):
        return {"name": self.name, "unit": self.unit, "median": statistics.median(self.values), "min": min(self.values),
                "max": max(self.values), "rounds": len(self.values),
                "ratios": {limit: round(statistics.median(values), 4) for limit, values in self.ratios.items()},
                **({"note": self.note} if self.note else {})}


class Server:
    """A contender on its core: the broker, or a limit. Use as a context manager; its directory goes with it."""

    def __init__(self, kind, record_bytes=0, cores=SERVER_CORE, subscriptions=()):
        self.kind, self.record_bytes, self.cores, self.subscriptions = kind, record_bytes, cores, subscriptions
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{kind}-", dir=os.environ.get("HUTONG_BENCH_DIR", BUILD)))
        self.broker = self.process = None

    def __enter__(self):
        if self.kind in ("broker", "not-durable"):
            unsafe = "true" if self.kind == "not-durable" else "false"
            self.broker = Broker(self.dir / "data", config=CONFIG.format(unsafe=unsafe), wrapper=["taskset", "-c", self.cores])
            if self.subscriptions:
                declare(self.broker, *self.subscriptions)
            self.broker.start()
            self.port, self.pid = self.broker.ports["mllp"], self.broker.pid
        else:
            mode = {"J": "journal", "A": "ack"}[self.kind]
            self.process = subprocess.Popen(
                [*ON_SERVER_CORE, str(program("limit_server")), "--mode", mode, "--dir", str(self.dir / "log"),
                 "--record-bytes", str(round(self.record_bytes)), "--ports-file", str(self.dir / "ports.json")], stdout=subprocess.PIPE, text=True)
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"limit_server --mode {mode} did not start")
            self.port, self.pid = json.loads(line)["mllp"], self.process.pid
        return self

    def __exit__(self, *_):
        if self.broker:
            self.broker.kill()
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def cpu_seconds(self):
        return processor_seconds(self.pid)


# What a process has taken; `with_children`: and those that it started, ended or not.
def processor_seconds(pid, with_children=False):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = sum(map(int, fields[11:15 if with_children else 13])) / os.sysconf("SC_CLK_TCK")
    if with_children:
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):
                seconds += processor_seconds(int(child), True)
    return seconds


# What the threads of this name have taken, to the microsecond.
def thread_seconds(pid, name):
    taken = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if (thread / "comm").read_text().strip() == name:
                taken += int((thread / "schedstat").read_text().split()[0])
    return taken / 1e9


# What all processes of the machine have taken.
def machine_seconds():
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")


def program(name):
    for found in (BUILD / "bench" / name, BUILD / "tests" / name):
        if found.exists():
            return found
    raise SystemExit(f"{name} is not built in {BUILD.relative_to(ROOT)}")


# Loads `server`; returns the generator's report with the processor shares of both sides.
def load(server, connections=64, window=16, seconds=None, messages=None, rate=None, source=0, core=LOAD_CORE, patients=None):
    command = [str(program("load_generator")), "--port", str(server.port), "--connections", str(connections), "--window", str(window),
               "--from", str(source)]
    for option, value in (("--seconds", seconds), ("--messages", messages), ("--rate", rate), ("--core", core), ("--patients", patients)):
        command += [option, str(value)] if value else []
    before = server.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"load_generator: exit {done.returncode}\n{done.stderr}") from None
    report["server_cpu"] = (server.cpu_seconds() - before) / report["seconds"]
    report["load_cpu"] = report["cpu_seconds"] / report["seconds"]
    wrong = {code: n for code, n in report["answers"].items() if n and code != "AA"}
    if wrong or done.returncode:
        raise SystemExit(f"{server.kind}: not every message was accepted: {wrong} {report['problems']}")
    return report


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


def status(broker, token):
    return broker.http("GET", "/api/v1/status", token=token).json()


# Seconds until the projector has applied everything acknowledged so far.
def caught_up(broker):
    began = time.monotonic()
    broker.settle(deadline=600)
    return time.monotonic() - began


def rotated(items, number):
    return items[number % len(items):] + items[:number % len(items)]


# The disk's own answer time: 4 KiB + fdatasync, one after the other.
def fdatasync_p99(folder, count=500):
    times = []
    with open(folder / "probe", "wb", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[int(count * 0.99)]
