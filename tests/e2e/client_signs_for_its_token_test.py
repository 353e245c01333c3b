"""A program without any key of the installation gets its token by a signed assertion (OAuth 2.0 client credentials, SMART
Backend Services), reads with it, and no assertion is good twice, not even across a kill. Keys and signatures by openssl."""

import base64
import json
import pathlib
import subprocess
import time
import unittest
import urllib.parse

from hutong import CONFIG, Story, run
from messages import oru


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=True).stdout


class Key:
    def __init__(self, path, algorithm):
        self.path, self.algorithm = path, algorithm
        kind = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if algorithm == "RS384" else ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]
        openssl("genpkey", "-algorithm", *kind, "-out", path)

    def jwk(self, kid):
        if self.algorithm == "RS384":
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
            return {"kty": "RSA", "kid": kid, "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        point = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-96:]
        return {"kty": "EC", "crv": "P-384", "kid": kid, "x": b64(point[:48]), "y": b64(point[48:])}

    def sign(self, claims, kid):
        text = b64(json.dumps({"alg": self.algorithm, "kid": kid}).encode()) + "." + b64(json.dumps(claims).encode())
        signature = openssl("dgst", "-sha384", "-sign", self.path, stdin=text.encode())
        if self.algorithm == "ES384":  # SEQUENCE { INTEGER r, INTEGER s } → r and s, 48 bytes each
            r = signature[4:4 + signature[3]]
            s = signature[6 + signature[3]:]
            signature = b"".join(number.lstrip(b"\0").rjust(48, b"\0") for number in (r, s))
        return text + "." + b64(signature)


class ClientSignsForItsToken(Story):
    def test_tokens_by_assertion(self):
        broker = self.broker(start=False)
        keys = {"RS384": Key(broker.dir / "rsa.pem", "RS384"), "ES384": Key(broker.dir / "ec.pem", "ES384")}
        (broker.dir / "ward.jwks").write_text(json.dumps({"keys": [key.jwk(name) for name, key in keys.items()]}))
        broker.config.write_text(CONFIG + '\n[clients.ward-app]\nscopes = "system/Patient.rs"\njwks = "file:ward.jwks"\n')
        self.assertEqual(json.loads(broker.command("check", "--json").stdout)["configuration"]["clients"]["ward-app"]["scopes"],
                         "system/Patient.rs")
        broker.start()
        with broker.mllp() as feed:
            feed.exchange(oru("1", "P1", "R1"))
        broker.settle()
        said = broker.http("GET", "/.well-known/smart-configuration").json()
        endpoint = said["token_endpoint"]
        self.assertEqual(set(said["token_endpoint_auth_signing_alg_values_supported"]), set(keys))

        def claims(jti, **changed):
            return {"iss": "ward-app", "sub": "ward-app", "aud": endpoint, "exp": int(time.time()) + 290, "jti": jti, **changed}

        def ask(assertion, **more):
            form = {"grant_type": "client_credentials", "client_assertion": assertion,
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", **more}
            return broker.http("POST", "/oauth/token", body=urllib.parse.urlencode(form).encode(),
                               headers={"Content-Type": "application/x-www-form-urlencoded"})

        for algorithm, key in keys.items():
            given = ask(key.sign(claims(algorithm), algorithm), scope="system/Patient.rs")
            self.assertEqual(given.status, 200, given.text)
            self.assertEqual({k: v for k, v in given.json().items() if k != "access_token"},
                             {"token_type": "Bearer", "expires_in": 300, "scope": "system/Patient.rs"})
            token = given.json()["access_token"]
            found = broker.fhir("Patient?identifier=urn:hutong:facility:TESTHOSP:mrn|P1", token=token)
            self.assertEqual(len(found["entry"]), 1)
            self.assertEqual(broker.http("GET", f"/fhir/Observation?patient={found['entry'][0]['resource']['id']}", token=token).status, 403)

        once = keys["RS384"].sign(claims("once"), "RS384")
        self.assertEqual(ask(once).status, 200)
        broker.kill()
        broker.config.write_text(broker.config.read_text().replace(
            '[http]\nlisten = "127.0.0.1:0"', f'[http]\nlisten = "127.0.0.1:{broker.ports["http"]}"'))
        broker.start()
        for answer in (ask(once), ask(keys["RS384"].sign(claims("late", exp=int(time.time()) + 400), "RS384")),
                       ask(keys["RS384"].sign(claims("elsewhere", aud="https://other.example/oauth/token"), "RS384")),
                       ask(keys["RS384"].sign(claims("other"), "ES384"))):
            self.assertEqual((answer.status, answer.json()["error"]), (401, "invalid_client"), answer.text)
        self.assertEqual(ask(keys["ES384"].sign(claims("wide"), "ES384"), scope="system/*.rs").json()["error"], "invalid_scope")
        self.assertIn("operator", broker.command("token", "--client", "nobody", expect=2).stderr)
        self.assertTrue(broker.token("ward-app"), "the installation's own key still signs for it")

    def test_a_mistake_about_a_client_is_found_by_check(self):
        broker = self.broker(start=False)
        key = Key(broker.dir / "ec.pem", "ES384")
        (broker.dir / "good.jwks").write_text(json.dumps({"keys": [key.jwk("a")]}))
        (broker.dir / "private.jwks").write_text(json.dumps({"keys": [dict(key.jwk("a"), d="c2VjcmV0")]}))
        for entry, says in (('[clients.a]\nscopes = "system/*.rs"\n', "jwks is missing"),
                            ('[clients.a]\nscopes = "system/*.rs"\njwks = "none.jwks"\n', "no such file"),
                            ('[clients.a]\njwks = "good.jwks"\n', "scopes is missing"),
                            ('[clients.a]\nscopes = "system/*.read"\njwks = "good.jwks"\n', "expected system/TYPE"),
                            ('[clients."a b"]\nscopes = "system/*.rs"\njwks = "good.jwks"\n', "letters"),
                            ('[clients.a]\nscopes = "system/*.rs"\njwks = "private.jwks"\n', "private"),
                            ('[clients.a]\nsecret = "x"\njwks = "good.jwks"\n', "unknown key")):
            broker.config.write_text(CONFIG + "\n" + entry)
            self.assertIn(says, broker.command("check", expect=2).stderr, entry)
        broker.config.write_text(CONFIG + '\n[clients.clinic]\njwks = "good.jwks"\n')
        broker.command("check")

    def test_the_recipe_of_the_operations_page_makes_such_a_key(self):
        page = (pathlib.Path(__file__).resolve().parents[2] / "docs/operations.md").read_text(encoding="utf-8")
        recipe = page.split("```\n   openssl genpkey", 1)[1].split("```", 1)[0]
        broker = self.broker(start=False)
        subprocess.run(["bash", "-euc", "openssl genpkey" + recipe], cwd=broker.dir, check=True, capture_output=True)
        broker.config.write_text(CONFIG + '\n[clients.ward-app]\nscopes = "system/*.rs"\njwks = "ward-app.jwks"\n')
        broker.command("check")


if __name__ == "__main__":
    run()
