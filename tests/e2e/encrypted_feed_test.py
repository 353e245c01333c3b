"""Mutual TLS on MLLP (IHE ATNA ITI-19): nothing is read of a peer without a certificate of ours, and a certificate's
facility may speak for itself only."""

import ssl
import subprocess
import unittest

from hutong import CONFIG, FACILITY, Mllp, Story, ack, run
from messages import oru


class EncryptedFeed(Story):
    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def authority(self, folder, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")

    def certificate(self, folder, authority, name):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr")
        self.openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key",
                     "-CAcreateserial", "-days", "2", "-out", folder / f"{name}.pem")
        return folder / f"{name}.pem", folder / f"{name}.key"

    def connect(self, broker, certificate=None, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.keys / "region.pem")
        if certificate:
            context.load_cert_chain(*certificate)
        if version:
            context.minimum_version = context.maximum_version = version
        feed = Mllp("127.0.0.1", broker.ports["mllp"], 10)
        feed.socket = context.wrap_socket(feed.socket)
        self.addCleanup(feed.close)
        return feed

    def refused(self, connect):
        with self.assertRaises((ssl.SSLError, ConnectionError, OSError)):
            connect().exchange(oru("refused", "P1", "R1"))

    def test_who_may_speak_for_whom(self):
        self.keys = self.directory()
        self.authority(self.keys, "region")
        self.authority(self.keys, "stranger")
        server = self.certificate(self.keys, "region", "broker")
        hospital = self.certificate(self.keys, "region", "testhosp.invalid")
        unbound = self.certificate(self.keys, "region", "unbound.invalid")
        foreign = self.certificate(self.keys, "stranger", "other.invalid")
        broker = self.broker(start=False, config=CONFIG.replace('unknown_senders = "accept"', "") +
                             f'\n[mllp.tls]\ncertificate = "{server[0]}"\nkey = "{server[1]}"\n'
                             f'client_authority = "{self.keys / "region.pem"}"\n')
        facilities = broker.dir / "schemas" / "facilities" / "test.toml"
        facilities.write_text(FACILITY + 'certificate = "testhosp.invalid"\n\n' + FACILITY.replace("TESTHOSP", "NEIGHBOUR"),
                              encoding="utf-8")
        broker.start()
        feed = self.connect(broker, hospital)
        self.assertEqual(ack(feed.exchange(oru("1", "P1", "R1"))).code, "AA")
        spoofed = ack(feed.exchange(oru("2", "P1", "R2", facility="NEIGHBOUR")))
        self.assertEqual(spoofed.code, "AR")
        self.assertIn("MSH^1^4", str(spoofed.errors))
        self.assertEqual(ack(feed.exchange(oru("3", "P1", "R3"))).code, "AA")
        self.refused(lambda: self.connect(broker))
        self.refused(lambda: self.connect(broker, foreign))
        self.refused(lambda: self.connect(broker, unbound))
        self.refused(lambda: self.connect(broker, hospital, ssl.TLSVersion.TLSv1_1))
        with Mllp("127.0.0.1", broker.ports["mllp"], 5) as plain:
            with self.assertRaises((ConnectionError, TimeoutError, ValueError)):
                plain.exchange(oru("plain", "P1", "R1"))
        self.assertEqual(ack(self.connect(broker, hospital, ssl.TLSVersion.TLSv1_2).exchange(oru("4", "P1", "R4"))).code, "AA")
        self.assertEqual(broker.metric("hutong_messages_total", answer="accepted"), 3)


if __name__ == "__main__":
    run()
