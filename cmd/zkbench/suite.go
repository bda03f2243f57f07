package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"

	"zkd/cmd/zkbench/echo"
	"zkd/cmd/zkbench/peer"
)

// names of the servers.
const (
	zkdName    = "zkd"
	apacheName = "Apache"
	echoName   = "ceiling"
)

// suite is one benchmark: the workloads in turn on all servers, then what they hold.
type suite struct {
	options
	dir      string // where the servers keep their data
	progress io.Writer
	peers    []*peer.Peer
	runs     int
}

func (s *suite) say(format string, args ...any) {
	fmt.Fprintf(s.progress, format+"\n", args...)
}

// newPeer returns the server called name, with its data in a directory of dir.
func (s *suite) newPeer(name, dir string) *peer.Peer {
	var command peer.Command
	switch name {
	case zkdName:
		command = peer.ZKD(s.zkd)
	case apacheName:
		command = peer.Apache(s.java, s.apache, s.heap)
	case echoName:
		// A process of its own, as the others are, so that it pays for the same changes of context.
		command = func(_, addr string) []string { return []string{s.self, echoArgument, addr} }
	}
	return peer.New(name, filepath.Join(s.dir, dir), command)
}

// echoArgument makes the program the server of the ceiling; its address follows.
const echoArgument = "echo-server"

// serveEcho is that server. It ends with the process.
func serveEcho(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	f := keys()
	return echo.Serve(listener, f.appendData(nil, 0))
}

// measuredNames are the servers to compare, without the ceiling.
func (s *suite) measuredNames() []string {
	var names []string
	if s.zkd != "" {
		names = append(names, zkdName)
	}
	if s.apache != "" {
		names = append(names, apacheName)
	}
	return names
}

// run does all that the options ask for. What was measured until an error is in the report too.
func (s *suite) run(ctx context.Context) (*report, error) {
	r := &report{options: s.options, versions: map[string]string{}, peakBytes: map[string]int64{}, held: map[string]*capacity{}}
	defer func() {
		for _, p := range s.peers {
			p.Stop()
		}
	}()
	if err := s.runWorkloads(ctx, r); err != nil {
		return r, err
	}
	for _, part := range capacityParts {
		if !s.wants(part.name) {
			continue
		}
		for _, name := range s.measuredNames() {
			if r.held[name] == nil {
				r.held[name] = new(capacity)
			}
			if err := s.runCapacity(ctx, name, part, r.held[name]); err != nil {
				if ctx.Err() != nil {
					return r, ctx.Err()
				}
				r.fail("%s, %s: %v", part.name, name, err)
			}
		}
	}
	return r, nil
}

// runWorkloads fills the report's rows.
func (s *suite) runWorkloads(ctx context.Context, r *report) error {
	chosen := slices.DeleteFunc(workloads(), func(w workload) bool { return !s.wants(w.name) })
	if len(chosen) == 0 {
		return nil
	}
	for _, name := range append(s.measuredNames(), echoName) {
		p := s.newPeer(name, name)
		s.peers = append(s.peers, p)
		if _, err := p.Start(ctx); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
		if name != echoName {
			version, err := p.Version()
			if err != nil {
				return err
			}
			r.versions[name] = version
		}
	}
	for _, w := range chosen {
		row, err := s.runWorkload(ctx, w, r)
		r.rows = append(r.rows, row)
		if err != nil {
			return err
		}
	}
	for _, p := range s.peers {
		used, err := p.Usage()
		if err != nil {
			return err
		}
		r.peakBytes[p.Name] = used.PeakBytes
		p.Stop()
		if err := p.Wipe(); err != nil {
			return err
		}
	}
	s.peers = nil
	return nil
}

// runWorkload measures w on each server in turn, round by round. A server on which a run fails is
// left out of the row and started anew; an error is returned if that is impossible.
func (s *suite) runWorkload(ctx context.Context, w workload, r *report) (row, error) {
	result := row{workload: w, runs: map[string][]measured{}}
	failed := map[string]bool{}
	for round := range s.rounds {
		for _, p := range s.peers {
			if failed[p.Name] || p.Name == echoName && !w.echo {
				continue
			}
			one, err := s.runOnce(w, p)
			if ctx.Err() != nil {
				return result, ctx.Err()
			}
			if err != nil {
				failed[p.Name] = true
				delete(result.runs, p.Name)
				r.fail("%s, %s: %v", w.title, p.Name, err)
				p.Kill()
				if _, err := p.Start(ctx); err != nil {
					return result, err
				}
				continue
			}
			s.say("%-36s round %d  %-8s %v", w.title, round+1, p.Name, one)
			result.runs[p.Name] = append(result.runs[p.Name], one)
		}
	}
	return result, nil
}

// runOnce is one run of w on p.
func (s *suite) runOnce(w workload, p *peer.Peer) (measured, error) {
	s.runs++
	t, err := w.prepare(p.Addr, place{run: s.runs, echo: p.Name == echoName})
	if err != nil {
		return measured{}, fmt.Errorf("preparing: %w", err)
	}
	result, err := measure(p, t, s.warmup, s.duration)
	return result, errors.Join(err, t.close())
}
