"""A region of two for the stories of mutual recognition: hospital A (TESTHOSP, its glucose and potassium assessed nationally), community
centre B (cc-east), one invented patient known to both. And the decision page as a program reads it: hidden fields and
buttons. Standard library only."""

import datetime
import html.parser
import urllib.parse

from hutong import ack
from messages import adt, oru, pid, resident_card

CHINA = datetime.timezone(datetime.timedelta(hours=8))
CARD = resident_card(order=7)
ITEMS = [("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1"), ("K", "钾", "4.1", "mmol/L", "3.5-5.3"), ("ALT", "丙氨酸氨基转移酶", "18", "U/L", "7-40")]

EQA = "laboratory,item,mark,round,valid_from,valid_to,outcome,source\n"


# The area's code of an item by its LOINC, as shipped.
def item_code(source, loinc):
    for line in (source / "schemas/recognition/items.csv").read_text(encoding="utf-8").splitlines():
        cells = line.split(",")
        if loinc in cells:
            return cells[0]
    raise AssertionError(f"no item {loinc}")


# Before the start: TESTHOSP has passed the national rounds of these items.
def assess(broker, source, loincs=("14749-6", "2823-3", "1742-6"), laboratory="TESTHOSP", mark="HR.CN"):
    own = broker.dir / "schemas" / "recognition"
    own.mkdir(parents=True, exist_ok=True)
    rows = [f"{laboratory},{item_code(source, loinc)},{mark},all,2024-01-01,,passed,story" for loinc in loincs]
    (own / "eqa.csv").write_text(EQA + "\n".join(rows) + "\n", encoding="utf-8")


def moment(days=0.0, hours=0.0):
    """HL7 time so long ago, in the area's zone."""
    return (datetime.datetime.now(CHINA) - datetime.timedelta(days=days, hours=hours)).strftime("%Y%m%d%H%M%S")


def patient(number, facility, card=CARD):
    return pid(number, name="王^晓明", born="19800101", sex="M", card=card, facility=facility)


class Region:
    """Feeds of A and B into one broker, and what B's system asks."""

    def __init__(self, broker):
        self.broker = broker
        self.count = 0

    def send(self, message, facility):
        with self.broker.mllp() as feed:
            answer = ack(feed.exchange(message))
        assert answer.code == "AA", (facility, answer.raw)

    def control(self):
        self.count += 1
        return f"RS{self.count}"

    def result(self, items=ITEMS, order="R1", status="F", days=2.0, number="A1", card=CARD):
        self.send(oru(control=self.control(), number=number, order=order, items=items, status=status, observed=moment(days),
                      patient=patient(number, "TESTHOSP", card)), "TESTHOSP")

    def arrival(self, facility="cc-east", number="B1", card=CARD):
        self.send(adt(event="A04", control=self.control(), number=number, facility=facility, patient=patient(number, facility, card)), facility)

    def placed(self, codes=(("GLU", "葡萄糖"),), number="O1", control="NW", patient_class="O", facility="cc-east", of="B1", card=CARD):
        """ORM^O01 of B's system; answers the acknowledgement's code."""
        now = moment()
        lines = [f"MSH|^~\\&|HIS|{facility}|HUTONG|REGION|{now}||ORM^O01^ORM_O01|{self.control()}|P|2.4||||||UNICODE UTF-8",
                 patient(of, facility, card), f"PV1|1|{patient_class}|||||D07^李医生|||内科"]
        for code, name in codes:
            lines += [f"ORC|{control}|{number}|||||||{now}|||D07^李医生", f"OBR|1|{number}||{code}^{name}^L"]
        self.send("\r".join(lines) + "\r", facility)

    def order(self, items, **more):
        asked = {"patient": {"identifiers": [{"system": "urn:oid:2.16.156.10011.1.3", "value": CARD}]},
                 "requester": {"facility": "cc-east", "department": "内科", "practitioner": {"code": "D07", "name": "李医生"}},
                 "encounterClass": "AMB", "order": "O1", "items": items}
        asked.update(more)
        return asked

    def check(self, items, expect=200, **more):
        answer = self.broker.http("POST", "/api/v1/recognition/check", body=self.order(items, **more), token=self.broker.token())
        assert answer.status == expect, (answer.status, answer.text)
        return answer.json()

    def statistics(self, query=""):
        answer = self.broker.http("GET", "/api/v1/recognition/statistics" + query, token=self.broker.token("operator"))
        assert answer.status == 200, answer.text
        return answer.json()

    def notices(self, facility="cc-east"):
        answer = self.broker.http("GET", f"/api/v1/recognition/notices?facility={facility}", token=self.broker.token())
        assert answer.status == 200, answer.text
        return answer.json()["notices"]

    # Until what was appended to the other topics is in the views as well.
    def until(self, look, deadline=15.0):
        began = datetime.datetime.now()
        while True:
            found = look()
            if found or (datetime.datetime.now() - began).total_seconds() > deadline:
                return found


class Forms(html.parser.HTMLParser):
    """Title, text, forms with their hidden fields and the buttons' values."""

    def __init__(self, text):
        super().__init__()
        self.title, self.forms, self.words, self.inside = "", [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.inside.append(tag)
        if tag == "form":
            self.forms.append({"action": attributes["action"], "fields": {}, "buttons": []})
        elif tag == "input" and attributes.get("type") == "hidden":
            self.forms[-1]["fields"][attributes["name"]] = attributes["value"]
        elif tag == "button" and "value" in attributes:
            self.forms[-1]["buttons"].append(attributes["value"])
        if tag in ("input", "meta", "link", "br"):
            self.inside.pop()

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "title":
            self.title += data
        else:
            self.words.append(data)

    @property
    def buttons(self):
        return [value for form in self.forms for value in form["buttons"]]


class Page:
    """The decision page behind a link, step by step, without script and cookies."""

    def __init__(self, broker, link):
        self.broker, self.path = broker, urllib.parse.urlsplit(link).path
        self.answer = self.now = None

    def look(self):
        return self.broker.http("GET", self.path)

    def _take(self, answer):
        self.answer, self.now = answer, Forms(answer.text)
        return self.now

    def open(self):
        shell = Forms(self.look().text)
        return self._take(self.post(shell.forms[0]["action"], shell.forms[0]["fields"]))

    # Addresses on the page are relative, so that a prefix of a gateway stays.
    def post(self, path, fields):
        return self.broker.http("POST", urllib.parse.urljoin(self.path, path), body=urllib.parse.urlencode(fields),
                                headers={"Content-Type": "application/x-www-form-urlencoded"})

    def fields(self, button):
        form = next(form for form in self.now.forms if button in form["buttons"])
        return form["action"], dict(form["fields"], do=button)

    def press(self, button, **more):
        action, fields = self.fields(button)
        return self._take(self.post(action, dict(fields, **more)))
