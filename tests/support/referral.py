"""A region for the stories of two-way referral: the demo region's facilities, each with a client of its own that may only speak for it,
and one invented patient. Standard library only; keys by openssl."""

import base64
import contextlib
import http.client
import json
import subprocess
import threading
import time

from hutong import CONFIG, ack
from messages import adt, msh, pid, resident_card

CARD = resident_card(order=21)
FACILITIES = ("cc-east", "cc-west", "vc-01", "bc-county", "bc-city")
NATIONAL_ID = "urn:oid:2.16.156.10011.1.3"


def write_keys(folder, name="clients.jwks"):
    """A public key for clients that get their token by `hutong token`."""
    key = folder / "client.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", str(key)],
                   check=True, capture_output=True)
    point = subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout[-96:]
    x, y = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (point[:48], point[48:]))
    (folder / name).write_text(json.dumps({"keys": [{"kty": "EC", "crv": "P-384", "kid": "k", "x": x, "y": y}]}))


# `others`: more clients, name → (scopes, facility).
def config(facilities=FACILITIES, scopes="system/*.cruds", others=None):
    text = CONFIG
    clients = {facility: (scopes, facility) for facility in facilities} | (others or {})
    for name, (scopes, facility) in clients.items():
        text += f'\n[clients.{name}]\nscopes = "{scopes}"\nfacilities = "{facility}"\njwks = "file:clients.jwks"\n'
    return text + '\n[clients.duty]\nscopes = "system/*.rs hutong/coordinate"\njwks = "file:clients.jwks"\n'


CLOCKS = "wait,urgency,remind,escalate,again,end,hours,valid_from,valid_to,source\n"


def clocks(broker, remind="1h", escalate="2h", again="4h", end="20h", urgent=None):
    """The installation's own clocks, the same for every wait and urgency; `urgent` (remind, escalate, again, end) for urgent answers."""
    own = broker.dir / "schemas" / "referral"
    own.mkdir(parents=True, exist_ok=True)
    rows = ""
    for wait in ("answer", "arrival", "decision", "report", "closing"):
        for urgency in ("routine", "urgent", "stat"):
            r, e, a, z = urgent if urgent and (wait, urgency) == ("answer", "urgent") else (remind, escalate, again, end)
            if wait in ("report", "closing"):  # never end
                z = ""
            rows += f"{wait},{urgency},{r},{e},{a},{z},always,2024-01-01,,story\n"
    (own / "clocks.csv").write_text(CLOCKS + rows, encoding="utf-8")


class Region:
    def __init__(self, broker):
        self.broker = broker
        self.tokens = {}
        self.count = 0

    def token(self, client):
        made, token = self.tokens.get(client, (0, ""))
        if time.monotonic() - made > 200:
            token = self.broker.token(client)
            self.tokens[client] = (time.monotonic(), token)
        return token

    def http(self, client, method, path, body=None, **headers):
        return self.broker.http(method, path, body=body, token=self.token(client),
                                headers={name.replace("_", "-"): value for name, value in headers.items()})

    # ADT^A04: the patient is known to the facility.
    def arrival(self, facility="cc-east", number="C1", card=CARD, born="19800101"):
        self.count += 1
        message = adt(event="A04", control=f"A{self.count}", number=number, facility=facility,
                      patient=pid(number, name="王^晓明", born=born, sex="M", card=card, facility=facility))
        with self.broker.mllp() as feed:
            answer = ack(feed.exchange(message))
        assert answer.code == "AA", answer.raw
        self.broker.settle()

    def request(self, sender="cc-east", receiver="bc-county", number="T1", direction="up", expect=201, **says):
        body = {"facility": sender, "number": number, "direction": direction, "receiver": receiver, "choice": "agreed",
                "department": "全科", "practitioner": "D07",
                "patient": {"identifiers": [{"system": NATIONAL_ID, "value": CARD}]}, **says}
        answer = self.http(sender, "POST", "/api/v1/referrals", body)
        assert answer.status == expect, (answer.status, answer.text)
        return answer.json()

    # A command of `facility`; the verdict as JSON.
    def say(self, facility, referral, action, expect=200, client=None, version=None, key=None, **says):
        headers = {"Idempotency_Key": key} if key else {}
        if version is not None:
            headers["If_Match"] = f'W/"{version}"'
        body = {"action": action, "facility": facility, **says}
        answer = self.http(client or facility, "POST", f"/api/v1/referrals/{referral}/commands", body, **headers)
        assert answer.status == expect, (action, answer.status, answer.text)
        return answer.json()

    def read(self, referral, facility="cc-east", expect=200):
        answer = self.http(facility, "GET", f"/api/v1/referrals/{referral}")
        assert answer.status == expect, (answer.status, answer.text)
        return answer.json()

    def ledger(self, facility="cc-east", query="", client=None, expect=200):
        answer = self.http(client or facility, "GET", f"/api/v1/referrals?facility={facility}{query}")
        assert answer.status == expect, (answer.status, answer.text)
        return answer.json()["referrals"] if expect == 200 else answer.json()

    # REF or RRI of `facility` about the referral that `sender` numbered; answers the acknowledgement's segments.
    def message(self, type, facility, number, sender, status="", patient=None, receiver="", reason="", slot=("", ""), zrf="", more=(), to=""):
        self.count += 1
        segments = [msh(type, f"F{self.count}", facility=facility, application="HIS").replace("|REGION|", f"|{to or 'REGION'}|", 1)]
        if type.startswith("RRI"):
            segments.append("MSA|AA|X")
        segments.append(f"RF1|{status}|R|||A|{number}^{sender}|{slot[0]}|{slot[1]}||{reason}")
        if receiver:
            segments.append(f"PRD|RT|||^^^{receiver}")
        segments.append(patient or pid("C1", name="王^晓明", born="19800101", sex="M", card=CARD, facility="cc-east"))
        if zrf:
            segments.append("ZRF|" + zrf)
        with self.broker.mllp() as feed:
            frame = feed.exchange("\r".join([*segments, *more]) + "\r")
        answer = ack(frame)
        assert answer.code == "AA", answer.raw
        return [segment.split("|") for segment in frame.decode("utf-8").split("\r") if segment]


class News:
    """The named events of /api/v1/live since it was opened."""

    def __init__(self, broker):
        self.found = []
        self.connection = http.client.HTTPConnection("127.0.0.1", broker.ports["http"], timeout=30)
        self.connection.request("GET", "/api/v1/live", headers={"Authorization": "Bearer " + broker.token("operator")})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        kind = None
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):  # closed meanwhile
            for line in self.answer:
                text = line.decode("utf-8").rstrip("\n")
                if text.startswith("event: "):
                    kind = text[7:]
                elif text.startswith("data: ") and kind:
                    self.found.append((kind, json.loads(text[6:])))
                elif not text:
                    kind = None

    def close(self):
        self.connection.close()
