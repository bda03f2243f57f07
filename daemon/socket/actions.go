package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/admin"
	"zkd/quorum"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// How long what was asked for may take, and how often it is looked for.
const (
	killTimeout     = 10 * time.Second
	handOverTimeout = 30 * time.Second
	lookEvery       = 50 * time.Millisecond
)

// none is a request without anything in it.
type none struct{}

// Session is one session.
type Session struct {
	ID            string     `json:"id"`
	TimeoutMillis int32      `json:"timeout_ms"`
	ExpiresAt     *time.Time `json:"expires_at"` // null where only the leader knows
	Client        string     `json:"client"`     // "" if no connection of this server holds it
	Ephemerals    []string   `json:"ephemerals"`
}

// Sessions is the answer of /sessions/list, in the order of ids.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

func (s *Server) listSessions(context.Context, none) (Sessions, error) {
	list := Sessions{Sessions: []Session{}}
	for _, info := range s.o.Source.Sessions() {
		one := Session{ID: info.ID.String(), TimeoutMillis: info.TimeoutMillis, Client: info.Remote, Ephemerals: append([]string{}, info.Ephemerals...)}
		if !info.ExpiresAt.IsZero() {
			at := info.ExpiresAt.UTC()
			one.ExpiresAt = &at
		}
		list.Sessions = append(list.Sessions, one)
	}
	slices.SortFunc(list.Sessions, func(a, b Session) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// Kill names sessions to be ended.
type Kill struct {
	IDs []string `json:"ids"`
}

// Killed says which have ended, and which there were not.
type Killed struct {
	Killed  []string `json:"killed"`
	Unknown []string `json:"unknown"`
}

func (s *Server) killSessions(ctx context.Context, k Kill) (Killed, error) {
	done := Killed{Killed: []string{}, Unknown: []string{}}
	var ids []zk.SessionID
	for _, text := range k.IDs {
		id, err := ParseSessionID(text)
		if err != nil {
			return done, refuse(http.StatusBadRequest, err.Error())
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return done, refuse(http.StatusBadRequest, "no session is named")
	}
	if err := s.serving(); err != nil {
		return done, err
	}
	var ending []zk.SessionID
	for _, id := range ids {
		if s.o.Source.CloseSession(id) != nil {
			done.Unknown = append(done.Unknown, id.String())
			continue
		}
		s.log(ctx, "session ended by an operator", zap.Stringer("session", id))
		ending = append(ending, id)
	}
	err := s.await(ctx, killTimeout, func() bool {
		left := s.o.Source.Sessions()
		return !slices.ContainsFunc(left, func(info quorum.SessionInfo) bool { return slices.Contains(ending, info.ID) })
	})
	if err != nil {
		return done, refuse(http.StatusServiceUnavailable, "the end of the sessions is asked for and not confirmed yet: "+err.Error())
	}
	for _, id := range ending {
		done.Killed = append(done.Killed, id.String())
	}
	return done, nil
}

// ParseSessionID reads an id as the log, dump and /sessions/list write it: in hexadecimal, with or without 0x.
func ParseSessionID(text string) (zk.SessionID, error) {
	digits := text
	if len(text) > 2 && text[:2] == "0x" {
		digits = text[2:]
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no session: write its id in hexadecimal, as zkd session list does", text)
	}
	return zk.SessionID(n), nil
}

// serving returns an error where a change could not be made.
func (s *Server) serving() error {
	if st := s.o.Source.Status(); !st.Serving {
		return refuse(http.StatusServiceUnavailable, "the server does not serve: "+admin.WhyNotServing(st))
	}
	return nil
}

// await waits until it is so.
func (s *Server) await(ctx context.Context, timeout time.Duration, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Connection is one client connection.
type Connection struct {
	Client         string    `json:"client"`
	Session        string    `json:"session"` // "" before the client has one
	TimeoutMillis  int32     `json:"timeout_ms"`
	Established    time.Time `json:"established"`
	Queued         int       `json:"queued"`
	Received       int64     `json:"received"`
	Sent           int64     `json:"sent"`
	LastOp         string    `json:"last_op"`
	AvgLatencyMs   float64   `json:"avg_latency_ms"`
	MaxLatencyMs   float64   `json:"max_latency_ms"`
	LastZxid       string    `json:"last_zxid"`
	LastResponseAt time.Time `json:"last_response"`
}

// Connections is the answer of /connections/list, in the order of addresses.
type Connections struct {
	Connections []Connection `json:"connections"`
}

func (s *Server) listConnections(context.Context, none) (Connections, error) {
	list := Connections{Connections: []Connection{}}
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, c := range s.o.Source.Connections() {
		one := Connection{Client: c.Remote, TimeoutMillis: c.TimeoutMillis, Established: c.Established.UTC(), Queued: c.Queued,
			Received: c.Received, Sent: c.Sent, LastOp: c.LastOp, AvgLatencyMs: millis(c.AvgLatency), MaxLatencyMs: millis(c.MaxLatency),
			LastZxid: c.LastZxid.String(), LastResponseAt: c.LastResponse.UTC()}
		if c.Session != 0 {
			one.Session = c.Session.String()
		}
		list.Connections = append(list.Connections, one)
	}
	return list, nil
}

// Shed says which share of the connections to close, from 1 to 100.
type Shed struct {
	Percent int `json:"percent"`
}

// HasShed says how many were closed.
type HasShed struct {
	Closed int `json:"closed"`
}

func (s *Server) shedConnections(ctx context.Context, shed Shed) (HasShed, error) {
	if shed.Percent < 1 || shed.Percent > 100 {
		return HasShed{}, refuse(http.StatusBadRequest, "percent must be from 1 to 100")
	}
	n := s.o.Source.ShedConnections(shed.Percent)
	s.log(ctx, "connections shed by an operator", zap.Int("percent", shed.Percent), zap.Int("closed", n))
	return HasShed{n}, nil
}

// HandedOver says who leads now.
type HandedOver struct {
	Leader int64 `json:"leader"`
}

func (s *Server) handOver(ctx context.Context, _ none) (HandedOver, error) {
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	s.log(ctx, "an operator asks this server to hand over")
	st := s.o.Source.Status()
	own := st.ID
	leader, err := s.o.Source.HandOver(ctx)
	switch {
	case errors.Is(err, quorum.ErrNotLeading) && st.Ensemble == nil:
		return HandedOver{}, refuse(http.StatusConflict, "this server stands alone: there is nobody to hand over to")
	case errors.Is(err, quorum.ErrNotLeading) && st.Ensemble.Leader != 0:
		return HandedOver{}, refuse(http.StatusConflict, fmt.Sprintf("%v: server %d does", err, st.Ensemble.Leader))
	case errors.Is(err, quorum.ErrNotLeading), errors.Is(err, quorum.ErrNoSuccessor):
		return HandedOver{}, refuse(http.StatusConflict, err.Error())
	case err != nil:
		return HandedOver{}, refuse(http.StatusServiceUnavailable, err.Error())
	case leader == own:
		return HandedOver{}, refuse(http.StatusConflict, "the others did not elect one of them in time: this server leads again")
	}
	return HandedOver{int64(leader)}, nil
}

// snapshotHeader has the name of the snapshot that is the body.
const snapshotHeader = "Zkd-Snapshot"

func (s *Server) saveSnapshot(w http.ResponseWriter, r *http.Request) {
	file, name, err := s.newSnapshot(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		fail(w, err)
		return
	}
	s.log(r.Context(), "snapshot given to an operator", zap.String("file", name))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	w.Header().Set(snapshotHeader, name)
	if _, err := io.Copy(w, file); err != nil {
		s.o.Logger.Warn("snapshot not given to its end", zap.String("file", name), zap.Error(err))
	}
}

// newSnapshot has one written, waiting for one that is under way to end, and opens it: then a purge cannot take it away.
func (s *Server) newSnapshot(ctx context.Context) (file *os.File, name string, err error) {
	if err := s.serving(); err != nil {
		return nil, "", err
	}
	var zxid zk.Zxid
	for {
		zxid, err = s.o.Source.Snapshot(ctx)
		if !errors.Is(err, replica.ErrSnapshotBusy) {
			break
		}
		if err := s.serving(); err != nil {
			return nil, "", err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("the server could not write a snapshot: %w", err)
	}
	all, err := snap.List(vfs.OS(), s.o.SnapshotDir)
	if err != nil {
		return nil, "", err
	}
	for _, c := range all {
		if c.Zxid == zxid {
			file, err := os.Open(filepath.Join(s.o.SnapshotDir, c.Name))
			return file, c.Name, err
		}
	}
	return nil, "", fmt.Errorf("the snapshot at %v, written just now, is not in %s", zxid, s.o.SnapshotDir)
}
