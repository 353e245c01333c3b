"""Systems that take thousands of deliveries a second, for the story of eight subscribers: a program, so that it can be killed,
on one event loop, so that it costs little.

    many_receivers.py FOLDER NAME=KIND:PORT[:MOOD]...

KIND is mllp or hook. What was taken stands in FOLDER/NAME.taken before it is answered, a line each and in the page cache,
which a killed program leaves behind: microseconds of arrival and of the answer, the control id or event id, the report's number
where the body has it, the answer. Moods: slow answers after two seconds; refusing says AE to every tenth report, each time;
closing closes after every message. Two show that the story can fail: forgetting answers one and leaves no line, swapping
writes two of one patient the other way round."""

import asyncio
import os
import pathlib
import re
import sys
import time

SLOW_SECONDS = 2
FILLER = re.compile(rb'"fillerNumber":"([^"]*)"|\rOBR\|[^|]*\|[^|]*\|([^|]*)\|')
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
EVENT = re.compile(rb"\r\nx-hutong-event-id: *([^\r]+)", re.IGNORECASE)
FAULTY_FROM = 50  # deliveries: by then there are several of a patient


def microseconds():
    return time.time_ns() // 1000


class Receiver:
    def __init__(self, folder, name, mood):
        self.file = os.open(folder / f"{name}.taken", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.mood, self.count, self.kept = mood, 0, None

    @staticmethod
    def is_refused(report):
        return report.rsplit(b"-", 1)[-1].endswith(b"0")

    def note(self, arrived, key, report, code):
        self.count += 1
        line = b"%d %d %s %s %s\n" % (arrived, microseconds(), key, report or b"-", code)
        if self.count >= FAULTY_FROM and self.mood == "forgetting":
            self.mood = ""
            return
        if self.count >= FAULTY_FROM and self.mood == "swapping":
            patient = report.rsplit(b"-", 1)[0]
            if self.kept is None:
                self.kept = (patient, line)
                return
            if self.kept[0] == patient:  # each with the other's times
                earlier, later = self.kept[1].split(b" "), line.split(b" ")
                line = b" ".join(earlier[:2] + later[2:]) + b" ".join(later[:2] + earlier[2:])
                self.mood = ""
        os.write(self.file, line)


class Connection(asyncio.Protocol):
    def __init__(self, receiver):
        self.receiver, self.pending, self.transport = receiver, b"", None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.pending += data
        while self.pending:
            taken = self.next()
            if taken is None:
                return
            arrived = microseconds()
            if self.receiver.mood == "slow":
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self.answer, arrived, *taken)
            else:
                self.answer(arrived, *taken)

    def answer(self, arrived, key, report):
        code = b"refused" if self.receiver.mood == "refusing" and self.receiver.is_refused(report) else b"taken"
        self.receiver.note(arrived, key, report, code)
        if not self.transport.is_closing():
            self.transport.write(self.words(key, code))
            if self.receiver.mood == "closing":
                self.transport.close()


class Mllp(Connection):
    def next(self):
        end = self.pending.find(b"\x1c\r")
        if end < 0:
            return None
        frame, self.pending = self.pending[1:end], self.pending[end + 2:]
        found = FILLER.search(frame)
        return frame.split(b"|", 10)[9], found[2] if found else b""

    def words(self, key, code):
        said = b"AE" if code == b"refused" else b"AA"
        return b"\x0bMSH|^~\\&|W|W|HUTONG|R|20260105||ACK|%sA|P|2.5\rMSA|%s|%s\r\x1c\r" % (key, said, key)


class Hook(Connection):
    def next(self):
        head = self.pending.find(b"\r\n\r\n")
        if head < 0:
            return None
        headers = self.pending[:head]
        length = LENGTH.search(headers)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(self.pending) < end:
            return None
        found = FILLER.search(self.pending, head + 4, end)
        event = EVENT.search(headers)[1]
        self.pending = self.pending[end:]
        return event, (found[1] or found[2]) if found else b""

    def words(self, key, code):
        return b"HTTP/1.1 422 no\r\nContent-Length: 0\r\n\r\n" if code == b"refused" else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def main(folder, *declared):
    loop = asyncio.get_running_loop()
    for one in declared:
        name, rest = one.split("=")
        kind, port, *mood = rest.split(":")
        receiver = Receiver(pathlib.Path(folder), name, mood[0] if mood else "")
        protocol = {"mllp": Mllp, "hook": Hook}[kind]
        await loop.create_server(lambda receiver=receiver, protocol=protocol: protocol(receiver), "127.0.0.1", int(port), backlog=512)
    print("ready", flush=True)
    story = os.getppid()
    while os.getppid() == story:  # until it ends us, or was ended itself
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
