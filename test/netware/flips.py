"""Reads a disk over and over, each time with other bits turned, by the reader's own functions.

flips.py READER DISK < plan, where the plan is a JSON list of lists of [offset, mask]: the bytes to be
changed together. Prints a JSON list: the codes of the findings of each, or the error that ended it.
"""

import importlib.util
import io
import json
import sys

spec = importlib.util.spec_from_file_location("reader", sys.argv[1])
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)
sys.stderr = io.StringIO()
out = []
with open(sys.argv[2], "r+b", buffering=0) as disk:
    for changes in json.load(sys.stdin):
        for turn in (True, False):
            for offset, mask in changes:
                disk.seek(offset)
                byte = disk.read(1)[0] ^ mask
                disk.seek(offset)
                disk.write(bytes([byte]))
            if turn:
                reader.findings.clear()
                try:
                    reader.read_all([sys.argv[2]], False)
                    out.append(sorted({f["code"] for f in reader.findings}))
                except Exception as error:
                    out.append("%s: %s" % (type(error).__name__, error))
json.dump(out, sys.stdout)
