#!/bin/sh
# Lays files of every awkward kind into the root given, and leaves freed blocks between them.
set -eu
root=$1
srv=$root/srv
mkdir -p "$srv"
cd "$srv"

# Real content a second time: text that compresses, in many files, among blocks freed again below.
mkdir copies
for part in python3.11 x86_64-linux-gnu/perl-base; do
  [ -d "$root/usr/lib/$part" ] && cp -a "$root/usr/lib/$part" "copies/$(basename "$part")"
done

# Deleted files: the marker must never come back. Every second of many small files is removed, so that
# free and used blocks alternate; one long file is removed whole.
mkdir mixed
i=0
while [ $i -lt 600 ]; do
  yes "REMETAL-DELETED-MARKER $i" | head -c 20000 >"mixed/deleted-$i"
  yes "kept file number $i" | head -c $((i * 37)) >"mixed/kept-$i"
  i=$((i + 1))
done
yes REMETAL-DELETED-MARKER-LONG | head -c 60000000 >deleted-long
sync
rm -f mixed/deleted-* deleted-long

# Sparse: data at the start, in the middle and just before the end of a gibibyte.
truncate -s 1G sparse
printf 'head' | dd of=sparse conv=notrunc status=none
printf 'middle' | dd of=sparse bs=1 seek=536870000 conv=notrunc status=none
printf 'tail' | dd of=sparse bs=1 seek=1073741820 conv=notrunc status=none
fallocate -l 2M preallocated

# Names of one file in several folders.
mkdir -p links/a links/b
echo 'one file, three names' >links/first
ln links/first links/a/second
ln links/first links/b/third

# Attributes, ACLs, capabilities.
mkdir attributes
echo user >attributes/user
setfattr -n user.comment -v 'a remark' attributes/user
setfattr -n trusted.remetal -v 'only root sees it' attributes/user
head -c 3000 /dev/zero | tr '\0' v >attributes/value
setfattr -n user.large -v "$(cat attributes/value)" attributes/user
echo acl >attributes/acl
setfacl -m u:1:rw,g:12:r,o::- attributes/acl
mkdir attributes/inherited
setfacl -d -m u:1:rwx attributes/inherited
echo inherits >attributes/inherited/file
cp "$root/usr/bin/id" attributes/capable
# cap_net_raw, permitted and effective (struct vfs_cap_data, version 2, linux/capability.h)
setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 attributes/capable

# Modes and owners.
mkdir modes
for mode in 0000 0400 0755 1777 2755 4755 6711; do
  cp "$root/usr/bin/id" modes/$mode
  chown 1234:5678 modes/$mode
  chmod $mode modes/$mode
done

# Nodes and pipes.
mkdir nodes
mknod nodes/null c 1 3
mknod nodes/disk b 8 0
mknod nodes/large-number c 511 1048575
mkfifo nodes/pipe

# Symbolic links: in the inode, in a block of its own, pointing nowhere, pointing at itself.
mkdir symlinks
ln -s ../links/first symlinks/short
ln -s "../$(printf 'very-long-%.0s' 1 2 3 4 5 6 7 8 9 10 11 12)" symlinks/long
ln -s /nowhere/at/all symlinks/dangling
ln -s itself symlinks/itself

# Names.
mkdir names
: >"names/with space"
: >'names/-dash'
: >'names/back\slash'
: >"names/new
line"
: >"names/$(printf 'latin1-\344\366\374')"
: >"names/$(printf '\343\203\206\343\202\271\343\203\210')"
: >"names/$(printf 'n%.0s' $(seq 255))"
deep=deep
for level in $(seq 40); do deep=$deep/level-$level; done
mkdir -p "$deep"
echo bottom >"$deep/bottom"
mkdir wide
i=0
while [ $i -lt 800 ]; do
  : >"wide/a-rather-long-name-that-fills-directory-blocks-and-makes-the-index-grow-$i"
  i=$((i + 1))
done

# Times: nanoseconds, before 1970, after 2038.
mkdir times
touch -d '2001-02-03 04:05:06.123456789' times/nanoseconds
touch -d '1965-06-07 08:09:10.5' times/before-1970
touch -d '2100-01-02 03:04:05.25' times/after-2038
