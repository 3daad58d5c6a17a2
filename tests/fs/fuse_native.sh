#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Real work through a FUSE mount of the core in one process (mpdisk mount --image), judged by e2fsck
# and by the kernel's own ext4: PASS/FAIL lines. fuse_native.sh [CASE...]

BUILD=${BUILD:-build}
MPDISK=${MPDISK:-$BUILD/mpdisk}
RUN=$BUILD/tests/fuse_native
MNT=$RUN/mnt
IMAGE=$RUN/image
HERE=$(dirname "$0")/..
PID=
failures=0

# True while this process is one of ours: a number of long ago may be somebody else's by now.
is_ours() {
	local exe
	exe=$(readlink "/proc/$1/exe" 2>/dev/null) && [ -n "$exe" ] && [ "$exe" = "$(realpath "$MPDISK")" ]
}

cleanup() {
	local pid
	mountpoint -q "$MNT" && { umount "$MNT" 2>/dev/null || umount -l "$MNT"; }
	if [ -e "$RUN/pid" ]; then
		pid=$(cat "$RUN/pid")
		for _ in $(seq 400); do
			is_ours "$pid" || break
			sleep 0.05
		done
		is_ours "$pid" && kill -KILL "$pid"
		rm -f "$RUN/pid"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# start [OPTIONS...]
start() {
	"$MPDISK" mount -f --image "$IMAGE" "$@" "$MNT" >"$RUN/native.log" 2>&1 &
	PID=$!
	echo "$PID" >"$RUN/pid"
	for _ in $(seq 400); do
		mountpoint -q "$MNT" && return 0
		kill -0 "$PID" 2>/dev/null || break
		sleep 0.05
	done
	echo "mpdisk did not mount: $(tail -1 "$RUN/native.log")"
	return 1
}

# Unmounts, waits for the daemon, which must end well.
finish() {
	local status
	umount "$MNT" || return 1
	wait "$PID"
	status=$?
	rm -f "$RUN/pid"
	[ $status = 0 ] || { echo "mpdisk ended with $status: $(tail -1 "$RUN/native.log")"; return 1; }
}

judge() {
	e2fsck -fn "$IMAGE" >"$RUN/fsck.log" 2>&1 ||
		{ echo "e2fsck: $(sed -n '6p' "$RUN/fsck.log")"; return 1; }
}

# What the mount shows must be what the kernel's ext4 then finds on the image.
compare_with_kernel() {
	"$HERE/system/tree-manifest" "$MNT" >"$RUN/ours" || return 1
	finish && judge || return 1
	mount -o loop,ro "$IMAGE" "$MNT" || return 1
	"$HERE/system/tree-manifest" "$MNT" >"$RUN/kernels"
	umount "$MNT"
	cmp -s "$RUN/ours" "$RUN/kernels" ||
		{ echo "differs from the kernel's view: $(diff "$RUN/ours" "$RUN/kernels" | head -2 | cut -c1-300)"; return 1; }
}

# image SIZE [MKE2FS OPTIONS...]
image() {
	local size=$1
	shift
	rm -f "$IMAGE"
	mke2fs -q -t ext4 -b 4096 "$@" "$IMAGE" "$size"
}

case_shows_what_mke2fs_was_given() {
	image 64M -d /usr/include/linux && start || return 1
	"$HERE/system/tree-manifest" --same /usr/include/linux "$MNT" >"$RUN/same" ||
		{ tail -1 "$RUN/same"; return 1; }
	compare_with_kernel
}

case_unpacks_a_tar_and_kernel_agrees() {
	image 128M && start || return 1
	tar -C /usr/include -cf "$RUN/tar" linux asm-generic sound video rdma || return 1
	tar -C "$MNT" -xf "$RUN/tar" || return 1
	for d in linux asm-generic sound video rdma; do
		diff -r "/usr/include/$d" "$MNT/$d" || return 1
	done
	compare_with_kernel
}

case_removes_a_tree() {
	image 128M && start || return 1
	cp -a /usr/include/linux "$MNT/a" && cp -a "$MNT/a" "$MNT/b" || return 1
	diff -r "$MNT/a" "$MNT/b" || return 1
	rm -r "$MNT/a" || return 1
	[ ! -e "$MNT/a" ] || return 1
	compare_with_kernel
}

links_owners_times_and_xattrs() (
	set -e
	cd "$MNT"
	echo one >file && ln file hard && ln -s file soft && mkfifo fifo && mknod null c 1 3
	ln -s "$(head -c 3000 /dev/zero | tr '\0' x)" long
	[ "$(readlink long | wc -c)" = 3001 ]
	chmod 4755 file && chown 1234:5678 file && touch -h -d '2001-02-03 04:05:06.789012345' soft
	[ "$(stat -c '%a %u %g %h' file)" = "755 1234 5678 2" ] # chown clears setuid
	[ "$(stat -c %y soft)" = "$(date -d '2001-02-03 04:05:06.789012345' '+%F %T.%N %z')" ]
	setfattr -n user.small -v value file
	setfattr -n user.large -v "$(head -c 2000 /dev/zero | tr '\0' y)" file
	[ "$(getfattr --only-values -n user.small hard)" = value ]
	[ "$(getfattr --only-values -n user.large hard | wc -c)" = 2000 ]
	setfacl -m u:1000:rw,g:50:r file
	[ "$(stat -c %a file)" = 765 ]
	mkdir d && setfacl -d -m u:1000:rwx d && touch d/child
	getfacl -p d/child 2>&1 | grep -q '^user:1000:rwx'
	setfattr -n user.gone -v x d && setfattr -x user.gone d
	! getfattr -n user.gone d 2>/dev/null
)

case_keeps_links_owners_times_and_xattrs() {
	image 64M && start || return 1
	links_owners_times_and_xattrs || return 1
	compare_with_kernel
}

case_writes_everywhere_in_a_sparse_file() {
	image 128M && start || return 1
	python3 - "$MNT/f" <<'PYTHON' || return 1
import os, random, sys
r = random.Random(7)
model = {}
size = 0
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
shadow = bytearray(3_000_000)
for i in range(600):
    at = r.randrange(0, 2_500_000)
    n = r.choice((1, 5, 511, 4095, 4096, 4097, 8192, 30000, 131072, 200000))
    if r.random() < 0.4:
        at &= ~4095
    data = bytes([r.randrange(256)]) * n
    assert os.pwrite(fd, data, at) == n
    shadow[at:at + n] = data
    size = max(size, at + n)
    if r.random() < 0.1:
        size = r.randrange(0, 2_700_000)
        os.ftruncate(fd, size)
        shadow[size:] = bytes(len(shadow) - size)
    at = r.randrange(0, 2_600_000)
    n = r.randrange(1, 150_000)
    assert os.pread(fd, n, at) == bytes(shadow[at:min(at + n, size)] if at < size else b""), i
assert os.fstat(fd).st_size == size
big = 5 * 2**30
os.pwrite(fd, b"far", big)
assert os.pread(fd, 10, big - 3) == b"\0\0\0far"
os.ftruncate(fd, size)
os.fsync(fd)
os.close(fd)
PYTHON
	compare_with_kernel
}

# messages KIND: how many of them the daemon, started with -d, has served
messages() {
	grep -c "^mpdisk: [0-9]* $1 " "$RUN/native.log"
}

case_long_requests_are_one_message_wherever_their_buffer_begins() {
	image 64M && start -d || return 1
	python3 - "$MNT/f" <<'PYTHON' || return 1
import mmap, os, sys
memory = mmap.mmap(-1, 1 << 20)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
want = b""
for i, skip in enumerate((0, 1, 77, 4095)):
    piece = memoryview(memory)[skip:skip + 131072]
    piece[:] = bytes((i + k) % 251 for k in range(131072))
    want += bytes(piece)
    assert os.pwrite(fd, piece, i * 131072) == 131072
    assert os.pwrite(fd, b"short", 4 * 131072) == 5
for i, skip in enumerate((5, 0, 4000, 2048)):
    piece = memoryview(memory)[skip:skip + 131072]
    assert os.preadv(fd, [piece], i * 131072) == 131072
    assert piece == want[i * 131072:(i + 1) * 131072], i
assert os.preadv(fd, [memoryview(memory)[:524288]], 0) == 524288 and memory[:524288] == want
PYTHON
	[ "$(messages WRITE) $(messages READ)" = "8 8" ] ||
		{ echo "$(messages WRITE) WRITE and $(messages READ) READ, not 8 of each"; return 1; }
	compare_with_kernel
}

# Locks hold, and what of them and of closing is asked of the daemon.
locks_and_closes() {
	image 64M && start -d "$@" || return 1
	python3 - "$MNT/f" <<'PYTHON' || return 1
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(fd, fcntl.LOCK_EX)
child = os.fork()
if not child:
    try:
        fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        os._exit(e.errno == errno.EAGAIN)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
os.close(fd)
PYTHON
	finish && judge
}

case_locks_and_their_end_are_told_the_daemon() {
	locks_and_closes && [ "$(messages SETLK)" -gt 0 ] && [ "$(messages FLUSH)" -gt 0 ]
}

case_local_locks_are_not_and_closing_sends_no_flush() {
	locks_and_closes -o local_locks && [ "$(messages CREATE)" = 1 ] &&
		[ "$(messages SETLK)" = 0 ] && [ "$(messages FLUSH)" = 0 ]
}

case_allocates_punches_and_finds_holes() {
	image 128M && start || return 1
	python3 - "$MNT/f" <<'PYTHON' || return 1
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def falloc(fd, mode, at, n):
    if libc.fallocate(fd, mode, ctypes.c_int64(at), ctypes.c_int64(n)):
        raise OSError(ctypes.get_errno(), "fallocate")
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
falloc(fd, 0, 0, 1 << 20)
assert os.fstat(fd).st_size == 1 << 20 and os.fstat(fd).st_blocks >= 2048
assert os.pread(fd, 1 << 20, 0) == bytes(1 << 20)
os.pwrite(fd, b"x" * 300000, 100000)
falloc(fd, 3, 150000, 100000)
want = bytearray(1 << 20); want[100000:400000] = b"x" * 300000; want[150000:250000] = bytes(100000)
assert os.pread(fd, 1 << 20, 0) == bytes(want)
falloc(fd, 16, 200000, 150000); want[200000:350000] = bytes(150000)
assert os.pread(fd, 1 << 20, 0) == bytes(want)
falloc(fd, 1, 1 << 20, 1 << 20)
assert os.fstat(fd).st_size == 1 << 20
hole = os.lseek(fd, 0, os.SEEK_HOLE)
data = os.lseek(fd, 160000, os.SEEK_DATA)
assert hole <= 1 << 20 and data >= 160000
g = os.open(sys.argv[1] + "2", os.O_RDWR | os.O_CREAT)
n = 0
while n < 1 << 20:
    n += os.copy_file_range(fd, g, (1 << 20) - n, n, n)
assert os.pread(g, 1 << 20, 0) == bytes(want)
PYTHON
	compare_with_kernel
}

case_unlinked_open_file_lives_until_closed() {
	image 64M && start || return 1
	python3 - "$MNT" <<'PYTHON' || return 1
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
d = sys.argv[1]
free = os.statvfs(d).f_bfree
fd = os.open(d + "/f", os.O_RDWR | os.O_CREAT)
os.write(fd, b"z" * 1000000)
os.unlink(d + "/f")
assert os.pread(fd, 1000000, 0) == b"z" * 1000000
assert os.fstat(fd).st_nlink == 0
t = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(t, b"unnamed")
assert libc.linkat(-100, f"/proc/self/fd/{t}".encode(), -100, (d + "/named").encode(), 0x400) == 0
assert open(d + "/named").read() == "unnamed"
os.close(fd)
os.unlink(d + "/named")
os.close(t)
end = time.monotonic() + 20 # the kernel tells of a file's last close behind the back of who closes it
while os.statvfs(d).f_bfree != free and time.monotonic() < end:
    time.sleep(0.01)
assert os.statvfs(d).f_bfree == free, (os.statvfs(d).f_bfree, free)
PYTHON
	compare_with_kernel
}

case_ten_thousand_names_in_one_directory() {
	image 128M -N 20000 && start || return 1
	python3 - "$MNT/d" <<'PYTHON' || return 1
import os, sys
d = sys.argv[1]
os.mkdir(d)
names = {f"name-{i}-{'x' * (i % 40)}" for i in range(10000)}
for n in names:
    os.close(os.open(f"{d}/{n}", os.O_CREAT | os.O_WRONLY | os.O_EXCL))
assert set(os.listdir(d)) == names
gone = {n for i, n in enumerate(sorted(names)) if i % 3 == 0}
for n in gone:
    os.unlink(f"{d}/{n}")
assert set(os.listdir(d)) == names - gone
for n in gone:
    assert not os.path.lexists(f"{d}/{n}")
PYTHON
	compare_with_kernel
}

case_renames_and_exchanges() {
	image 64M && start || return 1
	python3 - "$MNT" <<'PYTHON' || return 1
import ctypes, errno, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def rename2(a, b, flags):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), flags):
        return ctypes.get_errno()
    return 0
