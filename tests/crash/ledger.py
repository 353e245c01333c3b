"""What a sender knows: the oracle of the crash stories. A load of small reports goes out over several connections; the
ledger remembers what was sent and what was acknowledged. Afterwards every acknowledged report must be readable exactly
once over FHIR, in the order in which its patient's sender sent it, and nothing may be there that was never sent."""

import threading
import time

from hutong import ack
from messages import msh, pid

ITEM = ("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1")


class Ledger:
    """One per story: control ids are never used twice, also across rounds."""

    def __init__(self, connections=4, window=16, patients_per_connection=2):
        self.connections, self.window, self.patients = connections, window, patients_per_connection
        self.sent, self.acked = {}, set()       # order number -> patient number
        self.unanswered = {}                    # of the last round: order number -> message bytes
        self.refused = []
        self.serial = 0
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def message(self, connection):
        with self.lock:
            self.serial += 1
            serial = self.serial
        order = f"R{serial:07d}"
        patient = f"P{connection}-{serial % self.patients}"
        code, name, value, unit, interval = ITEM
        text = "\r".join([
            msh("ORU^R01^ORU_R01", f"C{serial}"), pid(patient),
            f"OBR|1||{order}|BIO^生化^L|||20260105073000|||||||||||||||||LAB|F",
            f"OBX|1|NM|{code}^{name}^L||{value}|{unit}|{interval}|N|||F"]) + "\r"
        return order, patient, text.encode("utf-8")

    def _feed(self, broker, connection, resend):
        waiting = []
        try:
            with broker.mllp(timeout=20) as feed:
                def receive():
                    order = waiting.pop(0)
                    code = ack(feed.receive()).code
                    with self.lock:
                        if code == "AA":
                            self.acked.add(order)
                            self.unanswered.pop(order, None)
                        else:
                            self.refused.append((order, code))
                for order, bytes_ in resend:
                    feed.send(bytes_)
                    waiting.append(order)
                    if len(waiting) >= self.window:
                        receive()
                while not self.stop.is_set():
                    order, patient, bytes_ = self.message(connection)
                    with self.lock:
                        self.sent[order] = patient
                        self.unanswered[order] = bytes_
                    feed.send(bytes_)
                    waiting.append(order)
                    if len(waiting) >= self.window:
                        receive()
                while waiting:
                    receive()
        except (OSError, ConnectionError, AssertionError, ValueError):
            pass                                # the broker was killed: what waits stays unanswered

    # Load until `until` returns (it may kill the broker). What was left unanswered before is sent again first.
    def load(self, broker, until):
        self.stop.clear()
        again = {}
        for order, bytes_ in sorted(self.unanswered.items()):
            again.setdefault(int(self.sent[order][1:].split("-")[0]), []).append((order, bytes_))
        threads = [threading.Thread(target=self._feed, args=(broker, c, again.get(c, []))) for c in range(self.connections)]
        for thread in threads:
            thread.start()
        until()
        self.stop.set()
        for thread in threads:
            thread.join()

    # Compares with what FHIR shows; returns how many reports were found.
    def check(self, story, broker):
        broker.settle()
        token = broker.token()
        found = []
        for patient in sorted(set(self.sent.values())):
            bundle = broker.fhir(f"Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|{patient}", token=token)
            entries = bundle.get("entry", [])
            if not entries:
                continue
            story.assertEqual(len(entries), 1, f"{patient} is {len(entries)} people")
            path = f"DiagnosticReport?patient={entries[0]['resource']['id']}&_count=1000"
            while path:
                page = broker.fhir(path, token=token)
                for entry in page.get("entry", []):
                    report = entry["resource"]
                    story.assertEqual(report["meta"]["versionId"], "1", f"{patient}: a report was applied twice")
                    found.append((order_of(report), patient))
                path = next((link["url"].split("/fhir/", 1)[1] for link in page.get("link", []) if link["relation"] == "next"), None)
        orders = [order for order, _ in found]
        story.assertEqual(len(orders), len(set(orders)), "a report is shown twice")
        for order, patient in found:
            story.assertEqual(self.sent.get(order), patient, f"{order} was never sent for {patient}")
        lost = self.acked - set(orders)
        story.assertFalse(lost, f"{len(lost)} acknowledged reports are lost, e.g. {sorted(lost)[:3]}")
        return len(orders)


def order_of(report):
    for identifier in report.get("identifier", []):
        if identifier.get("value", "").startswith("R"):
            return identifier["value"]
    raise AssertionError(f"no order number in {report.get('identifier')}")


def after(seconds, then):
    def wait():
        time.sleep(seconds)
        then()
    return wait
