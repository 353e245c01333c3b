"""A real PostgreSQL of one's own: private folder, private unix socket, no TCP, durable as in reality (fsync on).

    with Postgres() as server:                  # made, started; stopped and removed at the end
        server.connection                       # for libpq: "host=… user=hutong dbname=postgres"
        server.kill()                           # SIGKILL, every process of it
        server.start()

    postgres.py run -- COMMAND...               # HUTONG_POSTGRES is the connection; HUTONG_POSTGRES_CONTROL is a command
                                                # that takes start | stop | kill | freeze | thaw. Exit: the command's
    postgres.py DIRECTORY start|stop|kill|freeze|thaw

Exit 77, with the reason as the last line, where PostgreSQL is not installed. A cluster that the distribution's package
made is neither used nor touched. The default collation is Chinese by ICU, so that nobody who needs the order of bytes gets
it by luck. Python's standard library only; the server runs as an unprivileged user, because it refuses root.
"""

import ctypes
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SKIPPED = 77
PR_SET_PDEATHSIG = 1


class NotInstalled(unittest.SkipTest):
    """There is no PostgreSQL server on this machine. A story that does not catch it is skipped."""


def programs():
    """The folder with initdb and postgres; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    candidates = [pathlib.Path(found).resolve().parent] if found else []
    candidates += sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotInstalled("PostgreSQL's server is not installed (initdb); deploy/install-packages.sh test installs it")


def unprivileged():
    """What Popen needs to become somebody whom PostgreSQL serves."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        except KeyError:
            continue
    raise NotInstalled("PostgreSQL refuses to run as root and this system has neither a user postgres nor nobody")


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


class Postgres:
    """One server. `directory` of an earlier one takes that up again and leaves it there at the end."""

    def __init__(self, directory=None):
        self.programs, self.who = programs(), unprivileged()
        self.own = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="hutong-postgres-"))
        self.data = self.directory / "data"
        self.connection = f"host={self.directory} user=hutong dbname=postgres"

    def __enter__(self):
        try:
            self.make()
            return self.start(dies_with_us=True)
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_):
        self.remove()

    def make(self):
        if self.who:
            os.chown(self.directory, self.who["user"], self.who["group"])
        subprocess.run([self.programs / "initdb", "--pgdata", self.data, "--username=hutong", "--auth=trust", "--encoding=UTF8",
                        "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=zh", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **self.who)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as settings:
            settings.write(f"\nlisten_addresses = ''\nunix_socket_directories = '{self.directory}'\nmax_connections = 50\n"
                           "log_min_messages = fatal\n")

    # Returns once it takes connections: after a kill it first recovers from its write-ahead log.
    def start(self, deadline=60.0, dies_with_us=False):
        die = (lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)) if dies_with_us else None
        with open(self.directory / "server.log", "ab") as log:
            process = subprocess.Popen([self.programs / "postgres", "-D", self.data], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, cwd="/", start_new_session=True, preexec_fn=die, **self.who)
        threading.Thread(target=process.wait, daemon=True).start()  # buried whoever ends it: a zombie keeps its lock file
        began = time.monotonic()
        while not self.ready():
            if process.poll() is not None or time.monotonic() - began > deadline:
                raise RuntimeError("PostgreSQL did not start:\n" + (self.directory / "server.log").read_text()[-4000:])
            time.sleep(0.02)
        return self

    def ready(self):
        asked = [self.programs / "pg_isready", "--quiet", "--host", self.directory, "--username", "hutong"]
        return subprocess.run(asked, check=False).returncode == 0

    # Of the server's main process; None: it is not running.
    def pid(self):
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return pid if str(self.data).encode() in words else None
        except (FileNotFoundError, ValueError):
            return None

    # Every process of the server; its children are leaders of groups of their own.
    def signal(self, number):
        pid = self.pid()
        for each in [pid, *children(pid)] if pid else []:
            try:
                os.kill(each, number)
            except ProcessLookupError:
                pass
        return pid

    def kill(self):
        self.wait_for_end(self.signal(signal.SIGKILL))

    # Connections are cut off, everything is written.
    def stop(self):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGINT)
        self.wait_for_end(pid)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait_for_end(self, pid, deadline=30.0):
        began = time.monotonic()
        while pid and pathlib.Path(f"/proc/{pid}").exists():
            if time.monotonic() - began > deadline:
                raise RuntimeError("PostgreSQL did not end")
            time.sleep(0.005)

    def remove(self):
        self.kill()
        if self.own:
            shutil.rmtree(self.directory, ignore_errors=True)


def run(command):
    with Postgres() as server:
        control = shlex.join([sys.executable, "-B", os.path.abspath(__file__), str(server.directory)])
        environment = dict(os.environ, HUTONG_POSTGRES=server.connection, HUTONG_POSTGRES_CONTROL=control)
        return subprocess.run(command, env=environment, check=False).returncode


def main(arguments):
    try:
        if arguments[:2] == ["run", "--"] and len(arguments) > 2:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an end in order: the server goes too
            return run(arguments[2:])
        if len(arguments) == 2 and arguments[1] in ("start", "stop", "kill", "freeze", "thaw"):
            getattr(Postgres(arguments[0]), arguments[1])()
            return 0
    except NotInstalled as reason:
        print(reason)
        return SKIPPED
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
