"""Tells stories to brokers on a real Kafka (three nodes) and a real PostgreSQL, chosen by configuration alone.

    engines.py STORY...      tests/e2e/resend_changes_nothing_test.py and the like, one after another on one cluster

Exit: 0 all passed, 77 where Kafka or PostgreSQL cannot be had, with the reason as the last line, else 1.
"""

import os
import signal
import subprocess
import sys
import time

import kafka
from postgres import SKIPPED, NotInstalled, Postgres


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
