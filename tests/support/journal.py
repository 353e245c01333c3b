"""Reads an embedded log as docs/journal-format.md has it, without the broker: what a story compares deliveries with. For a
broker that has stopped. Checksums are the broker's business. Standard library only."""

import collections
import struct

BLOCK = 4096
RECORDS = 1  # kind of a batch

Stored = collections.namedtuple("Stored", "offset id appended key kinds json raw")  # id in hex, appended in microseconds


def records(folder, topic="events"):
    """Every record of DIR/log/TOPIC, in the order of its offsets."""
    expected = 0
    for segment in sorted((folder / "log" / topic).glob("*.segment")):
        for record in _of_segment(segment.read_bytes()):
            if record.offset != expected:
                raise AssertionError(f"{segment.name}: offset {record.offset} where {expected} was expected")
            expected += 1
            yield record


def _of_segment(data):
    if data[:8] != b"HUTONGSG":
        raise AssertionError("no segment of a journal")
    at = BLOCK
    while data[at:at + 4] == b"HBAT":
        kind = data[at + 6]
        position, = struct.unpack_from("<Q", data, at + 32)
        offset, = struct.unpack_from("<Q", data, at + 48)
        count, payload = struct.unpack_from("<II", data, at + 72)
        if position != at:
            raise AssertionError(f"a batch at {at} says it is at {position}")
        if kind == RECORDS:
            here = at + 96
            for number in range(count):
                name, appended, *lengths = struct.unpack_from("<16sqHHII", data, here)
                here += 36
                parts = []
                for length in lengths:
                    parts.append(data[here:here + length])
                    here += length
                yield Stored(offset + number, name.hex(), appended, parts[0].decode(), parts[1].decode(), parts[2], parts[3])
            if here != at + 96 + payload:
                raise AssertionError(f"the batch at {at} is longer or shorter than it says")
        at += -(-(96 + payload) // BLOCK) * BLOCK
