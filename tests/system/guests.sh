# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Guests as hosts of a test; sourced by lib.sh. Guest N is booted into $RUN/guestN, mounts on $RUN/hostN,
# which only it can see, and is served by a vhost-fs of its own.

ON=$BUILD/tests/system/on
GUEST_SECONDS=${GUEST_SECONDS:-900} # no guest, and no command in one, lasts longer

# What each host is: fuse, uml or qemu; those not named are fuse.
KINDS=()

is_guest() {
	[ "${KINDS[$1]:-fuse}" != fuse ]
}

# in_host N COMMAND...: there, in the same directory and with the same paths.
in_host() {
	local host=$1
	shift
	if is_guest "$host"; then
		"$ON" -t "$GUEST_SECONDS" "$RUN/guest$host" "$@"
	else
		"$@"
	fi
}

# host_spec N PATH: a directory of a host, as test programs in C take it (hosts.h).
host_spec() {
	if is_guest "$1"; then
		echo "$RUN/host$1/$2@$RUN/guest$1"
	else
		echo "$RUN/host$1/$2"
	fi
}

# serve_guest N LINK-OPTION...: a vhost-fs listens for guest N.
serve_guest() {
	local host=$1
	shift
	"$MPDISK" vhost-fs -f "$@" --socket "$RUN/vhost$host.sock" --tag disk \
		</dev/null >"$RUN/vhost$host.log" 2>&1 &
	echo $! >"$RUN/vhost$host.pid"
	wait_until 20 test -S "$RUN/vhost$host.sock" && return
	echo "vhost-fs does not listen: $(tail -n 3 "$RUN/vhost$host.log")"
	return 1
}

guest_log() {
	echo "the console of guest $1, its last lines:"
	tail -n 15 "$RUN/guest$1/console" 2>/dev/null | tr -d '\r' | cut -c 1-200
}

# ready_or_dead N BOOTS: so often it must have come up.
ready_or_dead() {
	[ "$(cat "$RUN/guest$1/console" 2>/dev/null | grep -ac '^guest: ready')" -ge "$2" ] ||
		! alive "$(cat "$RUN/guest$1.pid")"
}

# await_guest N [BOOTS]
await_guest() {
	wait_until 90 ready_or_dead "$1" "${2:-1}" && alive "$(cat "$RUN/guest$1.pid")" && return
	guest_log "$1"
	echo "guest $1 does not come up"
	return 1
}

# boot_guest N: and waits for it.
boot_guest() {
	mkdir -p "$RUN/host$1"
	[ ! -e "$RUN/guest$1/console" ] || mv "$RUN/guest$1/console" "$RUN/guest$1/console.before"
	tests/system/guests/boot "${KINDS[$1]}" "$RUN/guest$1" disk "$RUN/vhost$1.sock" "$GUEST_SECONDS" \
		</dev/null >"$RUN/boot$1.log" 2>&1 &
	echo $! >"$RUN/guest$1.pid"
	await_guest "$1"
}

mount_in_guest() {
	local said
	said=$(in_host "$1" mount -t virtiofs disk "$RUN/host$1" 2>&1) && return
	guest_log "$1"
	echo "$said"
	return 1
}

# mount_guest N LINK-OPTION...
mount_guest() {
	serve_guest "$@" && boot_guest "$1" && mount_in_guest "$1"
}

# end_guest N: in good order, with all that serves it.
end_guest() {
	local pid
	pid=$(cat "$RUN/guest$1.pid")
	"$ON" -t 20 "$RUN/guest$1" /mnt/busybox poweroff -f 2>/dev/null
	if ! wait_until 20 gone "$pid"; then
		echo "guest $1 does not switch itself off"
		guest_log "$1"
		return 1
	fi
	rm -f "$RUN/guest$1.pid"
	end_server "$1"
}

end_server() {
	local pid status=0
	pid=$(cat "$RUN/vhost$1.pid")
	end_process "$pid" 60 || { echo "vhost-fs $1 has to be killed" && return 1; }
	wait "$pid" || status=$?
	rm -f "$RUN/vhost$1.pid"
	[ $status = 0 ] ||
		{ echo "vhost-fs $1 ended with $status: $(tail -n 3 "$RUN/vhost$1.log")" && return 1; }
}

unmount_guest() {
	in_host "$1" umount "$RUN/host$1" && end_guest "$1"
}

# reboot_guest N: without unmounting first.
reboot_guest() {
	local on status=0
	"$ON" "$RUN/guest$1" /mnt/busybox reboot -f 2>/dev/null &
	on=$!
	await_guest "$1" 2 || status=1
	kill -KILL $on 2>/dev/null # the guest that would have answered is no more
	wait $on 2>/dev/null
	return $status
}

# kill_guest N: it gets no chance to do anything more.
kill_guest() {
	kill -KILL "$(cat "$RUN/guest$1.pid")"
	wait_until 5 gone "$(cat "$RUN/guest$1.pid")"
	rm -f "$RUN/guest$1.pid"
}

# work HOST: files come and go in the host's own folder, until $RUN/stop is there or the host dies; each
# turn is written to $RUN/guestN/turns after it is done.
work() {
	mkdir -p "$RUN/guest$1"
	# shellcheck disable=SC2016
	in_host "$1" sh -c 'mkdir -p "$0" && cd "$0" && n=0
		while ! test -e stop; do
			echo "turn $n" >new$n && mv new$n "kept$((n % 50))" && cat kept* >all || exit 1
			n=$((n + 1)); echo $n >"$1"
		done' "$RUN/host$1/work$1" "$(realpath "$RUN/guest$1")/turns"
}

turns() {
	cat "$RUN/guest$1/turns" 2>/dev/null || echo 0
}

goes_on() {
	[ "$(turns "$1")" -gt "$2" ]
}

# begin_work HOST...: in the background, and waits until each is well at it; WORKERS has their processes.
WORKERS=()
begin_work() {
	local host
	for host in "$@"; do
		rm -f "$RUN/guest$host/turns"
		work "$host" >"$RUN/work$host.log" 2>&1 &
		WORKERS[host]=$!
	done
	for host in "$@"; do
		wait_until 60 goes_on "$host" 10 && continue
		echo "host $host does no work: $(tail -n 2 "$RUN/work$host.log")"
		return 1
	done
}