os.makedirs("a/b/c"); os.makedirs("x/y")
open("a/f", "w").write("f"); open("x/g", "w").write("g")
assert rename2("a/f", "x/g", 1) == errno.EEXIST
assert rename2("a/b", "x/y", 2) == 0 and os.path.isdir("x/y/c") and os.listdir("a/b") == []
assert rename2("a/f", "x/y", 2) == 0 and os.path.isdir("a/f/c") and open("x/y").read() == "f"
os.rename("a/f", "x/moved")
assert rename2("x", "x/moved/c/in", 0) == errno.EINVAL
os.rename("x/y", "x/g"); assert open("x/g").read() == "f"
try: os.rename("x/moved", "a"); assert False
except OSError as e: assert e.errno == errno.ENOTEMPTY
try: os.rmdir("x"); assert False
except OSError as e: assert e.errno == errno.ENOTEMPTY
assert os.stat("a").st_nlink == 3 and os.stat("x").st_nlink == 3
PYTHON
	compare_with_kernel
}

case_four_users_at_once() {
	local pids=() i status=0
	image 256M && start -o threads=6 || return 1
	mkdir "$MNT"/box{0..7} || return 1
	for i in 0 1 2 3; do
		timeout 120 "$HERE/system/host-work" -n 1200 -s 5 $i 4 "$MNT" "$RUN/expected$i" >"$RUN/work$i.log" 2>&1 &
		pids+=($!)
	done
	for i in 0 1 2 3; do
		wait "${pids[$i]}" || { echo "host-work $i: $(tail -1 "$RUN/work$i.log")"; status=1; }
	done
	[ $status = 0 ] || return 1
	compare_with_kernel
}

