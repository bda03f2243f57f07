package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// FineTimer gives the calling goroutine a thread of its own, on which sleepUntil is exact to some
// ten microseconds; time.Sleep is no finer than a millisecond in an idle process. Call release at
// the end, from the same goroutine.
func FineTimer() (sleepUntil func(time.Time), release func()) {
	// A thread that returns from a sleep needs a processor of the scheduler: one more than the
	// others keep busy.
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + 1)
	runtime.LockOSThread()
	// The kernel may wake a thread late by its slack, 50 µs unless said: 1 ns. Without permission to
	// change it the timer is coarser.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return sleepThread, func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: the default again
		runtime.UnlockOSThread()
		runtime.GOMAXPROCS(before)
	}
}

// sleepThread sleeps on the thread itself, past the scheduler's timers.
func sleepThread(t time.Time) {
	for wait := time.Until(t); wait > 0; wait = time.Until(t) {
		nap := unix.NsecToTimespec(wait.Nanoseconds())
		_ = unix.Nanosleep(&nap, nil) // a signal ends it early: the loop goes on
	}
}
