package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/peer"
)

// measured is what one run of a workload found.
type measured struct {
	perSecond float64
	p50, p99  time.Duration
	cpuPerOp  time.Duration // of the server
	noise     float64       // share of the machine that neither server nor generator used
}

// String is the line that tells of the run while the benchmark goes on.
func (m measured) String() string {
	return fmt.Sprintf("%.0f ops/s, p50 %v, p99 %v, %v of server CPU per operation, noise %.0f %%",
		m.perSecond, m.p50.Round(time.Microsecond), m.p99.Round(time.Microsecond), m.cpuPerOp.Round(10*time.Nanosecond), m.noise*100)
}

// usage is the CPU time used up to one moment.
type usage struct {
	at                    time.Time
	server, self, machine time.Duration
}

func usageNow(p *peer.Peer) (usage, error) {
	u, err := usageWithoutServer()
	used, serverErr := p.Usage()
	u.server = used.CPU
	return u, errors.Join(err, serverErr)
}

// usageWithoutServer is usageNow of a server that has not started.
func usageWithoutServer() (usage, error) {
	self, selfErr := peer.Self()
	machine, machineErr := peer.Machine()
	return usage{at: time.Now(), self: self, machine: machine}, errors.Join(selfErr, machineErr)
}

// measure runs t and takes the CPU times at both ends of the counted part of its window.
func measure(p *peer.Peer, t trial, warmup, duration time.Duration) (measured, error) {
	w := load.NewWindow(warmup, duration)
	type readings struct {
		begin, end usage
		err        error
	}
	done := make(chan readings)
	go func() {
		var r readings
		var err1, err2 error
		time.Sleep(time.Until(w.Begin))
		r.begin, err1 = usageNow(p)
		time.Sleep(time.Until(w.End))
		r.end, err2 = usageNow(p)
		r.err = errors.Join(err1, err2)
		done <- r
	}()
	latency, err := t.run(w)
	r := <-done
	switch {
	case err != nil:
		return measured{}, err
	case r.err != nil:
		return measured{}, r.err
	case latency.Count() == 0:
		return measured{}, errors.New("no operation was completed")
	}
	return summary(latency, r.begin, r.end, duration), nil
}

// summary turns what was counted within duration into a result.
func summary(latency *load.Histogram, begin, end usage, duration time.Duration) measured {
	span := end.at.Sub(begin.at)
	server := end.server - begin.server
	return measured{
		perSecond: float64(latency.Count()) / duration.Seconds(),
		p50:       latency.Quantile(0.5),
		p99:       latency.Quantile(0.99),
		// Operations are counted over duration, CPU over span: a little longer where timers were late.
		cpuPerOp: time.Duration(float64(server) * float64(duration) / float64(span) / float64(latency.Count())),
		noise:    noiseBetween(begin, end),
	}
}

// noiseBetween is the share of the machine that neither the server nor this program used. Times in
// /proc are counted in ticks, so a little may be missing: never less than 0.
func noiseBetween(begin, end usage) float64 {
	others := end.machine - begin.machine - (end.server - begin.server) - (end.self - begin.self)
	return max(0, float64(others)/float64(end.at.Sub(begin.at))/float64(runtime.NumCPU()))
}
