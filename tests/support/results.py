"""Adds up a run of tests/run.sh: ctest's JUnit files and notes.txt of a folder. Lists what failed and what was skipped, each
with its reason, then prints the closing line `N passed, N failed, N skipped`. --all counts a skip as a failure.

Exit: 0 nothing failed and something passed, else 1.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def reason_of_skip(output):
    """GTEST_SKIP's text, or the last line that a story printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.endswith(": Skipped") and number + 1 < len(lines):
            return lines[number + 1]
    return lines[-1] if lines else "no reason given"


def read_ctest(path):
    build = "" if path.stem == "release" else path.stem + ":"
    try:
        root = xml.parse(path).getroot()
    except xml.ParseError as fault:  # a test printed what XML cannot hold, or ctest was interrupted
        yield "failed", f"ctest.{path.stem}", f"{path.name} cannot be read: {fault}"
        return
    for case in root.iter("testcase"):
        name, output = build + case.get("name"), case.findtext("system-out") or ""
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failure = case.find("failure")
            yield "failed", name, (failure.get("message") or "" if failure is not None else "").strip()
        elif case.get("status") == "run":
            yield "passed", name, ""
        else:
            message = case.find("skipped").get("message") or "" if case.find("skipped") is not None else case.get("status")
            if message.startswith("SKIP_"):
                yield "skipped", name, reason_of_skip(output)
            else:  # not run: its program is missing, or what it depends on failed
                yield "failed", name, message or "was not run"


def read_notes(path):
    for line in path.read_text().splitlines():
        outcome, name, reason = (line.split(" ", 2) + ["", ""])[:3]
        yield outcome, name, reason


def main(arguments):
    strict = "--all" in arguments
    folder = pathlib.Path(next(a for a in arguments if not a.startswith("--")))
    results = []
    for path in sorted(folder.glob("*.xml")):
        results += read_ctest(path)
    if (folder / "notes.txt").exists():
        results += read_notes(folder / "notes.txt")
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for outcome, name, reason in results:
        if outcome == "skipped":
            print(f"{'FAILED (skipped, and --all allows none)' if strict else 'skipped'}  {name}: {reason}")
            outcome = "failed" if strict else outcome
        elif outcome == "failed":
            print(f"FAILED  {name}" + (": " + " ".join(reason.split()) if reason else ""))
        count[outcome] += 1
    sys.stdout.flush()
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


sys.exit(main(sys.argv[1:]))
