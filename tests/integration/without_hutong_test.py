"""docs/operations.md, "Reading the log and the views without Hutong": every command there is run as it is written, on a real Kafka and
a real PostgreSQL, and must print what the document shows. None of our code reads."""

import os
import re
import shutil
import subprocess

from engines import OnEngines
from hutong import CONFIG, SOURCE, ack, run
from postgres import programs

TITLE = "Reading the log and the views without Hutong"


def commands(text, title):
    """(command, what is shown) of each block under a heading; a command goes on while its lines are indented."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    found = []
    for block in re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        lines = block.splitlines(keepends=True)
        assert lines[0].startswith("$ "), block
        end = next((i for i, line in enumerate(lines) if i and not line.startswith("    ")), len(lines))
        found.append(("".join(lines[:end])[2:], "".join(lines[end:])))
    return found


class WithoutHutong(OnEngines):
    def test_what_the_document_says(self):
        for name in ("kcat", "jq"):
            if not shutil.which(name):
                self.skipTest(f"{name} is not installed (deploy/install-packages.sh test)")
        # The document's names are the defaults.
        config = re.sub(r'(topic_prefix|schema) = .*\n', "", self.configuration(log="", config=CONFIG))
        broker = self.broker(config=config)
        tour = re.search(r"report\.hl7 <<'END'\n(.*?)^END$", (SOURCE / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
        tour = tour.replace("\n", "\r")
        next_day = tour.replace("20260105", "20260106").replace("R100", "R101").replace("|T1|", "|T2|")
        elsewhere = next_day.replace("bc-city", "bc-county").replace("P100", "P7").replace("R101", "R55")
        with broker.mllp() as feed:
            for message in (tour, next_day, elsewhere):
                self.assertEqual(ack(feed.exchange(message)).code, "AA")
        broker.settle()
        broker.stop()
        environment = dict(os.environ, KAFKA=self.cluster.bootstrap, POSTGRES=self.server.connection,
                           PATH=f"{programs()}:{os.environ['PATH']}")
        told = commands((SOURCE / "docs/operations.md").read_text(encoding="utf-8"), TITLE)
        self.assertGreaterEqual(len(told), 3)
        for command, shown in told:
            done = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=environment, capture_output=True, text=True, check=False)
            print(f"$ {command}{done.stdout}")
            with self.subTest(command):
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, shown, ""))


if __name__ == "__main__":
    run()
