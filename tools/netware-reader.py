#!/usr/bin/env python3
"""Reads and checks NetWare 386 (3.x, 4.x) disks with nothing but Python 3.

  netware-reader.py DISK...                  checks, and lists every file
  netware-reader.py --json DISK...           the same as JSON
  netware-reader.py --extract DIR DISK...    also writes every file below DIR

DISK is a raw image or a device; give every disk of the server at once. Nothing is written to them.
It is strict: whatever does not follow the format is a finding, one line on stderr, with the name of
what is wrong. The exit status is 0 only when there is no finding, 1 with findings, 2 when it could not
do what was asked. What has no copy and no rule (the bytes of files, say) it cannot vouch for.

  --mirror        reads files through the mirror FAT and the mirror directory
  --names SPACE   the name space files are extracted by (DOS, MAC, NFS, LONG, NT; without it DOS)

Deleted (salvageable) files are extracted below DIR/VOLUME.deleted, with ";dirno" behind the name;
resource forks of the Mac beside their file, with ".rsrc" behind it. Names are code page 437.

The structures are those told of by jeffmerkey/netware-file-system (nwfs.h, nwdir.h), zhmu/nwfs
(doc/nwfs386.md) and Ralf Brown's Interrupt List (NetWare directory entries). Not read: volume tables
elsewhere than in logical sectors 32, 64, 96 and 128, names that go on in the extended directory,
partitions that no entry of the MBR names, and NSS.

The JSON, numbers decimal unless said:
  partitions  list: disk (file name), start_lba, sectors, hotfix_sectors, data_sectors, stamped,
              redirections [{logical_sector, moved_to_partition_sector}], id ("0x" hex),
              mirror_group ("0x" hex), mirror_members ["0x" hex], in_sync, and vdt, the entries of
              the volume table: name, plus16, shift, segments, position, flags, start, sectors,
              blocks, first_block, fat1, fat2, dir1, dir2
  volumes     object by volume name: geometry {blocks, blocksize, segments, flags (hex), fat "a/b",
              dir "a/b", ext "a/b", namespaces, used_blocks, free_blocks, free_records},
              name_spaces, trustees (of the root), restrictions [{id, limit}], and entries by dirno:
    every     path (DOS names), dirno, parent, attributes, flags, type "file" or "dir", deleted,
              created, modified, archived ("YYYY-MM-DDTHH:MM:SS" or null), the same with _raw (the
              dword on disk), owner, archiver (8 hex digits), inherited_rights,
              trustees [{id, rights}], names {SPACE: name} when there are others than DOS
    file      modifier, size, first_block, sha256, last_access ("YYYY-MM-DD" or null); of a deleted
              one deleted_date, deleted_date_raw, deleter; forks {"MAC": {size, sha256}} if any;
              compressed true and raw_size if compressed (sha256 is then of the stored bytes)
  findings    list: code, where, text
"""

import argparse
import hashlib
import json
import os
import sys
from array import array

SECTOR = 512
UNIT = 8
COPIES = (32, 64, 96, 128)
FIRST_DATA = 160
END = FREE = NONE = 0xFFFFFFFF
TRUSTEE, ROOT, RESTRICTION, SUBALLOCATION = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFB
DELETED_PAGE = "deleted files"
SPACES = {0: "DOS", 1: "MAC", 2: "NFS", 3: "FTAM", 4: "LONG", 5: "NT"}
NAME_ROOM = {0: 12, 1: 32, 2: 40, 4: 80, 5: 80}
DOS_NAME = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~") | set(range(0x80, 0x100))
ATTRIBUTES = 0x6FDFFFBF
RIGHTS = 0x1FF
EXTENDED = (0x13579ACE, 0xABA12190, 0x5346544E, 0x554E4958, 0xAFDE5713, 0x2E4E414A, 0x2E6E616A)
ZEROS = bytes(1 << 20)


