# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# How a suite that is a shell script talks (tests/README.md); sourced after lib.sh, in the top folder.

SUITE_FAILED=0
RUN=$BUILD/test-run/$(basename "$0")

pass() {
	echo "PASS $1"
}

fail() {
	local name=$1
	shift
	echo "FAIL $name: $(printf '%s' "$*" | tr '\n' ' ' | cut -c 1-300)"
	SUITE_FAILED=1
}

# For a program that has printed its own FAIL lines.
suite_failed() {
	SUITE_FAILED=1
}

# holds NAME COMMAND...: the case is that the command succeeds; a reason is what it prints.
holds() {
	local name=$1 status=0
	shift
	"$@" >"$RUN/holds.out" 2>&1 || status=$? # in this shell: it may wait for its children
	if [ $status = 0 ]; then
		pass "$name"
	else
		fail "$name" "$* -> $status: $(tail -n 5 "$RUN/holds.out")"
	fi
}

# fails_with NAME STATUS PATTERN COMMAND...: exit status, and stderr holds the pattern.
fails_with() {
	local name=$1 want=$2 pattern=$3 err status=0
	shift 3
	err=$("$@" 2>&1 >/dev/null) || status=$?
	if [ $status != "$want" ]; then
		fail "$name" "exit status $status instead of $want: $err"
	elif ! grep -qE "$pattern" <<<"$err"; then
		fail "$name" "says '$err', not '$pattern'"
	else
		pass "$name"
	fi
}

# Where mount(8) and umount(8) look for helpers, and what they write down; the suite's own mount namespace
# keeps this from the machine.
lend_helpers() {
	mkdir -p "$RUN/over" && mount -t tmpfs none "$RUN/over" && mkdir "$RUN/over/upper" "$RUN/over/work" &&
		mount -t overlay overlay \
			-o "lowerdir=/usr/sbin,upperdir=$RUN/over/upper,workdir=$RUN/over/work" \
			/usr/sbin && cp "$MPDISK" /usr/sbin/mount.mpdisk && cp "$MPDISK" /usr/sbin/umount.fuse.mpdisk &&
		mkdir -p /run/mount && mount -t tmpfs none /run/mount
}

suite_begin() {
	# Namespaces end with the suite, but what a killed one left on disk may be used by nobody.
	rm -rf "$RUN"
	lib_begin
}

suite_end() {
	exit $SUITE_FAILED
}

# The start of most suites: an image with the given tree (or none), a device, some hosts.
begin_with_device() {
	local hosts=$1 source=${2:-} host
	suite_begin
	make_image "$RUN/image" 64M "$source" >/dev/null || { fail image_can_be_made; suite_end; }
	if ! start_device "$RUN/image" -q; then
		fail device_starts "$(tail -n 3 "$RUN/device.log")"
		suite_end
	fi
	for ((host = 0; host < hosts; host++)); do
		mount_host "$host" || { fail "host_${host}_mounts"; suite_end; }
	done
}

# The end of most: all hosts unmount, the device stops in good order, e2fsck agrees.
end_with_device() {
	local host
	for ((host = 0; host < PORTS; host++)); do
		[ -e "$RUN/host$host.pid" ] || continue
		unmount_host "$host" || fail "host_${host}_unmounts"
	done
	holds device_stops_in_good_order stop_device
	holds e2fsck_finds_nothing e2fsck -fn "$RUN/image"
	suite_end
}
