#!/usr/bin/env python3
"""Reads Remetal backup sets with nothing but Python 3 and the zstd program.

Written from docs/format.md alone, so that a set can be read without Remetal:

  remetal-reader.py list    SET.tar              every record
  remetal-reader.py show    SET.tar              head, layout and totals
  remetal-reader.py verify  SET.tar              every checksum, the sequence, the digest
  remetal-reader.py rebuild SET.tar VOLUME OUT   a volume as a (sparse) file

SET.tar is the first part; further parts lie beside it. A damaged set is read as far as it goes;
the exit status is 1 when anything was wrong.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import zlib
from collections import namedtuple

BLOCK = 512
CLOSING = 4096
MAX_PLAIN = 8 * 1024 * 1024
MAX_HEADER = 512 * 1024
NO_VOLUME = 0xFFFFFFFF
KINDS = {
    1: "label", 2: "head", 3: "layout", 4: "map", 5: "control", 6: "data", 7: "checksums",
    8: "exceptions", 9: "totals", 10: "index", 11: "contents", 12: "signature", 13: "more", 14: "end",
    15: "sums",
}
CODECS = {0: "plain", 1: "zstd", 2: "zeros"}
UNNUMBERED = ("label", "more")
GROUPS = ("control", "data")
DIGESTED = ("head", "layout", "map", "sums", "checksums", "exceptions", "totals")

Record = namedtuple(
    "Record",
    "part offset set_id ordinal kind codec copy volume index plain_length stored_length sum extents unreadable payload_at",
)


Map = namedtuple("Map", "volume size unit group_size first control data earlier")


class Damaged(Exception):
    """What is there does not follow the format."""


class Refused(Exception):
    """What is there follows a format this program does not read."""


problems = []


def problem(text):
    problems.append(text)
    print("PROBLEM: " + text, file=sys.stderr)


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def varints(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
        elif shift > 49:
            raise Damaged("varint too long")
    if shift:
        raise Damaged("varint cut short")


def take(numbers, count):
    try:
        return [(next(numbers), next(numbers)) for _ in range(count)]
    except StopIteration:
        raise Damaged("table too short") from None


def extents_of(pairs, unit=1, limit=None):
    out, end = [], 0
    for gap, length in pairs:
        start = end + gap * unit
        end = start + length * unit
        if length == 0 or end >= 2 ** 53:
            raise Damaged("extent out of range")
        if limit is not None:
            end = min(end, limit)
        out.append((start, end - start))
    return out


def padded(length):
    return -(-length // BLOCK) * BLOCK


def ustar(block):
    """(type, size) of a tar header, or None."""
    if len(block) < BLOCK or block[257:265] != b"ustar\x0000":
        return None
    try:
        told = int(block[148:156].split(b"\0")[0], 8)
        size = int(block[124:136].split(b"\0")[0], 8)
    except ValueError:
        return None
    if told != sum(block) - sum(block[148:156]) + 8 * 32:
        return None
    return chr(block[156]), size


def header_of(text, part, offset, payload_at, stored_length):
    found = re.fullmatch(rb"(\d+) comment=([A-Za-z0-9+/]+=*)\n", text)
    if not found or int(found[1]) != len(text):
        raise Damaged("extended header")
    data = base64.b64decode(found[2], validate=True)
    if len(data) < 160 or data[:7] != b"RMTLREC" or number(data, 8, 4) != len(data):
        raise Damaged("record header")
    if zlib.crc32(data[:12] + bytes(4) + data[16:]) != number(data, 12, 4):
        raise Damaged("CRC of the record header")
    if data[7] != 1:
        raise Refused("format version %d" % data[7])
    if data[42]:
        raise Refused("encrypted (cipher %d)" % data[42])
    kind, codec, flags = KINDS.get(data[40]), CODECS.get(data[41]), number(data, 44, 4)
    if kind is None or codec is None or flags & ~3:
        raise Refused("a record of unknown kind, codec or flags")
    table, rest = number(data, 56, 4), number(data, 64, 4)
    if 160 + table + rest != len(data):
        raise Damaged("lengths of the tables")
    plain = number(data, 80, 8)
    if plain > MAX_PLAIN or number(data, 88, 8) != stored_length or stored_length > plain:
        raise Damaged("lengths")
    volume = number(data, 48, 4)
    return Record(
        part, offset, data[16:32].hex(), number(data, 32, 8), kind, codec, bool(flags & 2),
        None if volume == NO_VOLUME else volume, number(data, 72, 8), plain, stored_length, data[96:128],
        extents_of(take(varints(data[160:160 + table]), number(data, 52, 4))),
        extents_of(take(varints(data[160 + table:]), number(data, 60, 4))), payload_at,
    )


class Set:
    """The parts of a set and the records in them."""

    def __init__(self, path):
        self.path = path
        self.files = [open(path, "rb")]
        stem = re.sub(r"\.tar$", "", path)
        while os.path.exists("%s.part%04d.tar" % (stem, len(self.files) + 1)):
            self.files.append(open("%s.part%04d.tar" % (stem, len(self.files) + 1), "rb"))

    def read(self, part, offset, length):
        self.files[part].seek(offset)
        return self.files[part].read(length)

    def member(self, part, offset, size):
        """The record that begins at a place, and its length."""
        first = ustar(self.read(part, offset, BLOCK))
        if first is None or first[0] != "x" or first[1] > 2 * MAX_HEADER:
            raise Damaged("no record")
        second = offset + BLOCK + padded(first[1])
        other = ustar(self.read(part, second, BLOCK))
        if other is None or other[0] != "0" or other[1] > MAX_PLAIN:
            raise Damaged("no record")
        end = second + BLOCK + padded(other[1])
        if end > size:
            raise Damaged("the part ends inside a record")
        text = self.read(part, offset + BLOCK, padded(first[1]))
        if text[first[1]:].strip(b"\0"):
            raise Damaged("padding")
        return header_of(text[:first[1]], part, offset, second + BLOCK, other[1]), end

    def records(self):
        """Every sound record, in the order they stand; damage is reported and passed over."""
        set_id = None
        for part, file in enumerate(self.files):
            size = file.seek(0, os.SEEK_END)
            at, lost = 0, False
            while at < size:
                if size - at <= 65536 and not self.read(part, at, size - at).strip(b"\0"):
                    break
                try:
                    record, end = self.member(part, at, size)
                    if set_id not in (None, record.set_id):
                        raise Damaged("a record of another set")
                except Damaged as error:
                    if not lost:
                        problem("part %d at %d: %s" % (part + 1, at, error))
                    at, lost = at + BLOCK, True
                    continue
                set_id = record.set_id
                yield record
                at, lost = end, False

    def plain(self, record):
        """The plain bytes of a record, checked."""
        stored = self.read(record.part, record.payload_at, padded(record.stored_length))
        if stored[record.stored_length:].strip(b"\0"):
            raise Damaged("padding")
        stored = stored[:record.stored_length]
        if record.codec == "zeros":
            data = bytes(record.plain_length)
        elif record.codec == "zstd":
            data = unpacked(stored, record.plain_length)
        else:
            data = stored
        if len(data) != record.plain_length or hashlib.sha256(data).digest() != record.sum:
            raise Damaged("checksum")
        return data


def unpacked(stored, length):
    program = subprocess.Popen(["zstd", "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        data = program.communicate(stored)[0]
    finally:
        program.kill()
        program.wait()
    if len(data) != length:
        raise Damaged("compressed data")
    return data


def documents(backup, records, *kinds):
    """The first sound JSON record of each kind."""
    out = {}
    for record in records:
        if record.kind in kinds and record.kind not in out:
            try:
                out[record.kind] = json.loads(backup.plain(record))
            except Damaged as error:
                problem("%s record: %s" % (record.kind, error))
    return out


def decode_map(pieces):
    """A map from its pieces: `earlier` are (start, length, set of the chain, ordinal)."""
    control, data, earlier, facts = [], [], [], None
    for at, piece in enumerate(pieces):
        if piece[:7] != b"RMTLMAP":
            raise Damaged("block map")
        if piece[7] != 1:
            raise Refused("a block map of another version")
        if number(piece, 8, 4) != at or number(piece, 12, 4) != len(pieces):
            raise Damaged("pieces of a block map are missing")
        size, unit, rest = number(piece, 16, 8), number(piece, 24, 4), 64 + number(piece, 52, 4)
        facts = (piece[64:rest].decode(), size, unit, number(piece, 28, 4), number(piece, 32, 8))
        numbers = varints(piece[rest:])
        control += extents_of(take(numbers, number(piece, 40, 4)), unit, size)
        data += extents_of(take(numbers, number(piece, 44, 4)), unit, size)
        take(numbers, number(piece, 56, 4))
        end = 0
        for _ in range(number(piece, 48, 4)):
            gap, length, link, ordinal = (next(numbers) for _ in range(4))
            start = end + gap * unit
            end = min(start + length * unit, size)
            earlier.append((start, end - start, link, ordinal))
    if facts is None:
        raise Damaged("no block map")
    return Map(*facts, control, data, earlier)


def groups_of(extents, group_size):
    """The extents of each group of a stream."""
    out, current, room = [], [], group_size
    for start, length in extents:
        while length:
            step = min(length, room)
            current.append((start, step))
            start, length, room = start + step, length - step, room - step
            if not room:
                out.append(current)
                current, room = [], group_size
    return out + [current] if current else out


def maps_of(backup, records):
    """Block maps by the number of their volume; copies serve where the first is damaged."""
    pieces = {}
    for record in records:
        if record.kind == "map" and record.index not in pieces.setdefault(record.volume, {}):
            try:
                pieces[record.volume][record.index] = backup.plain(record)
            except Damaged as error:
                problem("block map of volume %d: %s" % (record.volume, error))
    return {volume: decode_map([found[i] for i in sorted(found)]) for volume, found in pieces.items()}


def list_set(backup):
    for record in backup.records():
        where = "" if record.volume is None else " volume %d" % record.volume
        runs = " %d extents from %d" % (len(record.extents), record.extents[0][0]) if record.extents else ""
        copy = " copy" if record.copy else ""
        print("%10d %-10s %-5s %9d -> %9d%s%s%s" % (
            record.ordinal, record.kind, record.codec, record.plain_length, record.stored_length, where, runs, copy))


def show(backup):
    found = documents(backup, backup.records(), "head", "layout", "totals")
    print(json.dumps(found, indent=2))


def verify(backup):
    expected, sums, table, last = 0, [], [], None
    digest = hashlib.sha256()
    records = list(backup.records())
    for record in records:
        if record.kind not in UNNUMBERED:
            if record.ordinal != expected:
                problem("record %d stands where record %d should" % (record.ordinal, expected))
            expected = record.ordinal + 1
        try:
            plain = backup.plain(record)
        except Damaged as error:
            problem("record %d (%s): %s" % (record.ordinal, record.kind, error))
            continue
        if record.kind in GROUPS:
            sums.append(record.sum[:16])
        if record.kind == "checksums":
            table.append(plain)
        if record.kind in DIGESTED and not record.copy:
            digest.update(record.sum)
        last = record
    check_maps(backup, records)
    check_sums(backup, records)
    if last is None or last.kind != "end":
        return problem("the set has no end record")
    end = json.loads(backup.plain(last))
    if b"".join(sums) != b"".join(table):
        problem("the table of checksums does not match the records")
    if end["digest"] != digest.hexdigest():
        problem("the digest does not match the records")
    if end["records"] != expected or end["parts"] != len(backup.files):
        problem("the end record names other numbers of records or parts")
    if not problems:
        print("%d records, %d groups, digest %s: sound" % (len(records), len(sums), end["digest"]))


def check_maps(backup, records):
    """Every group's record names the extents that the block map names."""
    for volume, found in maps_of(backup, records).items():
        name, first = found.volume, found.first
        wanted = groups_of(found.control, found.group_size) + groups_of(found.data, found.group_size)
        for record in records:
            if record.kind in GROUPS and record.volume == volume:
                if record.ordinal != first + record.index or wanted[record.index:record.index + 1] != [record.extents]:
                    problem("record %d of volume %s does not hold what the block map says" % (record.ordinal, name))


