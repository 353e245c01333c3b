"""The house holds: includes go only where layers.txt lets them, every port has a contract suite, every schema an example,
every room a place in layers.txt and in CMakeLists.txt, and no file names a place of one machine.

Run it alone: python3 tests/layers/layers_test.py
"""

import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests/support"))

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = (".h", ".cpp")
C_HEADERS = {"assert.h", "ctype.h", "errno.h", "fcntl.h", "inttypes.h", "limits.h", "poll.h", "pthread.h", "sched.h", "signal.h",
             "stdint.h", "stdio.h", "stdlib.h", "string.h", "termios.h", "time.h", "unistd.h", "dirent.h", "malloc.h",
             "ifaddrs.h", "netdb.h", "immintrin.h", "nmmintrin.h", "emmintrin.h", "smmintrin.h", "tmmintrin.h", "x86intrin.h",
             "cpuid.h", "iconv.h", "pwd.h"}
SYSTEM_FOLDERS = ("sys/", "arpa/", "netinet/", "linux/", "net/")
# Spelled in pieces so that this file passes its own test.
MACHINE_PATHS = re.compile("|".join([r"/wo" + r"rk\b", r"/ho" + r"me/[a-z]", r"/ro" + r"ot/", r"/us" + r"r/lib/llvm", r"\.lib" + r"rary"]))
GENERATED = {"build", ".git", "node_modules", "__pycache__", ".cache"}


