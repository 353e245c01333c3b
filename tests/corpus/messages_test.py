"""Every public HL7 v2 sample message through the real binary over MLLP: interpreted, stored, AE or AR, by type and reason.
Of the modelled types with a control id at least 99 % are interpreted; of the others every valid one is stored."""

import collections
import json
import pathlib
import re
import unittest

from hutong import Ack, Story, ack, public_samples, run
from messages import adt

MODELLED = {"ADT^" + e for e in ("A01 A02 A03 A04 A05 A06 A07 A08 A11 A12 A13 A18 A28 A31 A34 A36 A40 A47").split()} | {"ORU^R01", "ORU^R30"}
SILENT = Ack("none asked", "", [], b"")
START = re.compile(rb"(?:^|(?<=[\r\n]))MSH(?=[^A-Za-z0-9\s])")


def messages(folder):
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix.lower() in (".json", ".xml", ".csv", ".md", ".yml", ".sql", ".tsv", ".ccda"):
            continue
        content = path.read_bytes()
        starts = [m.start() for m in START.finditer(content)]
        for begin, end in zip(starts, [*starts[1:], len(content)]):
            yield path.relative_to(folder), content[begin:end].replace(b"\r\n", b"\r").replace(b"\n", b"\r").rstrip(b"\r ") + b"\r"


def header(message):
    fields = message.split(b"\r", 1)[0].decode("latin-1").split("|")
    kind = fields[8] if len(fields) > 8 else ""
    parts = kind.split("^")
    control = fields[9] if len(fields) > 9 else ""
    return "^".join(parts[:2]) if len(parts) > 1 else parts[0], control


class Corpus(Story):
    def test_every_sample(self):
        samples = list(messages(public_samples()))
        self.assertGreater(len(samples), 1600)
        broker = self.broker()
        table = collections.defaultdict(collections.Counter)
        reasons = collections.Counter()
        modelled, interpreted = 0, 0
        refused = []
        answers = []
        with broker.mllp(timeout=20) as feed:
            for i, (path, message) in enumerate(samples):
                # A sender may ask for no answer, one or two (MSH-15, MSH-16): all that comes before the probe's is its own.
                feed.send(message, adt("A08", f"probe{i}", "PROBE"))
                own = []
                while True:
                    answer = ack(feed.receive())
                    if answer.control_id == f"probe{i}":
                        break
                    own.append(answer)
                answers.append(own[-1] if own else SILENT)
        broker.settle()
        kinds = collections.Counter()
        for (path, message), answer in zip(samples, answers):
            kind, control = header(message)
            if answer.code in ("AA", "CA", "none asked"):
                outcome = "interpreted" if kind in MODELLED or kind == "ORU" else "stored"
            else:
                outcome = answer.code
                reason = answer.errors[0] if answer.errors else ["", "", "", answer.raw.decode("latin-1")[-200:]]
                reasons[(answer.code, kind, "|".join(reason)[:150])] += 1
                refused.append((answer.code, kind, str(path)))
            table[kind][outcome] += 1
            if kind in MODELLED and control:
                modelled += 1
                interpreted += outcome == "interpreted"
        print(f"\n{'type':<14}{'interpreted':>12}{'stored':>8}{'AE':>5}{'AR':>5}")
        for kind, row in sorted(table.items()):
            print(f"{kind:<14}{row['interpreted']:>12}{row['stored']:>8}{row['AE']:>5}{row['AR']:>5}")
        print(f"{len(samples)} messages; modelled with a control id: {interpreted} of {modelled} interpreted")
        for (code, kind, reason), count in reasons.most_common():
            print(f"  {count:4} {code} {kind}: {reason}")
        self.assertEqual(len(answers), len(samples), "every message is answered")
        self.assertGreaterEqual(interpreted / modelled, 0.99, refused)
        # The record says so too: what was answered AA has events of its kind in the log.
        received = broker.metric("hutong_events_total", kind="message.received") or 0
        stored = sum(row["stored"] for row in table.values())
        self.assertLessEqual(received, stored, "a modelled message was stored without being interpreted")


if __name__ == "__main__":
    run()
