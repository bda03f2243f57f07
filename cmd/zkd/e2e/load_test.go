package e2e

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"path"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/go-zookeeper/zk"
)

// A stamp is one acknowledged write with its place in the server's history. Writes that did not overlap must have
// their zxids in the order of time: that is checked first, because it is cheap and sharp.
type stamp struct {
	call, done time.Duration // since the start of the test
	zxid       int64
	what       string
}

// A fate is what became of a znode that the load created.
type fate int

const (
	acknowledged fate = iota // the client was told that it exists
	removed                  // the client was told that it is deleted
	uncertain                // a reply was lost
)

// A history is what the clients of one round did and were told.
type history struct {
	start time.Time
	floor int64 // a zxid below all of the round's

	mu        sync.Mutex
	registers []porcupine.Operation
	stamps    []stamp
	fates     map[string]fate   // by path, of created znodes whose path the client knows
	contents  map[string]string // their data, by path
	attempted map[string]bool   // data of sequential creates whose reply was lost
	pairs     []string          // prefix of each pair of znodes that one multi was to create
}

func newHistory(start time.Time, floor int64) *history {
	return &history{start: start, floor: floor, fates: map[string]fate{}, contents: map[string]string{}, attempted: map[string]bool{}}
}

func (h *history) now() time.Duration { return time.Since(h.start) }

func (h *history) record(client int, began time.Duration, call registerCall, reply registerReply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	op := porcupine.Operation{ClientId: client, Input: call, Call: int64(began), Output: reply, Return: int64(h.now())}
	if reply.lost {
		op.Return = math.MaxInt64
	}
	h.registers = append(h.registers, op)
}

func (h *history) acknowledge(began time.Duration, zxid int64, what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stamps = append(h.stamps, stamp{began, h.now(), zxid, what})
}

func (h *history) settle(path, content string, fate fate) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fates[path] = fate
	if content != "" {
		h.contents[path] = content
	}
}

// A worker is one client under load. It works on the registers root/reg-N and below root/nodes.
type worker struct {
	*goClient
	id        int
	session   int64 // which it must keep
	ephemeral string
	random    *rand.Rand
	count     int
	versions  map[string]int32 // of the registers, as last seen
	own       []string         // created znodes that it may delete
}

// lost reports whether an error leaves open what the server did.
func lost(err error) bool {
	var broken *net.OpError
	return errors.Is(err, zk.ErrConnectionClosed) || errors.As(err, &broken)
}

// unsent reports whether a call never left the client, because no server was there.
func unsent(err error) bool { return errors.Is(err, zk.ErrNoServer) }

// run works until stop is closed and returns an error that no client should see.
func (w *worker) run(h *history, root string, registers int, stop <-chan struct{}) error {
	w.versions, w.own = map[string]int32{}, nil
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		w.count++
		register := fmt.Sprintf("%s/reg-%d", root, w.random.IntN(registers))
		var err error
		switch w.random.IntN(8) {
		case 0, 1:
			err = w.readRegister(h, register)
		case 2:
			err = w.writeRegister(h, registerCall{kind: setRegister, path: register})
		case 3, 4:
			err = w.writeRegister(h, registerCall{kind: casRegister, path: register, version: w.versions[register]})
		case 5:
			err = w.create(h, root)
		case 6:
			err = w.createPair(h, root)
		case 7:
			err = w.deleteOwn(h)
		}
		if err != nil && !unsent(err) {
			return fmt.Errorf("worker %d: %w", w.id, err)
		}
	}
}

// unique is a value that nobody else writes.
func (w *worker) unique() string { return fmt.Sprintf("w%d-%d", w.id, w.count) }

func (w *worker) readRegister(h *history, path string) error {
	began := h.now()
	data, stat, err := w.Get(path)
	if err != nil {
		if lost(err) { // a lost read says nothing
			return nil
		}
		return err
	}
	w.versions[path] = stat.Version
	h.record(w.id, began, registerCall{kind: readRegister, path: path}, registerReply{value: string(data), version: stat.Version})
	return nil
}

func (w *worker) writeRegister(h *history, call registerCall) error {
	call.value = w.unique()
	version := int32(-1)
	if call.kind == casRegister {
		version = call.version
	}
	began := h.now()
	stat, err := w.Set(call.path, []byte(call.value), version)
	reply := registerReply{lost: lost(err), refused: errors.Is(err, zk.ErrBadVersion)}
	switch {
	case err == nil:
		reply.version = stat.Version
		w.versions[call.path] = stat.Version
		h.acknowledge(began, stat.Mzxid, "set "+call.path)
	case reply.refused:
		delete(w.versions, call.path) // the next read or write finds it
	case !reply.lost:
		return err
	}
	h.record(w.id, began, call, reply)
	return nil
}

func (w *worker) create(h *history, root string) error {
	content := w.unique()
	created, err := w.Create(root+"/nodes/n-", []byte(content), zk.FlagSequence, worldACL)
	switch {
	case err == nil:
		h.settle(created, content, acknowledged)
		w.own = append(w.own, created)
	case lost(err):
		h.mu.Lock()
		h.attempted[content] = true
		h.mu.Unlock()
	default:
		return err
	}
	return nil
}

func (w *worker) createPair(h *history, root string) error {
	content := w.unique()
	prefix := path.Join(root, "nodes", "pair-"+content)
	_, err := w.Multi(
		&zk.CreateRequest{Path: prefix + "-a", Data: []byte(content), Acl: worldACL},
		&zk.CreateRequest{Path: prefix + "-b", Data: []byte(content), Acl: worldACL},
	)
	if err != nil && !lost(err) {
		return err
	}
	fate := acknowledged
	if err != nil {
		fate = uncertain
	}
	h.settle(prefix+"-a", content, fate)
	h.settle(prefix+"-b", content, fate)
	h.mu.Lock()
	h.pairs = append(h.pairs, prefix)
	h.mu.Unlock()
	return nil
}

func (w *worker) deleteOwn(h *history) error {
	if len(w.own) == 0 {
		return nil
	}
	victim := w.own[len(w.own)-1]
	err := w.Delete(victim, -1)
	switch {
	case err == nil:
		h.settle(victim, "", removed)
	case lost(err):
		h.settle(victim, "", uncertain)
	default:
		return err
	}
	w.own = w.own[:len(w.own)-1]
	return nil
}
