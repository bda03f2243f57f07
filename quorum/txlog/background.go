package txlog

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/vfs"
)

const (
	// markInterval is how old the mark may be while the log is written.
	markInterval = time.Second
	// markSyncs is the same for a log with Options.Inline, which knows no time.
	markSyncs = 16
)

// background does what need not be done while somebody waits for a Sync: allocating ahead,
// preparing the next file, giving back what left files have over, and the mark. One goroutine
// does it, woken by Sync; with Options.Inline, Sync itself.
type background struct {
	mark *markWriter // used with step held

	step sync.Mutex // held while any of the work is done; taken before mu

	mu          sync.Mutex
	current     *activeFile   // the file that is appended to
	left        []*activeFile // files to trim and close
	next        vfs.File      // the prepared file, nil for none
	nextSize    int64
	paused      bool // there is no room: no allocation before the next mark
	markPending bool // a mark is due within markInterval
	syncs       int

	kick chan struct{} // nil with Options.Inline
	quit chan struct{}
	done chan struct{}
}

// start starts the goroutine, or does the first work.
func (b *background) start(l *Log) {
	if l.o.Inline {
		b.work(l)
		return
	}
	b.kick, b.quit, b.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	b.kick <- struct{}{}
	go b.run(l)
}

// stop ends the goroutine and waits for it.
func (b *background) stop() {
	if b.quit != nil {
		close(b.quit)
		<-b.done
		b.quit = nil
	}
}

func (b *background) run(l *Log) {
	defer close(b.done)
	var due <-chan time.Time
	for {
		select {
		case <-b.quit:
			return
		case <-b.kick:
			b.work(l)
			b.mu.Lock()
			pending := b.markPending
			b.mu.Unlock()
			if pending && due == nil {
				due = time.After(markInterval)
			}
		case <-due:
			due = nil
			b.writeMark(l)
			b.work(l)
		}
	}
}

// afterSync is called with disk held whenever something has become durable.
func (b *background) afterSync(l *Log) {
	if l.o.Inline {
		b.work(l)
		if b.syncs++; b.syncs%markSyncs == 0 {
			b.writeMark(l)
		}
		return
	}
	b.mu.Lock()
	chunk := l.o.chunk()
	wake := !b.markPending || len(b.left) > 0 ||
		chunk > 0 && !b.paused && (b.next == nil || b.current.low(chunk))
	b.markPending = true
	b.mu.Unlock()
	if wake {
		select {
		case b.kick <- struct{}{}:
		default: // it has yet to look, and will see this too
		}
	}
}

// enter makes a file the one to allocate for.
func (b *background) enter(a *activeFile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = a
}

// leave hands the current file over to be trimmed and closed.
func (b *background) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != nil {
		b.left = append(b.left, b.current)
		b.current = nil
	}
}

// takeNext gives the prepared file its name. f is nil if none is ready.
func (b *background) takeNext(l *Log, name string) (f vfs.File, size int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock() // until it is renamed: preparing another would empty it
	if b.next == nil {
		return nil, 0, nil
	}
	f, size = b.next, b.nextSize
	b.next = nil
	if err := l.fs.Rename(path.Join(l.dir, nextName), name); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("txlog: make %s: %w", path.Base(name), err), f.Close())
	}
	return f, size, nil
}

// work does all of the work that is there but for the mark.
func (b *background) work(l *Log) {
	b.retire(l)
	b.step.Lock()
	defer b.step.Unlock()
	chunk := l.o.chunk()
	if chunk <= 0 || l.failed() != nil {
		return
	}
	b.mu.Lock()
	current, prepare, paused := b.current, b.next == nil, b.paused
	b.mu.Unlock()
	if paused {
		return
	}
	var err error
	if current != nil {
		err = current.allocate(l.fs, l.dir, chunk, !l.o.NoSync)
	}
	if err == nil && prepare {
		err = b.prepare(l, chunk)
	}
	var final *syncError
	if noRoom(err) && !errors.As(err, &final) {
		// Sync itself will say so when it finds no room.
		l.o.Logger.Warn("no room to allocate the transaction log ahead", zap.String("dir", l.dir), zap.Error(err))
		b.mu.Lock()
		b.paused = true
		b.mu.Unlock()
	} else if err != nil {
		l.o.Logger.Error("transaction log failed", zap.String("dir", l.dir), zap.Error(l.fail(err)))
	}
}

// noRoom reports whether err says that the disk or a quota is full, or that no more files may be open now: what
// is done ahead can wait.
func noRoom(err error) bool {
	for _, reason := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// prepare makes the file that will be the next log file. The caller holds step.
func (b *background) prepare(l *Log, chunk int64) error {
	name := path.Join(l.dir, nextName)
	f, err := newFile(l.fs, name, chunk, !l.o.NoSync)
	if err != nil {
		if noRoom(err) {
			err = errors.Join(err, l.fs.Remove(name)) // give back what it did take
		}
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next, b.nextSize = f, headerBytes+chunk
	return nil
}

// dropNext removes the prepared file.
func (b *background) dropNext(l *Log) error {
	b.mu.Lock()
	f := b.next
	b.next = nil
	b.mu.Unlock()
	if f == nil {
		return nil
	}
	if err := errors.Join(f.Close(), l.fs.Remove(path.Join(l.dir, nextName))); err != nil {
		return fmt.Errorf("txlog: remove %s: %w", nextName, err)
	}
	return nil
}

// retire trims and closes the files that were left. Their records are synced; zeros behind them that
// cannot be given back are harmless.
func (b *background) retire(l *Log) {
	b.step.Lock()
	defer b.step.Unlock()
	b.mu.Lock()
	left := b.left
	b.left = nil
	b.mu.Unlock()
	for _, a := range left {
		if err := errors.Join(a.trim(), a.f.Close()); err != nil {
			l.o.Logger.Warn("transaction log file keeps its padding", zap.String("file", fileName(a.first)), zap.Error(err))
		}
	}
}

// writeMark writes how far the log is durable.
func (b *background) writeMark(l *Log) {
	b.step.Lock()
	defer b.step.Unlock()
	b.mu.Lock()
	b.markPending, b.paused = false, false
	b.mu.Unlock()
	l.mu.Lock()
	m, err := l.synced, l.err
	l.mu.Unlock()
	if err != nil || l.o.NoSync {
		return
	}
	if err := b.mark.write(m); err != nil {
		l.o.Logger.Error("transaction log failed", zap.String("dir", l.dir), zap.Error(l.fail(err)))
	}
}

// release closes all files. The goroutine has ended.
func (b *background) release() {
	for _, a := range b.left {
		_ = a.f.Close()
	}
	if b.next != nil {
		_ = b.next.Close()
	}
	_ = b.mark.f.Close()
	b.left, b.next, b.current = nil, nil, nil
}
