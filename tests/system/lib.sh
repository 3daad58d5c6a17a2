# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Shell functions to set a device and its hosts up and down; sourced by run-main and system tests.
#
# The caller sets RUN, a directory of its own below build/, and calls lib_begin. Everything that was
# started here is ended by lib_end, which runs at exit whatever happened.

BUILD=${BUILD:-build}
MPDISK=${MPDISK:-$BUILD/mpdisk}
SIM=$BUILD/mpdisk-sim
PORTS=${PORTS:-4}
# What stands in the place of the device. One mount, bind-mounted as all hosts: "ext4" is the kernel's
# own, "native" the core as a process on this machine. "shared": each host is a process that runs the
# filesystem itself, on one pool.
LOCAL=${LOCAL:-}
SHARED_IMAGE=
DEVICE_PID=
# shellcheck source=tests/system/guests.sh
. tests/system/guests.sh

lib_begin() {
	mkdir -p "$RUN"
	trap lib_end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# True while the process runs; a dead child that nobody has waited for does not.
alive() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || return 1
	[ -n "$state" ] && [ "${state:0:1}" != Z ]
}

# wait_until SECONDS COMMAND...: counted in turns of 0.1 s, so that a machine which has no time for us, or stands
# still, uses none of them up.
wait_until() {
	local turns=$(($1 * 10))
	shift
	until "$@"; do
		[ $((turns--)) -gt 0 ] || return 1
		sleep 0.1
	done
}

gone() {
	! alive "$1"
}

# end_process PID SECONDS: SIGTERM, and SIGKILL when the time is over.
end_process() {
	alive "$1" || return 0
	kill -TERM "$1" 2>/dev/null || return 0
	wait_until "$2" gone "$1" && return 0
	kill -KILL "$1" 2>/dev/null
	wait_until 5 gone "$1"
	return 1
}

# make_image FILE SIZE [SOURCE]
make_image() {
	rm -f "$1"
	mke2fs -q -t ext4 -b 4096 ${3:+-d "$3"} "$1" "$2"
}

start_local() {
	case $LOCAL in
	shared)
		SHARED_IMAGE=$1
		return
		;;
	ext4)
		mount -o loop,nodelalloc "$1" "$RUN/local"
		return
		;;
	esac
	"$MPDISK" mount -f --image "$1" "$RUN/local" </dev/null >"$RUN/device.log" 2>&1 &
	DEVICE_PID=$!
	echo "$DEVICE_PID" >"$RUN/device.pid"
	wait_until 20 is_mounted "$RUN/local"
}

# start_device IMAGE [OPTIONS...]: the device's log goes to $RUN/device.log.
start_device() {
	local image=$1 port
	shift
	rm -rf "${RUN:?}/dev"
	mkdir -p "$RUN/dev"
	if [ -n "$LOCAL" ]; then
		mkdir -p "$RUN/local"
		start_local "$image"
		return
	fi
	"$SIM" --boot "$BUILD/firmware/firmware.hex" --image "$image" --dir "$RUN/dev" --ports "$PORTS" "$@" \
		</dev/null >"$RUN/device.log" 2>&1 &
	DEVICE_PID=$!
	echo "$DEVICE_PID" >"$RUN/device.pid"
	for ((port = 0; port < PORTS; port++)); do
		if ! wait_until 20 test -S "$RUN/dev/port$port.sock"; then
			echo "the device did not open port $port:" >&2
			tail -5 "$RUN/device.log" >&2
			return 1
		fi
	done
}

# takes_no_room FILE...: that exist.
takes_no_room() {
	local file
	for file in "$@"; do
		[ ! -e "$file" ] || [ "$(stat -c %b "$file")" = 0 ] || return 1
	done
}

# stop_device: in good order; fails if it has to be killed, or ended badly.
stop_device() {
	local status=0
	if [ "$LOCAL" = shared ]; then
		takes_no_room "$RUN/pool" || { echo "the last host has left the pool as it was" && return 1; }
		return 0
	fi
	if [ -n "$LOCAL" ]; then
		"$MPDISK" umount "$RUN/local" || return 1
		[ "$LOCAL" = native ] || return 0
	fi
	[ -n "$DEVICE_PID" ] || return 0
	end_process "$DEVICE_PID" 60 || status=1
	wait "$DEVICE_PID" || status=$?
	rm -f "$RUN/device.pid"
	DEVICE_PID=
	return $status
}

# mount_host PORT [OPTIONS...]: on $RUN/hostN
mount_host() {
	local port=$1 dir=$RUN/host$1 link=()
	shift
	mkdir -p "$dir"
	case $LOCAL in
	'') link=(--port "sim:$RUN/dev/port$port.sock") ;;
	shared) link=(--pool "$RUN/pool" --image "$SHARED_IMAGE") ;;
	*)
		mount --bind "$RUN/local" "$dir"
		return
		;;
	esac
	if is_guest "$port"; then
		mount_guest "$port" "${link[@]}"
		return
	fi
	"$MPDISK" mount "${link[@]}" "$@" "$dir" || return 1
	host_pid "$port" >"$RUN/host$port.pid"
}

host_pid() {
	"$MPDISK" status "$RUN/host$1" | sed -n 's/^pid *//p'
}

# unmount_host PORT: its process has given the port back then.
unmount_host() {
	if is_guest "$1"; then
		unmount_guest "$1"
		return
	fi
	"$MPDISK" umount "$RUN/host$1" && rm -f "$RUN/host$1.pid"
}

is_mounted() {
	local path
	path=$(realpath -sm "$1")
	awk -v p="$path" '$5 == p { found = 1 } END { exit !found }' /proc/self/mountinfo
}

# What is mounted below $RUN, the last one first. Asks no mount, for one may not answer.
mounts_below_run() {
	awk -v p="$(realpath -sm "$RUN")/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | tac
}

# Whatever is left of an earlier run or of this one.
lib_clean() {
	local dir file pid
	for dir in $(mounts_below_run); do
		umount "$dir" 2>/dev/null || umount -l "$dir"
	done
	for file in "$RUN"/guest*.pid "$RUN"/vhost*.pid "$RUN"/*.pid; do # the device goes last
		[ -e "$file" ] || continue
		pid=$(cat "$file")
		# A number of long ago may be somebody else's by now.
		case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in
		*/mpdisk | */mpdisk-sim*) end_process "$pid" 15 ;;
		*/unshare) kill -KILL "$pid" ;; # a guest
		esac
		rm -f "$file"
	done
}

lib_end() {
	local status=$? pid
	trap - EXIT
	trap '' HUP INT TERM
	for pid in $(jobs -p); do
		# shellcheck disable=SC2046
		[ "$pid" = "$DEVICE_PID" ] ||
			kill $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) "$pid" 2>/dev/null
	done
	lib_clean
	exit $status
}
