# Sourced by every script here. Gives it a directory of its own ($work, removed at the end), `inside` to run a command in
# the sandbox, and assertions. A script fails by exit status 1 and says why; 77 means that it cannot be judged here.
#
# From the runner: MOAT, the binary; MOAT_OPTS, more options for every `moat run`; MOAT_NATIVE, set when MOAT is only a
# stand-in without isolation (then `isolation_needed` skips).

set -eu -o pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC
# gdb and python must not leave files behind that a listing beside them finds.
export PYTHONDONTWRITEBYTECODE=1
: "${MOAT:?the path of moat}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
compat=$here/../compat
# Not in /tmp, which is another one inside.
work=$(mktemp -d "${APPS_TMPDIR:-/var/tmp}/moat-app.XXXXXX")
chmod 755 "$work"
export HOME=$work
cd "$work"

# Functions of a script's own clean-up are run before its directory is removed.
at_end=()
finish() {
	local status=$? f
	set +e
	for f in "${at_end[@]+"${at_end[@]}"}"; do
		eval "$f"
	done
	cd /
	chmod -R u+rwX "$work" 2>/dev/null
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

skip() {
	echo "skip: $*"
	exit 77
}

# need COMMAND PACKAGE
need() {
	command -v "$1" >/dev/null || fail "$1 is missing: install the Debian package $2"
}

isolation_needed() {
	[ -z "${MOAT_NATIVE:-}" ] || skip "checks isolation, and $MOAT gives none"
}

root_needed() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# moat_run OPTIONS -- COMMAND ...
moat_run() {
	# shellcheck disable=SC2086 # several words are meant
	"$MOAT" run ${MOAT_OPTS:-} "$@"
}

# inside COMMAND ...
inside() {
	moat_run -- "$@"
}

# inside_rw COMMAND ...: what it writes below $work is really written
inside_rw() {
	moat_run --rw "$work" -- "$@"
}

# Everything in one: native or sandboxed, same standard output and exit status.
same() {
	local want got want_status=0 got_status=0
	want=$("$@" </dev/null 2>"$work/.native_err") || want_status=$?
	got=$(inside "$@" </dev/null 2>"$work/.moat_err") || got_status=$?
	if [ "$want" != "$got" ] || [ $want_status != $got_status ]; then
		diff <(printf '%s\n' "$want") <(printf '%s\n' "$got") | head -40 >&2 || :
		tail -20 "$work/.moat_err" >&2
		fail "'$*': native status $want_status, inside $got_status"
	fi
}

# equal WHAT EXPECTED ACTUAL
equal() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# contains WHAT TEXT PART
contains() {
	case $2 in
	*"$3"*) ;;
	*) fail "$1: '$3' is not in '$(printf %s "$2" | tail -c 1500)'" ;;
	esac
}

# lacks WHAT TEXT PART
lacks() {
	case $2 in
	*"$3"*) fail "$1: '$3' is in '$(printf %s "$2" | tail -c 1500)'" ;;
	esac
}

# status_is EXPECTED COMMAND ...: check the exit status, quietly
status_is() {
	local want=$1 got=0
	shift
	"$@" >"$work/.out" 2>&1 </dev/null || got=$?
	[ "$want" = "$got" ] || {
		tail -5 "$work/.out" >&2
		fail "'$*': expected exit status $want, got $got"
	}
}

# fails COMMAND ...: any exit status but 0
fails() {
	if "$@" >"$work/.out" 2>&1 </dev/null; then
		fail "'$*' should have failed"
	fi
}

# is_up FILE: until a sandbox's program has written "up" there, as all layers are there then. Not a file that may have it from
# before: what starts in the background empties it only then.
is_up() {
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -q up "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	fail "the sandbox did not start: $(cat err)"
}