case_full_medium_says_enospc() {
	image 24M && start || return 1
	dd if=/dev/zero of="$MNT/f" bs=64k count=1000 2>"$RUN/dd.log" && { echo "dd did not fail"; return 1; }
	grep -q 'No space left' "$RUN/dd.log" || { cat "$RUN/dd.log"; return 1; }
	rm "$MNT/f" && cp /usr/include/stdio.h "$MNT/" && cmp /usr/include/stdio.h "$MNT/stdio.h" || return 1
	compare_with_kernel
}

case_small_pool_evicts() {
	image 256M && start -o pool_size=8 || return 1
	cp -a /usr/include/linux "$MNT/a" && head -c 60M /dev/urandom >"$RUN/random" &&
		cp "$RUN/random" "$MNT/r" && cmp "$RUN/random" "$MNT/r" && diff -r /usr/include/linux "$MNT/a" || return 1
	rm "$RUN/random"
	compare_with_kernel
}

# refused IMAGE-COMMAND...: prints what the daemon said
refused() {
	if timeout 20 "$MPDISK" mount --image "$IMAGE" "$MNT" >"$RUN/refused.log" 2>&1; then
		echo "was mounted"
		return 1
	fi
	mountpoint -q "$MNT" && { echo "was mounted"; umount "$MNT"; return 1; }
	[ -s "$RUN/refused.log" ]
}

