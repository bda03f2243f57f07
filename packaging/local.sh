#!/bin/sh
# Runs servers of this checkout in the background, for `make run`: local.sh start | stop | status.
#
# Everything lies below ./run, a directory for each server:
#
#	run/1/data  its data directory     run/1/log  its log     run/1/pid  its process
#
# Starting what runs already only shows it.
set -eu

cd "$(dirname "$0")/.."
servers=1
zkd=bin/zkd

# pid_of N: the process of server N, if it is one of ours.
pid_of() {
	pid=$(cat "run/$1/pid" 2>/dev/null) || return 1
	case $(readlink "/proc/$pid/exe" 2>/dev/null) in
	"$PWD/$zkd" | "$PWD/$zkd (deleted)") echo "$pid" ;; # deleted: built anew since
	*) return 1 ;;
	esac
}

start() {
	if pid=$(pid_of "$1"); then
		echo "server $1 runs already, process $pid"
		return
	fi
	mkdir -p "run/$1"
	[ ! -e "run/$1/log" ] || mv "run/$1/log" "run/$1/log.old"
	: >"run/$1/log"
	setsid "$zkd" run --data-dir "$PWD/run/$1/data" >"run/$1/log" 2>&1 </dev/null &
	echo $! >"run/$1/pid"
	tries=0
	until grep -q '"msg":"ready"' "run/$1/log"; do
		tries=$((tries + 1))
		if ! kill -0 "$(cat "run/$1/pid")" 2>/dev/null || [ $tries -gt 300 ]; then
			echo "server $1 did not start; the end of run/$1/log:" >&2
			tail -n 5 "run/$1/log" >&2
			rm -f "run/$1/pid"
			exit 1
		fi
		sleep 0.1
	done
	echo "server $1 started, process $(cat "run/$1/pid"), data in run/$1/data, log in run/$1/log"
}

stop() {
	if pid=$(pid_of "$1"); then
		kill "$pid"
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
		echo "server $1 stopped"
	fi
	rm -f "run/$1/pid"
}

case ${1-} in
start)
	for n in $servers; do start "$n"; done
	"$zkd" status
	echo "try: echo srvr | nc 127.0.0.1 2181; curl localhost:8080/status; make stop ends it"
	;;
stop) for n in $servers; do stop "$n"; done ;;
status) "$zkd" status ;;
*)
	echo "usage: local.sh start|stop|status" >&2
	exit 64
	;;
esac
