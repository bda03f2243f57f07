package probe

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"zkd/daemon/admin"
	"zkd/quorum"
	"zkd/quorum/peer"
)

// Members asks the members of an ensemble on their client ports: role and zxid of another server are
// not told between servers. It is an [admin.Asker].
//
// All are asked at once, and each answer is good for MaxAge, so that a page that many look at costs
// the members one question every MaxAge.
type Members struct {
	Timeout time.Duration // of each question; 0 is 700 ms, so that who asks for all of it need not wait for long
	MaxAge  time.Duration // 0 is two seconds

	mu    sync.Mutex            // held while members are asked: who comes meanwhile waits for the same answers
	told  map[string]admin.Told // by address
	asked time.Time
}

// Ask implements [admin.Asker]. What ends ctx does not end the questions: others wait for them, too.
func (m *Members) Ask(ctx context.Context, addrs []string) map[string]admin.Told {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.asked.IsZero() && time.Since(m.asked) < orDefault(m.MaxAge, 2*time.Second) && m.knows(addrs) {
		return maps.Clone(m.told)
	}
	addrs = slices.Compact(slices.Sorted(slices.Values(addrs)))
	fresh := make(map[string]admin.Told, len(addrs))
	var mu sync.Mutex
	var questions sync.WaitGroup
	for _, addr := range addrs {
		questions.Go(func() {
			s, err := srvr(context.WithoutCancel(ctx), addr, orDefault(m.Timeout, 700*time.Millisecond))
			mu.Lock()
			defer mu.Unlock()
			fresh[addr] = toldOf(s, err)
		})
	}
	questions.Wait()
	m.asked = time.Now()
	for addr, t := range fresh {
		t.Client.Since = m.asked
		if before, ok := m.told[addr]; ok && before.Client.OK == t.Client.OK && before.Client.Class == t.Client.Class {
			t.Client.Since = before.Client.Since
		}
		fresh[addr] = t
	}
	m.told = fresh
	return maps.Clone(fresh)
}

// knows reports whether all of addrs were asked.
func (m *Members) knows(addrs []string) bool {
	return !slices.ContainsFunc(addrs, func(addr string) bool {
		_, ok := m.told[addr]
		return !ok
	})
}

func toldOf(s said, err error) admin.Told {
	if err == nil {
		return admin.Told{Client: quorum.Reach{Known: true, OK: true}, Role: s.role, Zxid: s.zxid}
	}
	t := admin.Told{Client: quorum.Reach{Known: true, Class: string(peer.Classify(err)), Error: err.Error()}, Zxid: -1}
	switch {
	case errors.Is(err, errMute):
		t.Client.Class = string(peer.Broken)
	case errors.Is(err, errNotAsked):
		t.Client.OK, t.Client.Class = true, "" // it is there, and clients are served for all we know
	}
	return t
}

func orDefault(d, normal time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return normal
}
