"""Referral over FHIR seen from outside: HAPI FHIR's client asks for, answers and follows referrals (ReferralClient.java)."""

import json
import pathlib
import subprocess

import maven
from hutong import Story, run
from messages import oru, pid
from referral import CARD, FACILITIES, NATIONAL_ID, Region, clocks, config, write_keys

VERSION = "8.8.0"
HAPI = [f"ca.uhn.hapi.fhir:hapi-fhir-client:{VERSION}", f"ca.uhn.hapi.fhir:hapi-fhir-structures-r4:{VERSION}", "org.slf4j:slf4j-nop:2.0.16"]


class IndependentClient(Story):
    def test_a_referral_goes_up_and_comes_down(self):
        libs = maven.jars("hapi", f"client-{VERSION}", HAPI)
        live = self.broker(start=False, config=config())
        write_keys(live.dir)
        clocks(live)
        live.start()
        region = Region(live)
        region.arrival()
        with live.mllp() as feed:
            feed.exchange(oru(control="R1", number="C1", facility="cc-east",
                              patient=pid("C1", name="王^晓明", born="19800101", sex="M", card=CARD, facility="cc-east")))
        live.settle()
        person = live.fhir(f"Patient?identifier={NATIONAL_ID}|{CARD}")["entry"][0]["resource"]["id"]
        report = live.fhir(f"DiagnosticReport?patient={person}")["entry"][0]["resource"]["id"]
        client = subprocess.run(["java", "-cp", f"{libs}/*", pathlib.Path(__file__).with_name("ReferralClient.java"),
                                 f"http://127.0.0.1:{live.ports['http']}", person, report, *(f"{code}={region.token(code)}" for code in FACILITIES)],
                                capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(client.returncode, 0, client.stderr[-3000:])
        self.assertEqual(json.loads(client.stdout), [
            "transaction-response 201 Created 201 Created",
            "requested/requested Organization/bc-county v1",
            f"urgent 胸痛待查 DiagnosticReport/{report}",
            "found [Task, ServiceRequest]",
            "rejected/declined Organization/bc-county v2",
            "stale 412 version-conflict",
            "not a party 404 no such referral, or your facility is no party of it",
            "proposed Organization/bc-city",
            "not asked 409 choice-missing",
            "requested/redirected Organization/bc-city v3",
            "lost 404 no such referral, or your facility is no party of it",
            "due true",
            "no slot 409 slot-missing",
            "accepted/accepted Organization/bc-city v4",
            "in-progress/arrived Organization/bc-city v5",
            "in-progress/report-returned Organization/bc-city v6",
            "nobody below 409 downward-missing",
            "created true",
            "accepted/accepted Organization/cc-east v2",
            "completed/closed Organization/bc-city v7",
            "closed ones 1",
            "states 12 已申请",
        ])


if __name__ == "__main__":
    run()
