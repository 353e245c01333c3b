"""A hospital's interface under load: a program that sends results at a rate, and sends again, in their order, what was not
acknowledged when the broker died. Reports are PATIENT-SERIAL; every fiftieth message has potassium among its items.

    feed.py DIRECTORY RATE PATIENTS        the broker's directory: its port is another after each start

SIGTERM: sends nothing new, waits until everything is acknowledged, prints how many that were."""

import asyncio
import json
import os
import pathlib
import signal
import sys
import time

from messages import ITEMS, msh, pid

CONNECTIONS, WINDOW = 8, 128
POTASSIUM_EVERY = 50
CATCH_UP = 5.0         # seconds of the rate that are made up for after a pause


class Feed(asyncio.Protocol):
    def __init__(self, load):
        self.load, self.waiting, self.transport, self.pending = load, {}, None, b""

    def connection_made(self, transport):
        self.transport, self.pending = transport, b""
        transport.write(b"".join(self.waiting.values()))

    def connection_lost(self, _):
        self.transport = None
        asyncio.get_running_loop().call_later(0.02, self.connect)

    def connect(self):
        asyncio.get_running_loop().create_task(self.connecting())

    async def connecting(self):
        try:
            port = json.loads((self.load.folder / "run" / "ports.json").read_text())["mllp"]
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        except (OSError, ValueError):
            asyncio.get_running_loop().call_later(0.05, self.connect)

    def data_received(self, data):
        *frames, self.pending = (self.pending + data).split(b"\x1c\r")
        for frame in frames:
            _, code, control = frame[frame.index(b"\rMSA|"):].split(b"\r", 2)[1].split(b"|", 3)[:3]
            if code == b"AA":
                self.load.acked += self.waiting.pop(control, None) is not None
            elif self.transport:
                self.load.refused += 1
                self.transport.abort()  # and everything again, in its order
                return

    def send(self, serial):
        patient = f"P{serial % self.load.patients}"
        items = ITEMS[:3] if serial % POTASSIUM_EVERY else [*ITEMS[:3], ITEMS[9]]
        text = (f"{msh('ORU^R01^ORU_R01', f'c{serial}')}\r{pid(patient)}\r"
                f"OBR|1||{patient}-{serial}|BIO^生化^L|||20260105073000|||||||||||||||||LAB|F\r")
        text += "".join(f"OBX|{i}|NM|{code}^{name}^L||{serial % 9973 if i == 1 else value}|{unit}|{interval}|N|||F\r"
                        for i, (code, name, value, unit, interval) in enumerate(items, 1))
        frame = b"\x0b" + text.encode() + b"\x1c\r"
        self.waiting[f"c{serial}".encode()] = frame
        if self.transport and not self.transport.is_closing():
            self.transport.write(frame)


class Load:
    def __init__(self, folder, rate, patients):
        self.folder, self.rate, self.patients = pathlib.Path(folder), float(rate), int(patients)
        self.acked = self.refused = 0
        self.ending = False

    async def run(self):
        feeds = [Feed(self) for _ in range(CONNECTIONS)]
        for feed in feeds:
            feed.connect()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(self, "ending", True))
        serial, owed, before, story = 0, 0.0, time.monotonic(), os.getppid()
        while not self.ending:
            if os.getppid() != story:  # it was ended from outside
                return
            await asyncio.sleep(0.005)
            now = time.monotonic()
            owed = min(owed + (now - before) * self.rate, CATCH_UP * self.rate)
            before = now
            while owed >= 1:
                feed = feeds[serial % self.patients % CONNECTIONS]  # a patient's messages on one connection
                if len(feed.waiting) >= WINDOW:
                    break
                feed.send(serial)
                serial += 1
                owed -= 1
        while any(feed.waiting for feed in feeds):
            await asyncio.sleep(0.01)
        print(json.dumps({"acked": self.acked, "sent": serial, "refused": self.refused}))


if __name__ == "__main__":
    asyncio.run(Load(*sys.argv[1:]).run())
