"""What a sender hears (product.md §6.2): AA, AE, AR, warnings, enhanced mode, batches, resends, oversize; and that what
was refused can be seen and retried in quarantine."""

import hashlib
import json
import unittest

from hutong import CONFIG, SANITIZER_BYTES, Story, ack, run
from messages import adt, msh, oru, pid


class Answers(Story):
    def test_accepted_is_readable(self):
        broker = self.broker()
        with broker.mllp() as feed:
            answer = ack(feed.exchange(oru("1", "P1", "R1")))
        self.assertEqual((answer.code, answer.control_id), ("AA", "1"))
        broker.settle()
        person = broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1")["entry"][0]["resource"]
        reports = broker.fhir(f"DiagnosticReport?patient={person['id']}")["entry"]
        self.assertEqual(len(reports), 1)
        self.assertEqual(len(reports[0]["resource"]["result"]), 20)

    def test_a_missing_control_id_is_AR_101_at_MSH_10(self):
        broker = self.broker()
        with broker.mllp() as feed:
            answer = ack(feed.exchange(oru("", "P1", "R1")))
        self.assertEqual(answer.code, "AR")
        self.assertIn("101", str(answer.errors))
        self.assertIn("MSH^1^10", str(answer.errors))

    def test_a_report_without_a_patient_is_AE_and_waits_in_quarantine(self):
        broker = self.broker()
        bytes_ = (msh("ORU^R01^ORU_R01", "7") + "\rOBR|1||R7|BIO^x^L|||2026|||||||||||||||||LAB|F\r"
                  "OBX|1|NM|GLU^x^L||5.8|mmol/L||N|||F\r")
        with broker.mllp() as feed:
            self.assertEqual(ack(feed.exchange(bytes_)).code, "AE")
            self.assertEqual(ack(feed.exchange(bytes_)).code, "AE")
        entries = broker.quarantined(1)
        self.assertEqual(len(entries), 1, "a repetition counts, it appends nothing")
        self.assertEqual(entries[0]["controlId"], "7")
        with broker.mllp() as feed:
            for _ in range(3):
                self.assertEqual(ack(feed.exchange(bytes_)).code, "AE")
        again = broker.quarantined(1)
        self.assertEqual(len(again), 1)
        self.assertEqual(again[0]["repeated"], 4, "also what came before the projector had seen the first")
        self.assertIn("came again", broker.command("quarantine", "list").stdout)
        self.assertEqual(broker.metric("hutong_repeated_refusals_total", facility="TESTHOSP"), 4)
        self.assertEqual(broker.metric("hutong_quarantined_total", facility="TESTHOSP"), 1)

    def test_an_unknown_sender_is_AR_by_default(self):
        broker = self.broker(config=CONFIG.replace('unknown_senders = "accept"', 'unknown_senders = "reject"'))
        with broker.mllp() as feed:
            answer = ack(feed.exchange(oru("1", "P1", "R1", facility="NOBODY")))
            self.assertEqual(answer.code, "AR")
            self.assertIn("MSH^1^4", str(answer.errors))
            self.assertEqual(ack(feed.exchange(oru("2", "P1", "R1"))).code, "AA")

    def test_enhanced_mode_commits_first_and_then_answers(self):
        broker = self.broker()
        header = msh("ORU^R01^ORU_R01", "9").split("|")
        header[14:14] = []
        header = "|".join(header[:14] + ["AL", "AL"] + header[16:])
        with broker.mllp() as feed:
            feed.send(oru("9", "P1", "R1", header=header))
            self.assertEqual(ack(feed.receive()).code, "CA")
            self.assertEqual(ack(feed.receive()).code, "AA")

    def test_an_acknowledgement_is_not_acknowledged(self):
        broker = self.broker()
        with broker.mllp() as feed:
            for control in ("K1", "K2"):
                feed.send(msh("ACK^R01^ACK", control) + "\rMSA|AA|x\r")
            self.assertEqual(ack(feed.exchange(oru("1", "P1", "R1"))).control_id, "1", "nothing came before")
        self.assertEqual(broker.metric("hutong_acknowledgements_received_total", facility="TESTHOSP"), 2)
        self.assertEqual(broker.last_words(1000).count("acknowledgements as messages"), 1)
        file = broker.dir / "ack.hl7"
        file.write_text(msh("ACK^R01^ACK", "K3") + "\rMSA|AA|x\r")
        sent = json.loads(broker.command("send", "--to", f"127.0.0.1:{broker.ports['mllp']}", "--json", file, deadline=20).stdout)
        self.assertEqual(sent["answers"]["unasked"], 1)

    def test_a_batch_is_answered_message_by_message(self):
        broker = self.broker()
        batch = "FHS|^~\\&|LIS|TESTHOSP\rBHS|^~\\&|LIS|TESTHOSP\r" + oru("1", "P1", "R1") + oru("", "P1", "R2") + \
            oru("3", "P1", "R3") + "BTS|3\rFTS|1\r"
        with broker.mllp() as feed:
            feed.send(batch)
            self.assertEqual([ack(feed.receive()).code for _ in range(3)], ["AA", "AR", "AA"])

    def test_same_control_id_with_other_content_is_accepted_and_flagged(self):
        broker = self.broker()
        with broker.mllp() as feed:
            first = feed.exchange(oru("1", "P1", "R1"))
            self.assertEqual(ack(first).code, "AA")
            self.assertEqual(ack(first).errors, [])
            for _ in range(2):                  # and its resend is answered as it was
                other = ack(feed.exchange(oru("1", "P2", "R2")))
                self.assertEqual(other.code, "AA")
                self.assertIn("MSH^1^10", str(other.errors))
            self.assertEqual(ack(feed.exchange(oru("1", "P1", "R1"))).errors, [])
        self.assertEqual(broker.metric("hutong_control_id_conflicts_total"), 1)
        self.assertEqual(broker.metric("hutong_duplicates_total"), 2)

    def test_a_message_beyond_16_MiB_is_AR_then_closed(self):
        broker = self.broker()
        huge = oru("1", "P1", "R1").encode() + b"NTE|1||" + b"x" * (17 << 20) + b"\r"
        with broker.mllp() as feed:
            feed.send(huge)
            answer = ack(feed.receive())
            self.assertEqual((answer.code, answer.errors[0][3].split("^")[0]), ("AR", "104"), "207 would ask for it again")
            with self.assertRaises(ConnectionError):
                feed.receive()
        self.assertLess(broker.memory_bytes(), (300 << 20) + SANITIZER_BYTES)

    def test_a_message_of_15_MiB_is_accepted(self):
        broker = self.broker()
        large = oru("1", "P1", "R1").encode() + b"NTE|1||" + b"x" * (15 << 20) + b"\r"
        with broker.mllp() as feed:
            feed.send(large)
            self.assertEqual(ack(feed.receive()).code, "AA")

    def test_http_takes_a_raw_message_and_answers_with_its_acknowledgement(self):
        broker = self.broker()
        answer = broker.http("POST", "/api/v1/messages", body=oru("1", "P1", "R1").encode(),
                             headers={"Content-Type": "x-application/hl7-v2+er7"})
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(ack(answer.body).code, "AA")
        broken = broker.http("POST", "/api/v1/messages", body=oru("", "P1", "R1").encode(),
                             headers={"Content-Type": "x-application/hl7-v2+er7"})
        self.assertIn(broken.status, (400, 422))
        self.assertEqual(ack(broken.body).code, "AR")

    def test_of_a_post_beyond_16_MiB_the_beginning_is_kept(self):
        broker = self.broker()
        huge = oru("1", "P1", "R1").encode() + b"NTE|1||" + b"x" * (17 << 20) + b"\r"
        answer = broker.http("POST", "/api/v1/messages", body=huge)
        self.assertEqual((answer.status, ack(answer.body).code, ack(answer.body).errors[0][3].split("^")[0]), (413, "AR", "104"))
        kept = broker.quarantined(1)[0]
        self.assertEqual((kept["facility"], kept["controlId"], kept["hash"]), ("TESTHOSP", "1", hashlib.sha256(huge).hexdigest()))
        shown = broker.command("quarantine", "show", "TESTHOSP/" + kept["hash"]).stdout
        self.assertEqual(len(shown.encode()), (64 << 10) + 1)
        self.assertIn(str(len(huge)), str(ack(answer.body).errors))

    def test_the_known_hang_of_another_parser_is_answered(self):
        broker = self.broker()
        with broker.mllp() as feed:
            for bytes_ in (b"MSH|^AA", b"MSH", b"MSH|", b"MSH|^~\\&|", b"\x00\x00", b"MSH|||||||||||", b"PID|1", b""):
                self.assertIn(ack(feed.exchange(bytes_)).code, ("AR", "AE"))
            self.assertEqual(ack(feed.exchange(adt("A01", "2"))).code, "AA")


if __name__ == "__main__":
    run()
