"""A real Kafka loses nodes, one at a time, while sessions append and followers read (tests/contract/log/traffic.h): killed
with SIGKILL, or frozen long enough to lose its leaderships. What was acknowledged is there, in order."""

import os
import pathlib
import subprocess
import sys
import time
import unittest

import kafka
from hutong import SOURCE, rounds, run, seeded

BUILD = pathlib.Path(os.environ.get("HUTONG_BUILD", SOURCE / "build/release"))


class KafkaNodes(unittest.TestCase):
    def test_what_was_acknowledged_survives_nodes_killed_and_frozen(self):
        try:
            cluster = kafka.Cluster()
        except kafka.Unavailable as reason:
            self.skipTest(str(reason))
        random = seeded("kafka_nodes")
        with cluster:
            traffic = subprocess.Popen(
                [BUILD / "tests/contract_log", "--gtest_filter=All/KafkaNodes.*"],
                env=dict(os.environ, HUTONG_KAFKA_BOOTSTRAP=cluster.bootstrap, HUTONG_APPENDS=str(rounds(300))),
                stdout=subprocess.PIPE, text=True)
            faults = []
            while traffic.poll() is None:
                node = random.randint(1, 3)
                if random.random() < 0.5:
                    cluster.kill(node)
                    time.sleep(random.uniform(0, 1))
                    cluster.start(node)
                    faults.append(f"killed {node}")
                else:
                    cluster.pause(node)
                    time.sleep(random.uniform(1, 6))  # beyond broker.session.timeout.ms others take over
                    cluster.resume(node)
                    cluster.wait()
                    faults.append(f"froze {node}")
                time.sleep(random.uniform(0, 1))
            said = traffic.communicate()[0]
        print(", ".join(faults), file=sys.stderr)
        print(said, file=sys.stderr)
        self.assertEqual(traffic.returncode, 0, said)
        self.assertIn("[  PASSED  ] 1 test", said)
        self.assertGreater(len(faults), 1, "the traffic was over before anything happened")


if __name__ == "__main__":
    run()
