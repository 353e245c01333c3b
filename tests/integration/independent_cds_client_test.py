"""CDS Hooks seen from outside: HAPI FHIR's classes write the requests and read every answer (CdsClient.java)."""

import json
import pathlib
import subprocess
import unittest

import maven
from hutong import SOURCE, Story, run
from recognition import CARD, Region, assess

VERSION = "8.8.0"
HAPI = [f"ca.uhn.hapi.fhir:hapi-fhir-server-cds-hooks:{VERSION}!", f"ca.uhn.hapi.fhir:hapi-fhir-server:{VERSION}",
        f"ca.uhn.hapi.fhir:hapi-fhir-structures-r4:{VERSION}", "org.springframework:spring-web:6.2.12", "org.slf4j:slf4j-nop:2.0.16"]


class IndependentClient(Story):
    def test_discovery_cards_and_feedback(self):
        libs = maven.jars("hapi", f"cds-hooks-{VERSION}", HAPI)
        live = self.broker(start=False)
        assess(live, SOURCE)
        live.start()
        region = Region(live)
        region.result()
        region.arrival()
        live.settle()
        region.until(lambda: region.check(["GLU"])["items"][0]["verdict"] == "recognisable")
        before = region.statistics()["total"]
        client = subprocess.run(["java", "-cp", f"{libs}/*", pathlib.Path(__file__).with_name("CdsClient.java"),
                                 f"http://127.0.0.1:{live.ports['http']}", live.token(), CARD, "cc-east"],
                                capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(client.returncode, 0, client.stderr[-3000:])
        said = json.loads(client.stdout)
        self.assertEqual(said["services"], ["order-select mutual-recognition", "order-sign mutual-recognition"])
        self.assertEqual(sorted(said["prefetch"]), ["encounter", "patient"])
        self.assertEqual([(card["indicator"].lower(), card["actions"], card["links"], card["uuid"]) for card in said["cards"]],
                         [("warning", ["delete"], 1, 8)] * 2)
        # HAPI's classes are of CDS Hooks 1.1; these members came with 2.0.
        self.assertLessEqual(set(said["unknown"]), {"CdsServiceResponseSuggestionActionJson.resourceId"}, said["unknown"])
        region.until(lambda: region.statistics()["total"]["refused"] > before["refused"])
        after = region.statistics()["total"]
        self.assertEqual((after["recognised"] - before["recognised"], after["refused"] - before["refused"]), (1, 1))


if __name__ == "__main__":
    run()
