"""Brokers on a real Kafka (three nodes) and a real PostgreSQL, chosen by configuration alone.

    class Together(OnEngines):                       a story about brokers there: self.cluster, self.server
        def test_it(self):
            first, second = self.brokers()

    engines.py STORY...      tells stories that say nothing of engines, tests/e2e/resend_changes_nothing_test.py and
                             the like, one after another on one cluster

Exit: 0 all passed, 77 where Kafka or PostgreSQL cannot be had, with the reason as the last line, else 1.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import kafka
from hutong import CONFIG, Broker, Story, engines, until
from postgres import SKIPPED, NotInstalled, Postgres


class OnEngines(Story):
    """Stories on one cluster and one server; skipped where either cannot be had."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = cls.enterClassContext(kafka.Cluster())
        cls.server = cls.enterClassContext(Postgres())

    # Of an installation of its own.
    def configuration(self, log="partitions = 4", config=CONFIG):
        return config + engines(self.cluster.bootstrap, self.server.connection, log)

    # Brokers of one installation: the others get the configuration and the keys of the first.
    def brokers(self, count=2, **configuration):
        config = self.configuration(**configuration)
        made = [self.broker(config=config)]
        for number in range(1, count):
            other = Broker(made[0].dir.parent / f"data{number}", config=config)
            shutil.copytree(made[0].dir / "keys", other.dir / "keys")
            self.addCleanup(other.kill)
            made.append(other.start())
        return made

    # Until each of them shows what any of them has taken.
    def settle(self, *brokers):
        for broker in brokers:
            broker.settle()
        for broker in brokers:
            until(lambda b=broker: b.metric("hutong_projector_lag_records") == 0, "a broker does not see everything", 30)


def main(stories):
    if not stories:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the engines are stopped, too
    failed = []
    try:
        with kafka.Cluster() as cluster, Postgres() as server:
            environment = dict(os.environ, HUTONG_KAFKA_BOOTSTRAP=cluster.bootstrap, HUTONG_POSTGRES=server.connection)
            for story in stories:
                began = time.monotonic()
                done = subprocess.run([sys.executable, "-B", story], env=environment, check=False)
                print(f"{story}: {'passed' if done.returncode == 0 else 'FAILED'}, {time.monotonic() - began:.1f} s", flush=True)
                if done.returncode != 0:
                    failed.append(story)
    except (kafka.Unavailable, NotInstalled) as reason:
        print(reason)
        return SKIPPED
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
