package peer

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// Usage is what one process has used.
type Usage struct {
	CPU       time.Duration // user and system, of all threads
	RSSBytes  int64         // resident now
	PeakBytes int64         // the most that was ever resident
}

func usageOf(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	if u.CPU, err = cpuOf(stat); err != nil {
		return Usage{}, err
	}
	u.RSSBytes, u.PeakBytes = memoryOf(status, "VmRSS:"), memoryOf(status, "VmHWM:")
	return u, nil
}

// cpuOf reads utime and stime of a /proc/PID/stat: fields 14 and 15, but only the last parenthesis
// ends the second field, since a program's name may hold spaces and parentheses.
func cpuOf(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of %d fields behind the name", len(fields))
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * tick, err
}

// memoryOf reads one line, such as "VmRSS:  1024 kB", of a /proc/PID/status; 0 if it is not there.
func memoryOf(status []byte, label string) int64 {
	for line := range strings.Lines(string(status)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == label {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// Self returns the CPU time that the calling process has used.
func Self() (time.Duration, error) {
	u, err := usageOf(os.Getpid())
	return u.CPU, err
}

// Machine returns the CPU time that all processors together have spent on anything but idling, a
// hypervisor's theft included.
func Machine() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return machineOf(stat)
}

// machineOf reads the first line of /proc/stat: cpu user nice system idle iowait irq softirq steal.
func machineOf(stat []byte) (time.Duration, error) {
	line, _, _ := strings.Cut(string(stat), "\n")
	words := strings.Fields(line)
	if len(words) < 9 || words[0] != "cpu" {
		return 0, fmt.Errorf("first line of stat: %q", line)
	}
	var busy int64
	for i, word := range words[1:9] {
		ticks, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, err
		}
		if i != 3 && i != 4 { // idle, iowait
			busy += ticks
		}
	}
	return time.Duration(busy) * tick, nil
}