class Damaged(Exception):
    """What is there cannot be read on: a code, and what is wrong."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


findings = []


def finding(code, where, text):
    findings.append({"code": code, "where": where, "text": text})
    print("FINDING %s: %s: %s" % (code, where, text), file=sys.stderr)


def u16(data, at):
    return int.from_bytes(data[at:at + 2], "little")


def u32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def object_id(data, at):
    """Ids of users are big-endian."""
    return data[at:at + 4].hex().upper()


def words(data):
    out = array("I")
    if out.itemsize != 4:
        out = array("L")
    out.frombytes(data)
    if sys.byteorder == "big":
        out.byteswap()
    return out


def text_of(name):
    return bytes(name).decode("cp437")


# --- disks and partitions ---------------------------------------------------------------------------


class Disk:
    def __init__(self, path):
        self.name = os.path.basename(path)
        self.file = open(path, "rb")
        self.sectors = self.file.seek(0, os.SEEK_END) // SECTOR

    def read(self, sector, count):
        if sector < 0 or sector + count > self.sectors:
            raise Damaged("disk-end", "sector %d and %d more lie beyond the disk" % (sector, count))
        try:
            self.file.seek(sector * SECTOR)
            out = self.file.read(count * SECTOR)
        except OSError:
            out = b""
        if len(out) == count * SECTOR:
            return out
        if count > 1:
            return b"".join(self.read(at, 1) for at in range(sector, sector + count))
        finding("unreadable", self.name, "sector %d cannot be read; zeros stand for it" % sector)
        return bytes(SECTOR)

    def partitions(self):
        """The NetWare 386 partitions of the partition table."""
        if self.sectors > 8 and self.read(8, 1)[:4] == b"SPB5":
            finding("nss", self.name, "an NSS volume, not a NetWare 386 disk")
            return
        table = self.read(0, 1) if self.sectors else bytes(SECTOR)
        if table[510:] != b"\x55\xaa":
            finding("partition-table", self.name, "no partition table")
            return
        entries = [table[at:at + 16] for at in range(446, 510, 16)]
        taken = []
        for entry in sorted((e for e in entries if e[4]), key=lambda e: u32(e, 8)):
            start, count = u32(entry, 8), u32(entry, 12)
            if not start or not count or start + count > self.sectors:
                finding("partition-table", self.name, "the partition at %d is not on the disk" % start)
                continue
            if any(start < end for end in taken):
                finding("partition-table", self.name, "the partition at %d overlaps another" % start)
            taken.append(start + count)
            if entry[4] == 0x65:
                yield Partition(self, entry, start, count)


class Partition:
    """A partition as its logical sectors: the hotfix area in front is left out, redirections followed."""

    def __init__(self, disk, entry, start, sectors):
        self.disk, self.entry, self.start, self.sectors = disk, entry, start, sectors
        self.where = "%s partition at %d" % (disk.name, start)
        self.moved = {}
        self.segments = []

    def open(self):
        self.read_stamp()
        hotfix = self.vote("hotfix", b"HOTFIX00", [self.physical(at, 1) for at in COPIES])
        mirror = self.vote("mirror", b"MIRROR00", [self.physical(at + 1, 1) for at in COPIES])
        self.id, self.data, self.spare = u32(hotfix, 8), u32(hotfix, 20), u32(hotfix, 24)
        if self.data + self.spare > self.sectors or not self.data:
            raise Damaged("hotfix-size", "%d data sectors and %d of hotfix in %d" % (self.data, self.spare, self.sectors))
        if self.data % UNIT or self.spare % UNIT or self.spare <= COPIES[-1]:
            raise Damaged("hotfix-size", "%d data sectors, %d of hotfix: not whole units" % (self.data, self.spare))
        if hotfix[16:20] != b"\x08\xf8\x03\x07" or u32(hotfix, 508) or u16(hotfix, 12):
            finding("hotfix-header", self.where, "unit sizes, flags or unused bytes of HOTFIX00 are wrong")
        self.read_tables(hotfix)
        self.read_mirror(mirror)
        table = self.vote("volume-table", b"NetWare Volumes\0", [self.read(at, 1) for at in COPIES])
        self.read_volume_table(table)

    def vote(self, code, stamp, copies):
        """The sector most of the four copies agree on; each other one is a finding."""
        good = [c for c in copies if c.startswith(stamp)]
        if not good:
            raise Damaged(code, "no copy of %s" % stamp.rstrip(b"\0").decode())
        best = max(good, key=good.count)
        for at, copy in zip(COPIES, copies):
            if copy != best:
                what = "differs" if copy.startswith(stamp) else "is lost"
                finding(code + "-copy", self.where, "the copy of %s at %d %s" % (stamp.rstrip(b"\0").decode(), at, what))
        return best

    def physical(self, sector, count):
        if sector + count > self.sectors:
            raise Damaged("partition-end", "sector %d lies beyond the partition" % sector)
        return self.disk.read(self.start + sector, count)

    def read(self, sector, count):
        """Logical sectors."""
        if sector + count > self.data:
            raise Damaged("partition-end", "logical sector %d lies beyond the partition" % (sector + count - 1))
        if not self.moved:
            return self.physical(self.spare + sector, count)
        out, end = [], sector + count
        while sector < end:
            stop = min(end, sector // UNIT * UNIT + UNIT)
            spare = self.moved.get(sector // UNIT)
            while spare is None and stop < end and stop // UNIT not in self.moved:
                stop = min(end, stop + UNIT)
            at = self.spare + sector if spare is None else spare * UNIT + sector % UNIT
            out.append(self.physical(at, stop - sector))
            sector = stop
        return b"".join(out)

    def read_stamp(self):
        first, second = self.physical(0, 1), self.physical(1, 1)
        self.stamped = first[:16] == b"\0Nw_PaRtItIoN\0\0\0"
        if self.stamped:
            if u32(first, 16) != 0x165 or u32(first, 20) != self.sectors:
                finding("stamp", self.where, "the stamp tells another type or length")
            self.date(u32(first, 24), "stamp")
        elif any(first[:28]):
            finding("stamp", self.where, "sector 0 is neither stamped nor empty")
        if second[510:] == b"\x55\xaa":
            kept = [second[at:at + 16] for at in range(446, 510, 16)]
            if (0x65, self.entry[8:]) not in [(e[4], e[8:]) for e in kept]:
                finding("stamp", self.where, "the kept partition table does not name this partition")

    def date(self, raw, code):
        if bad_date(raw):
            finding(code, self.where, "the date %08x is none" % raw)

    def read_tables(self, hotfix):
        units = self.spare // UNIT
        groups = -(-units // 1024)
        if groups > 30:
            raise Damaged("hotfix-size", "%d units of hotfix are too many" % units)
        if any(hotfix[28 + 16 * groups:508]):
            finding("hotfix-header", self.where, "more pointers to tables than the area needs")
        moves, bad = [], []
        reserved = {at // UNIT for at in COPIES}
        for group in range(groups):
            places = [u32(hotfix, 28 + 16 * group + 4 * i) for i in range(4)]
            for at in places:
                if at % UNIT or at + UNIT > self.spare or at // UNIT in reserved:
                    raise Damaged("redirection-pointer", "a table at sector %d" % at)
                reserved.add(at // UNIT)
            tables = [self.physical(at, UNIT) for at in places]
            moves += self.better("redirection", tables[0], tables[2], group)
            bad += self.better("bad-bits", tables[1], tables[3], group)
        for unit in sorted(reserved):
            if moves[unit] != NONE or bad[unit] != NONE:
                finding("redirection-table", self.where, "unit %d holds headers or tables but is not reserved" % unit)
        for unit, (target, bits) in enumerate(zip(moves, bad)):
            self.read_move(unit, units, target, bits)

    def better(self, what, one, two, group):
        """The entries of a table; where its copies differ, of the one with fewer impossible entries."""
        if one != two:
            finding(what + "-copy", self.where, "the two copies of table %d differ" % group)

        def rank(table):
            entries = words(table)
            odd = sum(1 for e in entries if e not in (0, NONE) and (e % UNIT or e >= self.data if what == "redirection" else e > 0xFF))
            open_headers = sum(1 for at in COPIES if group == 0 and entries[at // UNIT] != NONE)
            return odd + open_headers, -sum(1 for e in entries if e)
        return words(min(one, two, key=rank) if one != two else one)

    def read_move(self, unit, units, target, bits):
        if target in (0, NONE):
            if (bits not in (0, NONE) and (bits > 0xFF or not target)) or (bits == NONE and not target and unit < units):
                finding("bad-bits-table", self.where, "unit %d: %08x" % (unit, bits))
        elif unit >= units or target % UNIT or target >= self.data or target // UNIT in self.moved:
            finding("redirection-table", self.where, "unit %d holds impossible or doubled sector %d" % (unit, target))
        else:
            self.moved[target // UNIT] = unit
            if bits:
                finding("bad-bits-table", self.where, "data of the unit at sector %d is lost (%08x)" % (target, bits))

    def read_mirror(self, mirror):
        self.group = u32(mirror, 28)
        members = [u32(mirror, 32 + 4 * i) for i in range(8)]
        self.members = [m for m in members if m]
        self.bad_members = [m for i, m in enumerate(members) if mirror[20] >> i & 1]
        if u32(mirror, 8) != self.id or u32(mirror, 24) != self.data or mirror[16:20] != b"\x08\xf8\x03\x07":
            finding("mirror-header", self.where, "MIRROR00 does not fit HOTFIX00")
        if self.id not in self.members or len(set(self.members)) != len(self.members) or not self.id:
            finding("mirror-header", self.where, "the mirror group does not name this partition once")
        if members != self.members + [0] * (8 - len(self.members)) or 0 in self.bad_members:
            finding("mirror-header", self.where, "the members of the mirror group have gaps")
        if mirror[12] or u16(mirror, 14) == 0x0185:
            self.bad_members.append(self.id)

    def read_volume_table(self, table):
        count = u32(table, 16)
        if count > 8:
            raise Damaged("volume-table", "%d segments" % count)
        if any(table[20:32]):
            finding("volume-table", self.where, "unused bytes of the volume table are not zero")
        end = FIRST_DATA
        for at in range(32, 32 + 60 * count, 60):
            segment = Segment(self, table[at:at + 60])
            self.segments.append(segment)
            if segment.start < end or segment.start + segment.sectors > self.data:
                raise Damaged("segment-place", "a segment of %s at %d overlaps or is out of order" % (segment.name, segment.start))
            end = segment.start + segment.sectors

    def facts(self):
        if not hasattr(self, "group"):
            return {"disk": self.disk.name, "start_lba": self.start, "sectors": self.sectors}
        return {
            "disk": self.disk.name, "start_lba": self.start, "sectors": self.sectors, "stamped": self.stamped,
            "hotfix_sectors": self.spare, "data_sectors": self.data,
            "redirections": [{"logical_sector": u * UNIT, "moved_to_partition_sector": self.moved[u] * UNIT}
                             for u in sorted(self.moved)],
            "id": "0x%08x" % self.id, "mirror_group": "0x%08x" % self.group,
            "mirror_members": ["0x%08x" % m for m in self.members], "in_sync": not self.stale,
            "vdt": [s.facts() for s in self.segments],
        }

    stale = False


class Segment:
    """An entry of the volume table: a run of blocks of a volume."""

    def __init__(self, partition, data):
        self.partition = partition
        length = data[0]
        if not 1 <= length <= 15 or any(data[1 + length:16]) or set(data[1:1 + length]) - DOS_NAME:
            raise Damaged("volume-name", "a segment has no proper volume name")
        self.name = text_of(data[1:1 + length])
        self.plus16, self.shift, self.count, self.position, self.flags = u32(data, 16), *data[20:24]
        self.start, self.sectors, self.blocks, self.first = (u32(data, at) for at in range(24, 40, 4))
        self.places = [u32(data, at) for at in range(40, 56, 4)]
        self.common = (self.plus16, self.shift, self.count, self.blocks, *self.places)
        if not 3 <= self.shift <= 7:
            raise Damaged("block-size", "volume %s: shift %d" % (self.name, self.shift))
        self.length = self.sectors >> self.shift
        if not self.length:
            raise Damaged("segment-place", "a segment of %s has no block" % self.name)
        if u32(data, 56) or self.flags & ~0x81:
            finding("volume-table", partition.where, "reserved bytes or flags of %s" % self.name)

    def facts(self):
        return {
            "name": self.name, "plus16": self.plus16, "shift": self.shift, "segments": self.count,
            "position": self.position, "flags": self.flags, "start": self.start, "sectors": self.sectors,
            "blocks": self.blocks, "first_block": self.first,
            **dict(zip(("fat1", "fat2", "dir1", "dir2"), self.places)),
        }


def mirrored(partitions):
    """One partition of each mirror group; members that should be equal are compared."""
    chosen, groups = [], {}
    for partition in partitions:
        key = partition.group if len(partition.members) > 1 else (partition.id, len(partition.members))
        groups.setdefault(key, []).append(partition)
    for members in groups.values():
        first = members[0]
        where = first.where
        known = [m.id for m in members]
        for double in {k for k in known if known.count(k) > 1}:
            finding("mirror-group", where, "two partitions have the id %08x" % double)
        for missing in set(first.members) - set(known):
            finding("mirror-group", where, "the member %08x of the mirror group is not there" % missing)
        for other in members[1:]:
            if set(other.members) != set(first.members) or other.data != first.data:
                finding("mirror-group", other.where, "tells another mirror group than " + where)
        bad = {b for m in members for b in m.bad_members}
        for member in members:
            member.stale = member.id in bad
            if member.stale:
                finding("mirror-stale", member.where, "marked as out of sync")
        sound = [m for m in members if not m.stale] or members
        for other in sound[1:]:
            compare(sound[0], other)
        chosen.append(sound[0])
    return chosen


def compare(one, other):
    size, step = min(one.data, other.data), 2048
    for at in range(0, size, step):
        count = min(step, size - at)
        if one.read(at, count) != other.read(at, count):
            return finding("mirror-differs", other.where, "differs from %s near logical sector %d" % (one.where, at))


# --- dates and names --------------------------------------------------------------------------------


def parts(raw):
    return (1980 + (raw >> 25), raw >> 21 & 15, raw >> 16 & 31, raw >> 11 & 31, raw >> 5 & 63, (raw & 31) * 2)


def bad_date(raw):
    _, month, day, hour, minute, second = parts(raw)
    return raw != 0 and not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60)


def date_of(raw):
    return "%04d-%02d-%02dT%02d:%02d:%02d" % parts(raw) if raw and not bad_date(raw) else None


def bad_dos_name(name):
    stem, dot, tail = bytes(name).partition(b".")
    return not stem or len(stem) > 8 or len(tail) > 3 or bool(dot) != bool(tail) or bool(set(stem + tail) - DOS_NAME)


# --- directory records ------------------------------------------------------------------------------


class Record:
    """A named record: a file, a subdirectory, the root, or one more name of one of them."""

    def __init__(self, number, data):
        self.number, self.data = number, data
        self.parent, self.attributes, self.flags, self.space = u32(data, 0), u32(data, 4), data[9], data[10]
        self.root = self.parent == ROOT
        self.directory = bool(self.root or self.flags & 4)
        self.deleted = bool(self.flags & 0x21) and not self.root
        self.next = u32(data, 124)
        self.primary = u32(data, 120)
        self.names, self.others, self.trustees = {}, [], []
        self.name = b"" if self.root else data[12:12 + min(data[11], NAME_ROOM.get(self.space, 0))]

    @property
    def trustee_link(self):
        return u32(self.data, 44 if self.directory else 56)


class Chain:
    """What a first block leads to: blocks by their index, and the tail piece if it is suballocated."""

    def __init__(self):
        self.blocks, self.piece = [], None


class Blocks:
    """The blocks of a volume: its segments, its FAT, the chains in it, and who claims each block."""

    def __init__(self, name, segments, mirror):
        self.name, self.where, self.through_mirror = name, "volume " + name, mirror
        self.assemble(segments)
        self.claims = [None] * self.blocks
        self.read_fat()

    def say(self, code, text):
        finding(code, self.where, text)

    def assemble(self, segments):
        segments.sort(key=lambda s: s.position)
        first = segments[0]
        wanted = list(range(first.count))
        if [s.position for s in segments] != wanted:
            raise Damaged("segments", "segments %s of %d" % ([s.position for s in segments], first.count))
        at = 0
        for segment in segments:
            if segment.common != first.common:
                raise Damaged("segments", "segment %d tells another volume than segment 0" % segment.position)
            if segment.first != at:
                raise Damaged("segments", "segment %d begins at block %d, not %d" % (segment.position, segment.first, at))
            at += segment.length
        if at != first.blocks or first.count > 32:
            raise Damaged("segments", "%d blocks in %d segments, %d told" % (at, len(segments), first.blocks))
        if first.plus16 != first.count - 1:
            self.say("segments", "the number of the last segment is %d of %d" % (first.plus16, first.count))
        if len(set(first.places)) != 4 or max(first.places) >= at:
            raise Damaged("volume-places", "FAT and directories at %s" % first.places)
        self.segments, self.blocks, self.spb = segments, at, 1 << first.shift
        self.size, (self.fat1, self.fat2, self.dir1, self.dir2) = self.spb * SECTOR, first.places

    def block(self, number):
        for segment in self.segments:
            if segment.first <= number < segment.first + segment.length:
                at = segment.start + (number - segment.first) * self.spb
                return segment.partition.read(at, self.spb)
        raise Damaged("block", "block %d lies beyond the volume" % number)

    def claim(self, block, owner):
        if self.claims[block] is not None:
            self.say("double-claim", "block %d belongs to %s and to %s" % (block, self.claims[block], owner))
        else:
            self.claims[block] = owner

    def read_fat(self):
        count = -(-self.blocks * 8 // self.size)
        copies = []
        for first, what in ((self.fat1, "FAT"), (self.fat2, "mirror FAT")):
            try:
                copies.append(self.fat_copy(first, count, what))
            except Damaged as error:
                self.say(error.code, str(error))
        if not copies:
            raise Damaged("fat-chain", "neither copy of the FAT can be read")
        if len(copies) == 2:
            for i in range(count):
                if copies[0][0][i] != copies[1][0][i]:
                    self.say("fat-mirror", "block %d of the FAT differs from its mirror" % i)
        data, self.fat_blocks = copies[-1 if self.through_mirror else 0]
        self.fat = words(b"".join(data))
        for copy, what in zip(copies, ("the FAT", "the mirror FAT")):
            for block in copy[1]:
                self.claim(block, what)
        if any(self.fat[2 * self.blocks:]):
            self.say("fat-entry", "entries beyond the volume are not zero")
        for block in range(self.blocks):
            if self.fat[2 * block + 1] == 0 and self.fat[2 * block]:
                self.say("fat-entry", "block %d is free but has an index" % block)

    def fat_copy(self, first, count, what):
        """The blocks of one copy, found through its own entries: (contents, block numbers)."""
        data, numbers, block, room = [], [], first, self.size // 8
        while True:
            if block >= self.blocks or (numbers and block <= numbers[-1]):
                raise Damaged("fat-chain", "the %s goes on at block %d" % (what, block))
            data.append(self.block(block))
            numbers.append(block)
            if block // room >= len(data):
                raise Damaged("fat-chain", "the %s holds the entry of its block %d too late" % (what, block))
            entry = data[block // room][block % room * 8:][:8]
            if u32(entry, 0) != len(data) - 1:
                raise Damaged("fat-chain", "block %d of the %s has index %d" % (len(data) - 1, what, u32(entry, 0)))
            block = u32(entry, 4)
            if block == END:
                break
            if block == 0 or block & 0x80000000 or len(data) == count:
                raise Damaged("fat-chain", "the %s does not end after %d blocks" % (what, count))
        if len(data) != count:
            raise Damaged("fat-chain", "the %s has %d blocks, not %d" % (what, len(data), count))
        return data, numbers

    def chain(self, first, owner, whole=False):
        """Follows and claims a chain. `whole`: neither holes nor a suballocated tail are allowed."""
        out, block, last = Chain(), first, -1
        if block in (NONE, 0) and not whole:
            return out
        while block != END:
            if block & 0x80000000:
                if whole:
                    self.say("chain", "%s ends in a suballocated piece" % owner)
                out.piece = (block >> 24 & 0x7F, block & 0xFFFFFF)
                break
            if block == 0 or block >= self.blocks:
                self.say("chain", "%s goes on at block %d" % (owner, block))
                break
            index, following = self.fat[2 * block], self.fat[2 * block + 1]
            if following == 0:
                self.say("chain", "%s uses block %d, which is free" % (owner, block))
                break
            if index <= last or (whole and index != last + 1):
                self.say("chain-index", "%s has index %d behind %d" % (owner, index, last))
                break
            self.claim(block, owner)
            out.blocks.append((index, block))
            block, last = following, index
        return out

    def mirrored_chain(self, first, second, what, code):
        """The contents of a chain of whole blocks that exists twice."""
        chains = [self.chain(first, "the " + what, True), self.chain(second, "the mirror " + what, True)]
        lengths = [len(c.blocks) for c in chains]
        if lengths[0] != lengths[1]:
            self.say(code + "-mirror", "the %s has %d blocks, its mirror %d" % (what, *lengths))
        out = []
        for i, ((_, one), (_, two)) in enumerate(zip(chains[0].blocks, chains[1].blocks)):
            data = self.block(one), self.block(two)
            if data[0] != data[1]:
                self.say(code + "-mirror", "block %d of the %s differs from its mirror" % (i, what))
            out.append(data[1 if self.through_mirror else 0])
        longer = chains[0] if lengths[0] > lengths[1] else chains[1]
        out += [self.block(b) for _, b in longer.blocks[len(out):]]
        return b"".join(out)

    def check_unclaimed(self):
        lost = [b for b in range(self.blocks) if self.fat[2 * b + 1] and self.claims[b] is None]
        if lost:
            self.say("unclaimed", "%d blocks are allocated but belong to nothing, the first is %d" % (len(lost), lost[0]))


class Volume(Blocks):
    """A whole volume: directory, suballocation, names, trustees, files; checked as it is read."""

    def __init__(self, name, segments, mirror):
        super().__init__(name, segments, mirror)
        self.read_directory()
        self.read_suballocation()
        self.link_names()
        self.check_tree()
        self.check_trustees()
        self.entries = [self.entry(r) for r in self.objects]
        self.check_unclaimed()

    def read_directory(self):
        data = self.mirrored_chain(self.dir1, self.dir2, "directory", "directory")
        self.records, self.trustee_records, self.restrictions, self.sub_records = {}, {}, {}, {}
        self.raw = [data[at:at + 128] for at in range(0, len(data), 128)]
        if not self.raw or u32(self.raw[0], 0) != ROOT or self.raw[0][10] != 0:
            raise Damaged("root", "record 0 is not the root")
        self.root = Record(0, self.raw[0])
        self.read_root(self.root.data)
        self.free_records = 0
        for number, record in enumerate(self.raw):
            self.read_record(number, record)
        self.check_pages()
        self.extended = self.read_extended()

    def read_root(self, data):
        self.flags, self.first_sub = data[23], 0
        self.modern = bool(self.flags & 0x30)
        if self.flags & ~0x3F or data[22]:
            self.say("root", "flags %02x of the volume" % self.flags)
        if not self.root.attributes & 0x10 or not data[9] & 4:
            self.say("root", "the root is not marked as a directory")
        count = data[11]
        if self.modern:
            self.first_sub = u32(data, 120)
            spaces = [data[16 + i // 2] >> i % 2 * 4 & 15 for i in range(12)]
        else:
            spaces = list(data[12:22])
        if not 1 <= count <= 10 or spaces[0] or len(set(spaces[:count])) != count or any(spaces[count:]):
            raise Damaged("root", "the list of name spaces")
        if any(s not in SPACES for s in spaces[:count]):
            raise Damaged("root", "unknown name space")
        self.spaces = spaces[:count]

    def read_record(self, number, data):
        kind = u32(data, 0)
        if kind == FREE:
            self.free_records += 1
            if any(data[4:]):
                self.say("free-record", "record %d is free but not empty" % number)
        elif kind == TRUSTEE:
            if data[9] > 16 or data[11] or u32(data, 120):
                self.say("trustee", "record %d is no proper trustee record" % number)
            self.trustee_records[number] = data
        elif kind == RESTRICTION:
            if data[9] > 14 or u32(data, 4):
                self.say("restriction", "record %d is no proper space restriction" % number)
            self.restrictions[number] = data
        elif kind == SUBALLOCATION:
            if data[9] > 4 or u32(data, 4):
                self.say("suballocation", "record %d is no proper suballocation record" % number)
            self.sub_records[number] = data
        else:
            record = Record(number, data)
            self.records[number] = record
            self.check_record(record)

    def check_record(self, record):
        data, number = record.data, record.number
        if record.space not in self.spaces:
            self.say("name-space", "record %d is of name space %d" % (number, record.space))
        if record.root:
            return
        room = NAME_ROOM.get(record.space, 0)
        if not 1 <= data[11] <= room:
            self.say("name", "the name of record %d has %d characters" % (number, data[11]))
        elif any(data[12 + data[11]:12 + room]) or 0 in record.name:
            self.say("name", "the name of record %d is not padded with zeros" % number)
        elif record.space == 0 and bad_dos_name(record.name):
            self.say("name", "record %d is named %r" % (number, text_of(record.name)))
        if (record.space in (4, 5) and data[96]) or (record.space == 2 and data[53]):
            self.say("name", "the name of record %d goes on in the extended directory, which is not read" % number)
        if bool(record.flags & 4) == bool(record.flags & 8) and self.modern:
            self.say("record-flags", "record %d has flags %02x" % (number, record.flags))
        if record.space == 0:
            self.check_dos_record(record)

    def check_dos_record(self, record):
        data, number = record.data, record.number
        if record.directory != bool(record.attributes & 0x10):
            self.say("record-flags", "record %d is a directory by flags or by attributes only" % number)
        if record.attributes & ~ATTRIBUTES:
            self.say("attributes", "record %d has attributes %08x" % (number, record.attributes))
        if record.primary != number:
            self.say("name-list", "record %d names record %d as its first" % (number, record.primary))
        dates = [u32(data, 24), u32(data, 32), u32(data, 40)]
        if not record.directory:
            dates += [u16(data, 98) << 16, u32(data, 104)]
            if record.deleted != bool(u32(data, 104)):
                self.say("deleted", "record %d is deleted by flags or by date only" % number)
            if not record.deleted and any(data[108:112]):
                self.say("deleted", "record %d has a deleter" % number)
        if any(bad_date(d) for d in dates):
            self.say("date", "record %d has a date that is none" % number)

    def owner_of(self, data, number):
        kind = u32(data, 0)
        if kind in (TRUSTEE, RESTRICTION):
            served = self.records.get(u32(data, 20)) if kind == TRUSTEE else None
            return DELETED_PAGE if served and served.deleted else u32(data, 12)
        if kind in (ROOT, SUBALLOCATION):
            return 0
        return DELETED_PAGE if self.records[number].deleted else kind

    def check_pages(self):
        """All records of a page of 32 belong to one directory, or are deleted files."""
        for page in range(0, len(self.raw), 32):
            used = [n for n in range(page, page + 32) if u32(self.raw[n], 0) != FREE]
            owners = [self.owner_of(self.raw[n], n) for n in used]
            for number, owner in zip(used, owners):
                if owner != owners[0]:
                    self.say("page", "record %d belongs to %s on a page of %s" % (number, owner, owners[0]))

    def read_extended(self):
        first, second = u32(self.root.data, 104), u32(self.root.data, 108)
        if not first and not second:
            return []
        data = self.mirrored_chain(first, second, "extended directory", "extended")
        out = [data[at:at + 128] for at in range(0, len(data), 128)]
        if not out or any(out[0]):
            self.say("extended", "record 0 of the extended directory is not empty")
        for number, record in enumerate(out[1:], 1):
            if any(record) and (u32(record, 0) not in EXTENDED or u32(record, 4) > 255):
                self.say("extended", "record %d of the extended directory is of no known kind" % number)
        return out

    # suballocation

    def read_suballocation(self):
        self.sub_chains, self.pieces = {}, {}
        classes, number, seen = self.size // SECTOR, self.first_sub, []
        while number:
            data = self.sub_records.get(number)
            if data is None or number in seen or data[9] != len(seen):
                self.say("suballocation", "record %d of the suballocation records is missing or out of order" % number)
                break
            seen.append(number)
            for slot in range(28):
                size, head = data[9] * 28 + slot, u32(data, 16 + 4 * slot)
                if head and (size == 0 or size >= classes):
                    self.say("suballocation", "a chain for pieces of %d sectors" % size)
                elif head:
                    self.sub_chains[size] = [b for _, b in self.chain(head, "suballocation of %d sectors" % size, True).blocks]
            number = u32(data, 12)
        if set(seen) != set(self.sub_records):
            self.say("suballocation", "there are suballocation records the root does not lead to")
        if seen and (len(seen) != -(-classes // 28) or not self.flags & 2):
            self.say("suballocation", "%d suballocation records for %d classes" % (len(seen), classes))

    def piece_data(self, piece, owner):
        """The bytes of a suballocated piece; they may span two blocks of the chain of its class."""
        size, number = piece
        blocks = self.sub_chains.get(size, [])
        start, length = number * size * SECTOR, size * SECTOR
        if not size or start + length > len(blocks) * self.size:
            self.say("suballocation", "%s uses piece %d of %d sectors, which is not there" % (owner, number, size))
            return b""
        if piece in self.pieces:
            self.say("double-claim", "piece %d of %d sectors belongs to %s and to %s" % (number, size, self.pieces[piece], owner))
        self.pieces[piece] = owner
        first, last = start // self.size, (start + length - 1) // self.size
        data = b"".join(self.block(b) for b in blocks[first:last + 1])
        return data[start - first * self.size:][:length]

    # names, tree, trustees

    def link_names(self):
        """Each object: its DOS record and, through the list, one record of every other name space."""
        linked = set()
        self.objects = []
        for record in self.records.values():
            if record.space != 0:
                continue
            number, where = record.next, "record %d" % record.number
            while number:
                other = self.records.get(number)
                if other is None or number in linked or other.space == 0 or other.space in record.names:
                    self.say("name-list", "%s leads to record %d, which is no other name of it" % (where, number))
                    break
                linked.add(number)
                self.check_other_name(record, other)
                record.names[other.space] = other
                number = other.next
            missing = [SPACES[s] for s in self.spaces if s and s not in record.names]
            if missing:
                self.say("name-list", "%s has no name in %s" % (where, ", ".join(missing)))
            primary = [r for r in (record, *record.names.values()) if r.flags & 0x10]
            if len(primary) != 1 and self.modern:
                self.say("record-flags", "%s has %d records marked as primary" % (where, len(primary)))
            if record.root and record.number:
                self.say("root", "record %d is a second root" % record.number)
            if not record.root:
                self.objects.append(record)
        for other in self.records.values():
            if other.space and other.number not in linked:
                self.say("name-list", "record %d is a name of nothing" % other.number)

    def check_other_name(self, record, other):
        same = ("root", "directory", "deleted") if record.root else ("parent", "directory", "deleted")
        if any(getattr(record, k) != getattr(other, k) for k in same):
            self.say("name-list", "records %d and %d differ in parent or flags" % (record.number, other.number))
        if not record.root and other.primary != record.number:
            self.say("name-list", "record %d names record %d as its first" % (other.number, other.primary))

    def path(self, record, space=0):
        """The path, or None where the parents are not there or lead in a ring."""
        steps, seen = [], set()
        while not record.root:
            if record.number in seen:
                return None
            seen.add(record.number)
            steps.append(text_of(record.names.get(space, record).name))
            record = self.records.get(record.parent)
            if record is None or not record.directory or record.space or record.deleted:
                return None
        return "".join("/" + s for s in reversed(steps))

    def check_tree(self):
        taken = {}
        for record in self.objects:
            record.path = self.path(record)
            if record.path is None and record.deleted:
                record.path = "/DELETED.SAV/" + text_of(record.name)
            elif record.path is None:
                self.say("parent", "record %d belongs to %d, which is no directory" % (record.number, record.parent))
                record.path = "/LOST/%d" % record.number
            if record.deleted:
                continue
            for other in (record, *record.names.values()):
                name = bytes(other.name)
                key = (record.parent, other.space, name if other.space == 2 else name.upper())
                if key in taken:
                    self.say("name", "records %d and %d have the same name" % (taken[key], other.number))
                taken[key] = other.number

    def check_trustees(self):
        used = set()
        for record in (self.root, *self.objects):
            data = record.data
            if record.directory:
                counts = (48, 80, 8)
            else:
                counts = (60, 84, 4 if self.modern else 6)
            self.take_trustees(record, data, *counts)
            number = record.trustee_link
            while number:
                more = self.trustee_records.get(number)
                if more is None or number in used or u32(more, 20) != record.number:
                    self.say("trustee", "record %d leads to %d, which is no trustee record of it" % (record.number, number))
                    break
                used.add(number)
                if u32(more, 12) not in (record.parent, record.number):
                    self.say("trustee", "record %d is kept by directory %d" % (number, u32(more, 12)))
                self.take_trustees(record, more, 24, 88, 16, more[9])
                number = u32(more, 16)
            mask = u16(data, 100 if record.directory else 96)
            if mask & ~RIGHTS:
                self.say("trustee", "record %d inherits rights %04x" % (record.number, mask))
            ids = [t["id"] for t in record.trustees]
            if len(set(ids)) != len(ids):
                self.say("trustee", "record %d names a trustee twice" % record.number)
        for number in set(self.trustee_records) - used:
            self.say("trustee", "record %d belongs to no file" % number)

    def take_trustees(self, record, data, ids, masks, count, told=None):
        found = 0
        for i in range(count):
            who, rights = object_id(data, ids + 4 * i), u16(data, masks + 2 * i)
            if rights & ~RIGHTS or (who == "00000000" and rights):
                self.say("trustee", "record %d: rights %04x of %s" % (record.number, rights, who))
            if who != "00000000":
                found += 1
                record.trustees.append({"id": who, "rights": rights})
        if told is not None and told != found:
            self.say("trustee", "a trustee record of %d tells %d and has %d" % (record.number, told, found))

    # files

    def content(self, first, size, owner, compressed=False):
        """Checks what a file is made of; gives a function that yields its pieces (bytes, or a number of zeros)."""
        chain = self.chain(first, owner)
        tail = b"" if chain.piece is None else self.piece_data(chain.piece, owner)
        runs = [(index * self.size, block) for index, block in chain.blocks]
        last = chain.blocks[-1][0] + 1 if chain.blocks else 0
        if compressed:
            size = last * self.size + len(tail)
        elif chain.blocks and (last - 1) * self.size >= size:
            self.say("beyond-size", "%s has %d bytes but a block with index %d" % (owner, size, last - 1))
        elif chain.piece is not None and -(-(size - last * self.size) // SECTOR) != chain.piece[0]:
            self.say("beyond-size", "%s has %d bytes but a tail of %d sectors behind block %d" % (owner, size, chain.piece[0], last))

        def pieces():
            at = 0
            for start, block in runs + ([(last * self.size, None)] if tail else []):
                if start >= size:
                    break
                if start > at:
                    yield start - at
                data = (tail if block is None else self.block(block))[:size - start]
                yield data
                at = start + len(data)
            if at < size:
                yield size - at
        return size, pieces

    def digest(self, pieces):
        out = hashlib.sha256()
        for piece in pieces():
            if isinstance(piece, int):
                for at in range(0, piece, len(ZEROS)):
                    out.update(ZEROS[:piece - at])
            else:
                out.update(piece)
        return out.hexdigest()

    def entry(self, record):
        data = record.data
        out = {
            "path": record.path, "dirno": record.number, "parent": record.parent, "attributes": record.attributes,
            "flags": record.flags, "type": "dir" if record.directory else "file", "deleted": record.deleted,
        }
        for key, at in (("created", 24), ("modified", 40), ("archived", 32)):
            out[key], out[key + "_raw"] = date_of(u32(data, at)), u32(data, at)
        out["owner"], out["archiver"] = object_id(data, 28), object_id(data, 36)
        out["inherited_rights"] = u16(data, 100 if record.directory else 96)
        out["trustees"] = record.trustees
        if record.names:
            out["names"] = {SPACES.get(s, str(s)): text_of(r.name) for s, r in sorted(record.names.items())}
        if u32(data, 112) and u32(data, 112) >= len(self.extended):
            self.say("extended", "record %d has extended attributes that are not there" % record.number)
        if not record.directory:
            out.update(self.file_facts(record, data))
        return out

    def file_facts(self, record, data):
        compressed = bool(record.attributes & 0x4000000)
        size, first = u32(data, 48), u32(data, 52)
        raw_size, record.pieces = self.content(first, size, record.path, compressed)
        out = {
            "modifier": object_id(data, 44), "size": size, "first_block": first, "sha256": self.digest(record.pieces),
            "last_access": (date_of(u16(data, 98) << 16) or "")[:10] or None,
        }
        if compressed:
            out["compressed"], out["raw_size"] = True, raw_size
        if record.deleted:
            out["deleted_date"], out["deleted_date_raw"] = date_of(u32(data, 104)), u32(data, 104)
            out["deleter"] = object_id(data, 108)
        if 1 in record.names and u32(record.names[1].data, 48):
            fork = record.names[1].data
            length, record.fork = self.content(u32(fork, 44), u32(fork, 48), record.path + " (resource fork)")
            out["forks"] = {"MAC": {"size": length, "sha256": self.digest(record.fork)}}
        return out

    def facts(self):
        used = sum(1 for b in range(self.blocks) if self.fat[2 * b + 1])
        root = self.root.data
        return {
            "geometry": {
                "blocks": self.blocks, "blocksize": self.size, "segments": len(self.segments), "flags": "%x" % self.flags,
                "fat": "%d/%d" % (self.fat1, self.fat2), "dir": "%d/%d" % (self.dir1, self.dir2),
                "ext": "%d/%d" % (u32(root, 104), u32(root, 108)), "namespaces": len(self.spaces),
                "used_blocks": used, "free_blocks": self.blocks - used, "free_records": self.free_records,
            },
            "name_spaces": [SPACES[s] for s in self.spaces],
            "trustees": self.root.trustees,
            "restrictions": [{"id": object_id(d, 16 + 4 * i), "limit": u32(d, 72 + 4 * i)}
                             for d in self.restrictions.values() for i in range(min(d[9], 14))],
            "entries": self.entries,
        }

    # extraction

    def extract(self, folder, space):
        for record in sorted(self.objects, key=lambda r: (not r.directory, r.number)):
            if record.deleted:
                top, path = self.name + ".deleted", "%s;%d" % (record.path, record.number)
            else:
                top, path = self.name, self.path(record, space) or record.path
            target = os.path.join(folder, top, *(safe(step) for step in path.split("/")[1:]))
            try:
                self.extract_one(record, target)
            except OSError as error:
                self.say("extract", "%s: %s" % (target, error.strerror))

    def extract_one(self, record, target):
        if record.directory:
            os.makedirs(target, exist_ok=True)
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.lexists(target):
            target += ";%d" % record.number
        write(target, record.pieces)
        if hasattr(record, "fork"):
            write(target + ".rsrc", record.fork)


def safe(step):
    """A name as one step of a path that stays below the folder."""
    step = "".join("%%%02X" % ord(c) if c in "/%" or ord(c) < 32 else c for c in step)
    return "%2E" * len(step) if step in (".", "..") else step or "%00"


def write(target, pieces):
    with open(target, "xb") as out:
        for piece in pieces():
            if isinstance(piece, int):
                out.seek(piece, os.SEEK_CUR)
            else:
                out.write(piece)
        out.truncate(out.tell())


# --- the whole --------------------------------------------------------------------------------------


def read_all(paths, mirror):
    """(partitions, volumes) of the disks."""
    found, sound = [], []
    for path in paths:
        disk = Disk(path)
        try:
            found += disk.partitions()
        except Damaged as error:
            finding(error.code, disk.name, str(error))
    for partition in found:
        try:
            partition.open()
            sound.append(partition)
        except Damaged as error:
            finding(error.code, partition.where, str(error))
    if not found:
        finding("no-partition", ", ".join(os.path.basename(p) for p in paths), "no NetWare 386 partition (type 0x65)")
    segments = {}
    for partition in mirrored(sound):
        for segment in partition.segments:
            segments.setdefault(segment.name, []).append(segment)
    volumes = []
    for name in segments:
        try:
            volumes.append(Volume(name, segments[name], mirror))
        except Damaged as error:
            finding(error.code, "volume " + name, str(error))
    return found, volumes


def listing(partitions, volumes):
    for p in partitions:
        f = p.facts()
        print("%s: %d sectors, %s of hotfix, %d redirected" % (
            p.where, p.sectors, f.get("hotfix_sectors", "unknown"), len(f.get("redirections", []))))
    for volume in volumes:
        print("%s: %d blocks of %d" % (volume.where, volume.blocks, volume.size))
        for e in volume.entries:
            what = "deleted %s by %s" % (e["deleted_date"], e["deleter"]) if e.get("deleter") else e["type"]
            rights = "".join(" %s:%03X" % (t["id"], t["rights"]) for t in e["trustees"])
            names = "".join(" %s=%r" % n for n in e.get("names", {}).items())
            print("  %08X %s %s %10d %s %s%s%s%s" % (
                e["attributes"], e["owner"], e["modified"] or "-" * 19, e.get("size", 0), e.get("sha256", "-")[:16], what,
                rights, " " + e["path"], names))


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__.strip())
    parser.add_argument("disks", nargs="+")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--extract")
    parser.add_argument("--names", default="DOS", choices=[SPACES[n] for n in sorted(NAME_ROOM)])
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        partitions, volumes = read_all(options.disks, options.mirror)
        if options.json:
            facts = {"partitions": [p.facts() for p in partitions], "volumes": {v.name: v.facts() for v in volumes}}
            json.dump({**facts, "findings": findings}, sys.stdout, indent=1)
            print()
        else:
            listing(partitions, volumes)
        if options.extract:
            for volume in volumes:
                volume.extract(options.extract, {n: s for s, n in SPACES.items()}[options.names])
    except OSError as error:
        print("%s: %s" % (error.filename or "disk", error.strerror), file=sys.stderr)
        return 2
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
