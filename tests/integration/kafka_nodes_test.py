"""A real Kafka loses nodes, one at a time, while sessions append and followers read (tests/contract/log/traffic.h): killed
with SIGKILL, or frozen long enough to lose its leaderships. What was acknowledged is there, in order."""

import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

import kafka
from hutong import SOURCE, rounds, run, seeded, until

BUILD = pathlib.Path(os.environ.get("HUTONG_BUILD", SOURCE / "build/release"))


class KafkaNodes(unittest.TestCase):
    def setUp(self):
        self.cluster = self.enterContext(kafka.Cluster())
        self.traffic = subprocess.Popen(
            [BUILD / "tests/contract_log", "--gtest_filter=All/KafkaNodes.*"],
            env=dict(os.environ, HUTONG_KAFKA_BOOTSTRAP=self.cluster.bootstrap, HUTONG_APPENDS=str(rounds(300))),
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.traffic.kill)
        until(lambda: self.cluster.bytes_of("*events") > 0, "the traffic does not begin")

    # How many appends were acknowledged and refused, once the traffic has ended and found everything in its place.
    def outcome(self):
        said = self.traffic.communicate()[0]
        print(said, file=sys.stderr)
        self.assertEqual(self.traffic.returncode, 0, said)
        counts = re.search(r"(\d+) appends acknowledged, (\d+) refused", said)
        self.assertIsNotNone(counts, "no traffic")
        return int(counts[1]), int(counts[2])

    def test_one_node_at_a_time_killed_or_frozen_loses_nothing(self):
        random = seeded("kafka_nodes")
        faults = []
        while self.traffic.poll() is None:
            node = random.randint(1, 3)
            if random.random() < 0.5:
                self.cluster.kill(node)
                time.sleep(random.uniform(0, 1))
                self.cluster.start(node)
                faults.append(f"killed {node}")
            else:
                self.cluster.pause(node)
                time.sleep(random.uniform(1, 6))  # beyond broker.session.timeout.ms others take over
                self.cluster.resume(node)
                self.cluster.wait()
                faults.append(f"froze {node}")
            time.sleep(random.uniform(0, 1))
        print(", ".join(faults), file=sys.stderr)
        self.outcome()
        self.assertGreater(len(faults), 1, "the traffic was over before anything happened")

    def test_with_too_few_replicas_nothing_is_acknowledged_and_nothing_lost(self):
        self.cluster.kill(1)
        self.cluster.kill(2)
        time.sleep(12)  # longer than an append waits
        self.cluster.start(1, wait=False)
        self.cluster.start(2)
        acknowledged, refused = self.outcome()
        self.assertGreater(refused, 0)
        self.assertGreater(acknowledged, refused, "it goes on when they are back")


if __name__ == "__main__":
    run()
