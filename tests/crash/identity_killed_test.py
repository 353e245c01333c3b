"""SIGKILL while persons are linked, merged and parted, by messages and by a steward: what was acknowledged stands, and in the end
every local patient belongs to the person that a fresh rebuild gives it. Invented patients."""

import json
import threading
import time
import unittest

from hutong import FACILITY, BrokerFailed, Story, ack, rounds, run, seeded, until
from messages import adt, msh, resident_card

HOSPITALS = ("TESTHOSP", "OTHERHOSP", "THIRDHOSP")
PEOPLE = 8
GIVEN = ("伟", "芳", "娜", "秀英", "敏", "静", "丽", "强")


class Region:
    """A few people, each with two numbers at every hospital; who is told of what, and what was acknowledged."""

    def __init__(self, broker, chance):
        self.broker, self.chance, self.feed = broker, chance, None
        self.control, self.told, self.decided = 0, set(), []
        self.counts = {"message": 0, "steward": 0, "refused": 0, "unanswered": 0}

    def somebody(self):
        return self.chance.choice(HOSPITALS), f"{self.chance.choice('PS')}{self.chance.randrange(PEOPLE)}"

    def pid(self, hospital, number, at=1):
        person = int(number[1:])
        identifiers = f"{number}^^^{hospital}^MR"
        if self.chance.random() < 0.5:      # now with the card, now without
            identifiers += f"~{resident_card(order=2 * person + 1)}^^^^NI"
        name = f"王^{GIVEN[person]}" if self.chance.random() < 0.9 else f"汪^{GIVEN[person]}"
        return f"PID|{at}||{identifiers}||{name}||198{person}0307|F|||和平路{person}号^^佳木斯市||1390454000{person}"

    def message(self):
        self.control += 1
        control = f"K{self.control}"
        hospital, number = self.somebody()
        other = self.chance.choice("PS") + str(self.chance.randrange(PEOPLE))
        kind = self.chance.choices(("A04", "A40", "A24", "A37"), (6, 2, 1, 1))[0]
        named = [(hospital, number)]
        if kind == "A04" or other == number:
            text = adt("A04", control, facility=hospital, visit=control, patient=self.pid(hospital, number))
        elif kind == "A40":
            text = adt("A40", control, facility=hospital, patient=self.pid(hospital, number), merged=other)
        else:
            text = "\r".join([msh(f"ADT^{kind}^ADT_{kind}", control, facility=hospital, application="HIS"), f"EVN|{kind}|20260105080000",
                              self.pid(hospital, number), "PV1|1|I", self.pid(hospital, other, at=2), "PV1|2|I"]) + "\r"
            named.append((hospital, other))
        if self.feed is None:
            self.feed = self.broker.mllp(timeout=20)
        answer = ack(self.feed.exchange(text))
        if answer.code != "AA":
            raise AssertionError(f"{kind} was answered {answer.raw!r}")
        self.told.update(named)
        self.counts["message"] += 1

    def steward(self):
        kind = self.chance.choices(("link", "merge", "unlink", "split", "separate", "undo"), (4, 2, 3, 1, 1, 3))[0]
        if not self.told or (kind == "undo" and not self.decided):
            return
        told = sorted(self.told)
        one, other = ("/".join(self.chance.choice(told)) for _ in range(2))
        what = {"unlink": (one,), "split": (one, other), "undo": (self.chance.choice(self.decided or [""]),)}.get(kind, (one, other))
        done = self.broker.command("identity", kind, *what, "--by", "steward", "--note", "seen at the desk", "--json", expect=None)
        if done.returncode == 0:
            self.decided.append(json.loads(done.stdout)["decision"])
            self.counts["steward"] += 1
        elif "start the broker" in done.stderr or not self.broker.running:
            raise ConnectionError("the broker was killed")
        else:
            self.counts["refused"] += 1     # they are one already, or were never linked

    # Until the broker is gone.
    def work(self):
        while True:
            try:
                (self.message if self.chance.random() < 0.7 else self.steward)()
            except (OSError, ConnectionError, ValueError, BrokerFailed):
                until(lambda: not self.broker.running, "the end of a broker that answers no more", deadline=10)
                self.counts["unanswered"] += 1
                if self.feed is not None:
                    self.feed.close()
                    self.feed = None
                return


class IdentityKilled(Story):
    def setUp(self):
        self.live = self.broker(start=False)
        folder = self.live.dir / "schemas" / "facilities"
        folder.mkdir(parents=True, exist_ok=True)
        for code in HOSPITALS[1:]:
            (folder / f"{code}.toml").write_text(FACILITY.replace("TESTHOSP", code), encoding="utf-8")
        self.live.start()

    # Who is one person with whom, why, and what a steward is asked: of every local patient that was told of.
    def persons(self, region):
        shown = {}
        for hospital, number in sorted(region.told):
            patient = f"{hospital}/{number}"
            page = json.loads(self.live.command("identity", "show", patient, "--json").stdout)
            shown[patient] = page
            while "next" in page:
                page = json.loads(self.live.command("identity", "show", patient, "--after", page["next"], "--json").stdout)
                shown[patient]["decisions"] += page["decisions"]
        shown["questions"] = json.loads(self.live.command("identity", "list", "--limit", "1000", "--json").stdout)["questions"]
        return shown

    # The views when nothing moves any more: what the fold derives is appended, met and applied after the events are.
    def settled(self, region):
        self.live.settle()
        seen = [self.persons(region)]

        def still():
            time.sleep(0.3)
            seen.append(self.persons(region))
            return self.live.metric("hutong_projector_lag_records") == 0 and seen[-1] == seen[-2]

        until(still, "persons that stand still", deadline=30)
        return seen[-1]

    def test_persons_after_kills_are_those_of_a_fresh_rebuild(self):
        chance = seeded("identity_killed")
        region = Region(self.live, chance)
        count, kills = rounds(8), 0
        # More than asked for where the machine was too busy for much to be decided before a kill.
        while kills < count or (kills < 4 * count and (region.counts["steward"] <= count // 2 or region.counts["message"] <= count * 3)):
            kills += 1
            killer = threading.Timer(chance.uniform(0.05, 1.0), self.live.kill)
            killer.start()
            region.work()
            killer.join()
            self.live.start()
        before = self.settled(region)
        lost = [one for one in region.decided if not any(decision["id"] == one for person in before.values() if isinstance(person, dict)
                                                         for decision in person["decisions"])]
        self.assertFalse(lost, "a steward's decision was acknowledged and is in nobody's history")
        self.live.stop()
        self.live.command("rebuild")
        self.live.start()
        after = self.settled(region)
        self.assertEqual(sorted(after), sorted(before))
        for patient, shown in before.items():
            self.assertEqual(after[patient], shown, f"{patient} is another person after a rebuild")
        self.assertGreater(region.counts["message"], count * 3, "too little was said to prove anything")
        self.assertGreater(region.counts["steward"], count // 2, "too little was decided to prove anything")
        linked = sum(len(person["members"]) > 1 for person in before.values() if isinstance(person, dict))
        print(f"{kills} kills, {region.counts['message']} messages and {region.counts['steward']} decisions acknowledged, "
              f"{region.counts['unanswered']} unanswered; {linked} of {len(region.told)} local patients linked, a rebuild gives the same")


if __name__ == "__main__":
    run()
