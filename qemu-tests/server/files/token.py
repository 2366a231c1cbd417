"""Prints one SHA-256 over every file of /, /boot and the EFI system partition.

A file counts by content, kind, mode, owner, times, size, blocks taken, extended attributes (ACLs
and capabilities are such), symbolic link target, device number and by the names it is known under.
Left out: pseudo file systems, /var/log/remetal, and the times of /var/log, which change when the
restore puts its own log there. Two processes share the work.
"""

import hashlib
import os
import stat
import sys
import zlib
import binascii

AREAS = (("root", "/"), ("boot", "/boot"), ("esp", "/boot/efi"))
LEFT_OUT = {b"/var/log/remetal"}
TIMES_LEFT_OUT = {b"/var/log"}
WORKERS = 2
BLOCK = 1 << 20


def walk(top):
    """Every path of one file system in byte order, with its lstat."""
    found = []
    device = os.lstat(top).st_dev
    waiting = [top]
    while waiting:
        path = waiting.pop()
        info = os.lstat(path)
        # A mount point shows the directory mounted over it; that belongs to another area.
        if info.st_dev != device or path in LEFT_OUT:
            continue
        found.append((path, info))
        if stat.S_ISDIR(info.st_mode):
            prefix = path if path == b"/" else path + b"/"
            waiting.extend(prefix + name for name in os.listdir(path))
    found.sort(key=lambda entry: entry[0])
    return found


def data_runs(handle, size):
    """Where the file's data lies; the rest is holes or was reserved and never written."""
    runs = []
    at = 0
    while at < size:
        try:
            start = os.lseek(handle, at, os.SEEK_DATA)
        except OSError:
            # ENXIO: nothing but a hole up to the end.
            break
        at = os.lseek(handle, start, os.SEEK_HOLE)
        runs.append((start, at))
    return runs


def content(path, size):
    """SHA-256 over where the file's data lies and over the data; holes count by their place."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as source:
        handle = source.fileno()
        # All runs before the first read: what read-ahead puts into memory counts as data from then on.
        for start, end in data_runs(handle, size):
            digest.update(b"%d-%d:" % (start, end))
            os.lseek(handle, start, os.SEEK_SET)
            while start < end:
                block = source.read(min(BLOCK, end - start))
                if not block:
                    break
                digest.update(block)
                start += len(block)
    return digest.hexdigest()


def attributes(path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return "-"
    held = []
    for name in sorted(names):
        value = os.getxattr(path, name, follow_symlinks=False)
        held.append(name + "=" + binascii.hexlify(value).decode())
    return ",".join(held) or "-"


def describe(path, info, twin):
    mode = info.st_mode
    times = "-" if path in TIMES_LEFT_OUT else str(info.st_mtime_ns)
    fields = ["%o" % mode, str(info.st_uid), str(info.st_gid), times]
    if stat.S_ISREG(mode):
        fields += [str(info.st_size), str(info.st_blocks), content(path, info.st_size)]
    elif stat.S_ISLNK(mode):
        fields += [binascii.hexlify(os.readlink(path)).decode()]
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        fields += ["%d:%d" % (os.major(info.st_rdev), os.minor(info.st_rdev))]
    fields += [attributes(path), twin]
    return " ".join(fields)


def first_names(entries):
    """For each file with several names, the first of them; the group is one line's worth of proof."""
    first = {}
    for path, info in entries:
        if not stat.S_ISDIR(info.st_mode) and info.st_nlink > 1:
            first.setdefault((info.st_dev, info.st_ino), path)
    return first


def share(entries):
    """Deals the entries to the workers so that each gets about the same number of bytes."""
    loads = [0] * WORKERS
    shares = [[] for _ in range(WORKERS)]
    order = sorted(range(len(entries)), key=lambda at: -entries[at][1].st_size)
    for at in order:
        least = loads.index(min(loads))
        info = entries[at][1]
        loads[least] += 20000 + (info.st_size if stat.S_ISREG(info.st_mode) else 0)
        shares[least].append(at)
    return shares


def lines_of(entries):
    first = first_names(entries)
    pipes = []
    for mine in share(entries):
        incoming, outgoing = os.pipe()
        if os.fork() == 0:
            os.close(incoming)
            with os.fdopen(outgoing, "w") as out:
                for at in mine:
                    path, info = entries[at]
                    twin = first.get((info.st_dev, info.st_ino), b"")
                    twin = "-" if twin in (b"", path) else binascii.hexlify(twin).decode()
                    out.write("%d %s\n" % (at, describe(path, info, twin)))
            os._exit(0)
        os.close(outgoing)
        pipes.append(incoming)
    texts = [None] * len(entries)
    # Read one after the other: a worker that runs ahead waits in its pipe.
    for incoming in pipes:
        with os.fdopen(incoming) as source:
            for line in source:
                at, text = line.rstrip("\n").split(" ", 1)
                texts[int(at)] = text
    for _ in pipes:
        _, status = os.wait()
        if status != 0:
            raise SystemExit("REMETAL-PROBLEM a worker failed")
    if None in texts:
        raise SystemExit("REMETAL-PROBLEM some files were not read")
    return ["%s %s" % (quoted(path), text) for (path, _), text in zip(entries, texts)]


def quoted(path):
    return "".join(chr(c) if 33 <= c <= 126 and c != 92 else "\\x%02x" % c for c in path)


def main():
    whole = hashlib.sha256()
    listing = []
    for area, top in AREAS:
        lines = lines_of(walk(os.fsencode(top)))
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        print("REMETAL-AREA %s %s files=%d" % (area, digest, len(lines)), flush=True)
        whole.update(digest.encode())
        listing += ["%s %s" % (area, line) for line in lines]
    size = os.statvfs("/")
    print("REMETAL-DF root=%d free=%d" % (size.f_blocks * size.f_frsize, size.f_bfree * size.f_frsize))
    if "--listing" in sys.argv:
        packed = binascii.b2a_base64(zlib.compress("\n".join(listing).encode()), newline=False).decode()
        print("REMETAL-LISTING-BEGIN")
        for start in range(0, len(packed), 1000):
            print(packed[start : start + 1000])
        print("REMETAL-LISTING-END")
    print("REMETAL-TOKEN %s" % whole.hexdigest(), flush=True)


main()
