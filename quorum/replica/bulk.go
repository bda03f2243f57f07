package replica

import (
	"runtime"
	"syscall"
)

// bulkNice is the nice value of bulk work: a tenth of a processor where others want it too.
const bulkNice = 10

// bulk does work on a thread of lower priority, and returns when it is done: taking over a leader's snapshot keeps two
// processors busy for a while, in a process that serves nobody meanwhile, and what else runs on the host should not feel
// it. In a process that serves clients this would be wrong: a thread that has to wait keeps one of the
// scheduler's processors.
func bulk(work func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		lowerPriority()
		work()
	}()
	<-done
}

// lowerPriority gives the calling goroutine a thread of its own with the priority of bulk work, to the goroutine's end:
// no thread gets a higher priority again without privileges, so this one ends with it.
func lowerPriority() {
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), bulkNice) // without it the work is done all the same
}