case_refuses_what_is_not_ext4() {
	head -c 16M /dev/urandom >"$IMAGE" && refused && grep -qi 'medium type' "$RUN/refused.log"
}

case_refuses_other_block_sizes() {
	rm -f "$IMAGE"
	mke2fs -q -t ext4 -b 1024 "$IMAGE" 16M && refused && grep -qi 'medium type' "$RUN/refused.log"
}

case_refuses_a_truncated_image() {
	image 64M && truncate -s 32M "$IMAGE" && refused
}

case_refuses_a_bad_superblock() {
	image 64M && printf '\377' | dd of="$IMAGE" bs=1 seek=1100 conv=notrunc status=none && refused
}

case_wrong_options_say_usage() {
	"$MPDISK" mount --image "$IMAGE" --nonsense "$MNT" 2>"$RUN/usage"
	[ $? = 2 ] && grep -q nonsense "$RUN/usage"
}

[ -x "$MPDISK" ] || { echo "FAIL fuse_native: there is no $MPDISK"; exit 1; }
mkdir -p "$MNT" || exit 1
for name in $(declare -F | sed -n 's/^declare -f case_//p'); do
	if [ $# -gt 0 ] && ! [[ " $* " == *" $name "* ]]; then
		continue
	fi
	if reason=$("case_$name" 2>&1); then
		echo "PASS $name"
	else
		echo "FAIL $name: $(echo "$reason" | tail -1)"
		failures=$((failures + 1))
	fi
	cleanup
done
[ $failures = 0 ]
