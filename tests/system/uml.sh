# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# UML kernels that share a pool: sourced after suite.sh by suites that start them.

UML=$BUILD/uml/linux
MODULE=$BUILD/linux/mpdisk.ko
POOLS=$RUN/pools # a tmpfs: what is stored into a pool goes to no disk
declare -A GUEST

uml_begin() {
	suite_begin
	mkdir -p "$POOLS" "$RUN/uml"
	mount -t tmpfs none "$POOLS" || { fail pools_have_room; suite_end; }
}

# start_guest NAME JOB [ARGUMENT...]: a kernel that runs the script JOB; what it says goes to $RUN/NAME.
start_guest() {
	local name=$1 job=$2
	shift 2
	rm -rf "$RUN/uml/$name"
	: >"$RUN/$name" # nothing of an earlier one of this name
	timeout -s KILL "${GUEST_SECONDS:-900}" "$UML" mem=64M root=/dev/root rootfstype=hostfs rootflags=/ ro quiet \
		con0=fd:0,fd:1 con=null ssl=null init="$PWD/tests/system/uml_init" \
		uml_dir="$(realpath "$RUN")/uml" umid="$name" g_run="$(realpath "$RUN")" g_name="$name" \
		g_busybox="$(realpath "$BUILD/packages/busybox/bin/busybox")" \
		g_module="$(realpath "$MODULE")" g_load="$PWD/$BUILD/tests/system/uml_load" \
		g_job="$(realpath "$job")" "$@" </dev/null >"$RUN/$name" 2>&1 &
	GUEST[$name]=$!
}

# kernel_of NAME: the process that is the kernel, not the timeout before it.
kernel_of() {
	local children
	children=$(cat "/proc/${GUEST[$1]}/task/${GUEST[$1]}/children" 2>/dev/null)
	echo "${children%% *}"
}

guest_says() {
	grep -qE "$2" "$RUN/$1"
}

# await_guest NAME PATTERN [SECONDS]
await_guest() {
	wait_until "${3:-60}" guest_says "$1" "$2" && return 0
	echo "guest $1 does not say '$2': $(tail -n 4 "$RUN/$1")"
	return 1
}

# end_guest NAME [SECONDS]: it has come to its end by itself. Its kernel may still die behind its last words, of
# the same weakness as in guests/boot.
end_guest() {
	wait_until "${2:-60}" gone "${GUEST[$1]}" || { echo "guest $1 does not end: $(tail -n 3 "$RUN/$1")" && return 1; }
	sed -i 's/\r$//' "$RUN/$1"
	wait "${GUEST[$1]}" || [ "$(grep -aoE 'reboot: .*' "$RUN/$1" | tail -n 1)" = "reboot: System halted" ]
}

# processes_of NAME: none is success.
processes_of() {
	! grep -lsaE "[u]mid=$1\\b" /proc/[0-9]*/cmdline
}

# Nothing of the guest may be left a moment later: neither its processes nor its I/O threads.
kill_guest() {
	local pid
	until pid=$(kernel_of "$1") && [ -n "$pid" ]; do sleep 0.02; done
	kill -KILL "$pid" && wait_until 20 gone "${GUEST[$1]}" || return 1
	wait "${GUEST[$1]}" 2>/dev/null
	wait_until 20 processes_of "$1" >/dev/null || processes_of "$1"
}

make_pool() {
	rm -f "$POOLS/$1"*
	truncate -s "$2" "$POOLS/$1"
}