def read_rules():
    rules, private, vendors = {}, set(), {}
    for number, line in enumerate((HERE / "layers.txt").read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        left, colon, right = line.partition(" : ")
        if not colon:
            raise AssertionError(f"layers.txt:{number}: expected 'ROOM : ROOMS'")
        left, right = left.strip(), right.split()
        if left == "nothing":
            private.update(right)
        elif left.startswith("vendor "):
            vendors[left.split()[1]] = right
        else:
            rules[left] = [] if right == ["-"] else right
    return rules, private, vendors


def read_exceptions():
    ports, includes = {}, {}
    for line in (HERE / "exceptions.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        left, _, reason = line.partition(" : ")
        words = left.split()
        if not reason.strip():
            raise AssertionError(f"exceptions.txt: no reason given: {line}")
        if words[0] == "port":
            ports[words[1]] = reason
        else:
            includes[(words[1], words[2])] = reason
    return ports, includes


def room_of(path):
    """The room a path of the tree lies in: its folder."""
    return str(pathlib.PurePosixPath(path).parent)


def tree(*folders, suffixes):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and not GENERATED & set(path.relative_to(ROOT).parts):
                yield path.relative_to(ROOT).as_posix()


def includes(path):
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1) == '"', found.group(2)


def standard(header):
    return "/" not in header and ("." not in header or header in C_HEADERS) or header.startswith(SYSTEM_FOLDERS)


def fault_of_own(path, header, rules, private):
    """Why `path` may not include our own `header`; None when it may."""
    here, there = room_of(path), room_of(header)
    if here == there:
        return None
    if there in private:
        return f"nobody may include {there}"
    if here not in rules:
        return f"{here} has no line in layers.txt"
    if any(allowed == "*" or fnmatch.fnmatch(there, allowed) for allowed in rules[here]):
        return None
    return f"{here} may not see {there}"


def fault_of_vendor(path, header, vendors):
    matching = [prefix for prefix in vendors if header.startswith(prefix)]
    if not matching:
        return f"<{header}> is not in layers.txt's vendor list"
    for place in vendors[max(matching, key=len)]:
        folder, only_cpp = (place[:-4], True) if place.endswith(".cpp") else (place, False)
        if room_of(path).startswith(folder) and (not only_cpp or path.endswith(".cpp")):
            return None
    return f"<{header}> may stand only in {' '.join(vendors[max(matching, key=len)])}"


class Layers(unittest.TestCase):
    maxDiff = None

    def assert_none(self, faults):
        self.assertFalse(faults, "\n" + "\n".join(faults))

    def test_every_include_goes_where_it_may(self):
        rules, private, vendors = read_rules()
        excepted, used = read_exceptions()[1], set()
        faults, seen = [], 0
        for path in tree("broker", "adapters", suffixes=SOURCES):
            for number, quoted, header in includes(path):
                seen += 1
                if quoted and not header.startswith(("broker/", "adapters/", "generated/")):
                    faults.append(f"{path}:{number}: write \"{header}\" from the repository's root")
                    continue
                if quoted:
                    fault = None if header.startswith("generated/") else fault_of_own(path, header, rules, private)
                    if not fault and not header.startswith("generated/") and not (ROOT / header).exists():
                        fault = f"{header} does not exist"
                else:
                    fault = None if standard(header) else fault_of_vendor(path, header, vendors)
                if fault and (path, header) in excepted:
                    used.add((path, header))
                elif fault:
                    faults.append(f"{path}:{number}: {fault}")
        faults += [f"exceptions.txt: not needed any more: include {a} {b}" for a, b in set(excepted) - used]
        self.assertGreater(seen, 50, "read no includes: is the tree where it should be?")
        self.assert_none(faults)

    def test_the_rule_itself_can_fail(self):
        rules, private, vendors = read_rules()
        self.assertIsNotNone(fault_of_own("broker/normalize/x.cpp", "broker/port/log.h", rules, private))
        self.assertIsNotNone(fault_of_own("adapters/api/x.cpp", "adapters/log/journal/y.h", rules, private))
        self.assertIsNotNone(fault_of_own("broker/pipeline/x.cpp", "broker/app/config.h", rules, private))
        self.assertIsNotNone(fault_of_own("broker/new_room/x.cpp", "broker/base/id.h", rules, private))
        self.assertIsNotNone(fault_of_vendor("adapters/store/rocksdb/store.h", "rocksdb/db.h", vendors))
        self.assertIsNotNone(fault_of_vendor("broker/identity/x.cpp", "boost/asio/post.hpp", vendors))
        self.assertIsNotNone(fault_of_vendor("broker/base/x.cpp", "unheard/of.h", vendors))
        self.assertIsNone(fault_of_vendor("adapters/store/rocksdb/store.cpp", "rocksdb/db.h", vendors))
        self.assertIsNone(fault_of_own("adapters/registry.cpp", "adapters/log/journal/y.h", rules, private))

    def test_declared_dependencies_have_no_cycle(self):
        rules, _, _ = read_rules()
        done, path = set(), []

        def visit(room):
            self.assertNotIn(room, path, f"cycle: {' -> '.join([*path, room])}")
            if room in done or "*" in "".join(rules.get(room, [])):
                return
            path.append(room)
            for below in rules.get(room, []):
                visit(below)
            path.pop()
            done.add(room)

        for room in rules:
            visit(room)

    def test_rooms_in_the_tree_in_layers_and_in_cmake_are_the_same(self):
        rules, _, _ = read_rules()
        cmake = set(re.findall(r"^hutong_room\((\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE))
        self.assertEqual(set(rules), cmake, "layers.txt and CMakeLists.txt name different rooms")
        in_tree = {room_of(path) for path in tree("broker", "adapters", suffixes=SOURCES)}
        self.assertLessEqual(in_tree, set(rules), "a folder with sources is in neither layers.txt nor CMakeLists.txt")

    def test_every_port_has_a_contract_suite(self):
        excepted, _ = read_exceptions()
        faults = []
        for header in sorted((ROOT / "broker/port").glob("*.h")):
            suite = any((ROOT / "tests/contract" / header.stem).glob("*.cpp"))
            if not suite and header.stem not in excepted:
                faults.append(f"broker/port/{header.name}: no tests/contract/{header.stem}/*.cpp; write the suite, "
                              "or name the reason in exceptions.txt")
            if suite and header.stem in excepted:
                faults.append(f"exceptions.txt: not needed any more: port {header.stem}")
        faults += [f"exceptions.txt: there is no broker/port/{name}.h" for name in excepted
                   if not (ROOT / f"broker/port/{name}.h").exists()]
        self.assert_none(faults)

    # Examples are whole records, one for each kind of event (tests/unit/model validates them); a schema is held by them
    # when the record's schema leads to it.
    def test_every_schema_has_an_example(self):
        faults, schemas = [], sorted((ROOT / "schemas/event").rglob("*.schema.json"))
        self.assertTrue(schemas, "no schemas/event/*/*.schema.json")
        for folder in {schema.parent for schema in schemas}:
            text = {schema.name: schema.read_text(encoding="utf-8") for schema in folder.glob("*.schema.json")}
            reached, waiting = set(), ["record.schema.json"]
            while waiting:
                name = waiting.pop()
                if name in reached:
                    continue
                reached.add(name)
                waiting += [other for other in text if other in text.get(name, "")]
            faults += [f"{folder.relative_to(ROOT)}/{name}: no example reaches it: record.schema.json does not refer to it"
                       for name in sorted(set(text) - reached)]
            kinds = re.findall(r'"([a-z-]+\.[a-z-]+)"', (ROOT / "broker/model/event.cpp").read_text(encoding="utf-8"))
            self.assertGreater(len(kinds), 4)
            faults += [f"{folder.relative_to(ROOT)}/examples/{kind}.json: the kind has no example"
                       for kind in kinds if not (folder / "examples" / f"{kind}.json").is_file()]
            for example in (folder / "examples").glob("*.json"):
                json.loads(example.read_text(encoding="utf-8"))
        self.assert_none(faults)

    def test_every_link_in_the_documentation_leads_somewhere(self):
        faults, seen = [], 0
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md"), *(ROOT / "tests").rglob("*.md")]:
            for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
                if re.match(r"[a-z]+:", link):
                    continue
                seen += 1
                if not (page.parent / link).exists():
                    faults.append(f"{page.relative_to(ROOT)}: {link} does not exist")
        self.assertGreater(seen, 20, "read no links")
        self.assert_none(faults)

    def test_every_key_of_the_configuration_is_explained_in_the_example(self):
        code = (ROOT / "broker/app/config.cpp").read_text(encoding="utf-8")
        section, explained = "", set()
        for line in (ROOT / "deploy/hutong.toml").read_text(encoding="utf-8").splitlines():
            line = line.removeprefix("# ") if re.match(r"# (\[|\w+ = )", line) else line
            if re.match(r"\[[\w.]+\]", line):
                section = line.strip("[]")
                explained.add(section)  # a table of free keys is explained as a whole
            elif re.match(r"\w+ = ", line):
                explained.add(f"{section}.{line.split(' = ')[0]}")
        keys = re.findall(r'\b(broker|mllp|http|log|kafka|store|postgres|disk|delivery|alerts|logging)\.(?:text|texts|secret|flag|count|duration|size|share_or_size|listen|choice|free)\("(\w+)"', code)
        self.assertGreater(len(keys), 15, "read no keys from config.cpp")
        inner = {"kafka": "log.kafka", "postgres": "store.postgres"}
        keys = [f"{inner.get(section, section)}.{key}" for section, key in keys]
        self.assertIn("log.kafka.bootstrap", keys)
        self.assert_none([f"deploy/hutong.toml does not explain {key}" for key in keys if key not in explained])

    def test_no_file_names_a_place_of_one_machine(self):
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False)
        names = listed.stdout.splitlines() if listed.returncode == 0 else [
            p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if p.is_file() and not GENERATED & set(p.relative_to(ROOT).parts)]
        faults = []
        for name in names:
            path = ROOT / name
            if not path.is_file() or path.stat().st_size > 2_000_000 or "/corpus/" in name or "/golden/" in name:
                continue
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if MACHINE_PATHS.search(line):
                    faults.append(f"{name}:{number}: names a place of one machine: {MACHINE_PATHS.search(line).group(0)}")
        self.assert_none(faults)


if __name__ == "__main__":
    from hutong import run
    run()