def cells_of(extents, cell):
    """Extents cut at every multiple of `cell`, by the number of the cell."""
    out = {}
    for start, length in extents:
        while length:
            step = min(length, cell - start % cell)
            out.setdefault(start // cell, []).append((start, step))
            start, length = start + step, length - step
    return out


def check_sums(backup, records):
    """The table of sums has an entry for every cell of data, and where all bytes are here, the right one."""
    table = b"".join(backup.plain(r) for r in records if r.kind == "sums")
    at = 0
    for volume, found in sorted(maps_of(backup, records).items()):
        cell = -(-16384 // found.unit) * found.unit
        rest = sorted(found.data + [(start, length) for start, length, _, _ in found.earlier])
        bytes_at, lost = {}, set()
        for record in records:
            if record.kind != "data" or record.volume != volume:
                continue
            plain, used = backup.plain(record), 0
            for number_of, pieces in cells_of(record.extents, cell).items():
                for _, length in pieces:
                    bytes_at[number_of] = bytes_at.get(number_of, b"") + plain[used:used + length]
                    used += length
            lost.update(cells_of(record.unreadable, cell))
        for number_of, pieces in cells_of(rest, cell).items():
            entry, at = table[at:at + 16], at + 16
            data = bytes_at.get(number_of, b"")
            if len(data) != sum(length for _, length in pieces):
                continue
            wanted = bytes(16) if number_of in lost else hashlib.sha256(data).digest()[:16]
            if entry != wanted:
                return problem("the sum of cell %d of volume %s is another" % (number_of, found.volume))
    if at != len(table):
        problem("the table of sums has %d bytes and should have %d" % (len(table), at))


def earlier_bytes(backup, chain, runs):
    """(start, bytes) of every run, from the earlier sets, which lie beside this one under their names."""
    folder = os.path.dirname(os.path.abspath(backup.path))
    for link in sorted({run[2] for run in runs}):
        known = chain[link - 1]
        wanted = {run[3] for run in runs if run[2] == link}
        path = os.path.join(folder, known["name"] + ".tar")
        if not os.path.exists(path):
            problem("the earlier set %s is not there" % known["name"])
            continue
        other = Set(path)
        for record in other.records():
            if record.set_id != known["setId"].replace("-", ""):
                problem("%s is not the set that was meant" % known["name"])
                break
            if record.kind not in GROUPS or record.ordinal not in wanted:
                continue
            try:
                plain = other.plain(record)
            except Damaged as error:
                problem("record %d of %s: %s" % (record.ordinal, known["name"], error))
                continue
            for start, length, _, ordinal in [run for run in runs if run[2] == link and run[3] == record.ordinal]:
                at = 0
                for held, held_length in record.extents:
                    first, last = max(start, held), min(start + length, held + held_length)
                    if first < last:
                        yield first, plain[at + first - held:at + last - held]
                    at += held_length


def rebuild(backup, name, target):
    records = list(backup.records())
    described = documents(backup, records, "head", "layout")
    layout = described.get("layout")
    if layout is None:
        sys.exit("the set has no readable layout record")
    names = [v["id"] for v in layout["volumes"]]
    matches = [i for i, v in enumerate(layout["volumes"]) if name in (v["id"], v["name"])]
    if len(matches) != 1:
        sys.exit("no volume %s; there are: %s" % (name, ", ".join(names)))
    found = maps_of(backup, records).get(matches[0])
    size = found.size if found else 0
    wanted = None
    if found:
        wanted = sum(len(groups_of(extents, found.group_size)) for extents in (found.control, found.data))
    done = set()
    with open(target, "wb") as out:
        for record in records:
            if record.kind not in GROUPS or record.volume != matches[0]:
                continue
            if found and record.extents[-1][0] + record.extents[-1][1] > size:
                problem("record %d reaches beyond the volume" % record.ordinal)
                continue
            try:
                plain = backup.plain(record)
            except Damaged as error:
                problem("record %d, bytes %s: %s" % (record.ordinal, record.extents, error))
                continue
            done.add(record.index)
            at = 0
            for start, length in record.extents:
                size = max(size, start + length)
                if record.codec != "zeros":
                    out.seek(start)
                    out.write(plain[at:at + length])
                at += length
        inherited = 0
        if found and found.earlier:
            for start, plain in earlier_bytes(backup, described["head"]["chain"], found.earlier):
                out.seek(start)
                out.write(plain)
                inherited += len(plain)
            missing = sum(run[1] for run in found.earlier) - inherited
            if missing:
                problem("%d bytes of earlier sets are missing and were left as zeros" % missing)
        out.truncate(size)
    if wanted is not None and len(done) != wanted:
        problem("%d of %d groups are missing and were left as zeros" % (wanted - len(done), wanted))
    print("%s: %d bytes, %d groups" % (target, size, len(done)))


def main(arguments):
    verbs = {"list": (list_set, 0), "show": (show, 0), "verify": (verify, 0), "rebuild": (rebuild, 2)}
    verb, wanted = verbs.get(arguments[0] if arguments else "", (None, 0))
    if verb is None or len(arguments) != 2 + wanted:
        sys.exit(__doc__.strip())
    try:
        verb(Set(arguments[1]), *arguments[2:])
    except Refused as error:
        sys.exit("this program does not read it: %s" % error)
    except BrokenPipeError:
        sys.stderr.close()
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
