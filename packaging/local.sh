#!/bin/sh
# Runs an ensemble of this checkout in the background, for `make run`: local.sh start | stop | status.
#
# Server N serves clients on 127.0.0.1, port 2180+N, and operators on port 8079+N. Everything of it lies
# below ./run/N:
#
#	zkd.toml  its configuration, written anew at each start     data  its data directory
#	log       its log, log.old the one before                   pid   its process
#
# Starting what runs already only shows it. Every port is on loopback, for which zkd makes no firewall rules: the
# host is left as it is, also by root.
set -eu

cd "$(dirname "$0")/.."
servers="1 2 3"
zkd=bin/zkd

# pid_of N: the process of server N, if it is one of ours.
pid_of() {
	pid=$(cat "run/$1/pid" 2>/dev/null) || return 1
	case $(readlink "/proc/$pid/exe" 2>/dev/null) in
	"$PWD/$zkd" | "$PWD/$zkd (deleted)") echo "$pid" ;; # deleted: built anew since
	*) return 1 ;;
	esac
}

client() { echo "127.0.0.1:$((2180 + $1))"; }

# configure N writes the configuration of server N: its own ports, and the same three members for all.
configure() {
	cat <<-EOF
		id = $1
		data_dir = '$PWD/run/$1/data'

		[client]
		listen = ["$(client "$1")"]

		[admin]
		listen = ["127.0.0.1:$((8079 + $1))"]

		[servers]
	EOF
	for n in $servers; do
		echo "$n = \"127.0.0.1:$((2887 + n)):$((3887 + n));$(client "$n")\""
	done
}

launch() {
	if pid=$(pid_of "$1"); then
		echo "server $1 runs already, process $pid"
		return
	fi
	mkdir -p "run/$1"
	configure "$1" >"run/$1/zkd.toml"
	[ ! -e "run/$1/log" ] || mv "run/$1/log" "run/$1/log.old"
	: >"run/$1/log"
	setsid "$zkd" run --config "run/$1/zkd.toml" >"run/$1/log" 2>&1 </dev/null &
	echo $! >"run/$1/pid"
	echo "server $1 started, process $!, all of it in run/$1"
}

# await N waits until server N is ready: it serves, or has waited ten seconds for a quorum.
await() {
	tries=0
	until grep -q '"msg":"ready"' "run/$1/log"; do
		tries=$((tries + 1))
		if ! kill -0 "$(cat "run/$1/pid")" 2>/dev/null || [ $tries -gt 600 ]; then
			echo "server $1 did not start; the end of run/$1/log:" >&2
			tail -n 5 "run/$1/log" >&2
			exit 1
		fi
		sleep 0.1
	done
}

# end N waits until server N has ended.
end() {
	if pid=$(pid_of "$1"); then
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
		echo "server $1 stopped"
	fi
	rm -f "run/$1/pid"
}

# status asks the first server that runs; it tells of the others, too.
status() {
	for n in $servers; do
		if pid_of "$n" >/dev/null; then
			"$zkd" status --config "run/$n/zkd.toml"
			return
		fi
	done
	echo "no server runs; make run starts them" >&2
	return 3
}

case ${1-} in
start)
	for n in $servers; do launch "$n"; done
	for n in $servers; do await "$n"; done
	status
	echo "try: curl localhost:8080/status; kill \$(cat run/3/pid); make status; make run; make stop ends them"
	;;
stop)
	for n in $servers; do
		if pid=$(pid_of "$n"); then kill "$pid"; fi
	done
	for n in $servers; do end "$n"; done
	;;
status) status ;;
*)
	echo "usage: local.sh start|stop|status" >&2
	exit 64
	;;
esac
