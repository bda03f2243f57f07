package serve

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// complainEvery is how often the same complaint about clients is logged.
const complainEvery = time.Minute

// limiter lets a message of each class through once in complainEvery, so that clients cannot flood
// the log. The zero value is ready.
type limiter struct {
	mu   sync.Mutex
	last map[string]time.Time
	held map[string]int
}

// allow reports whether a message of class may be logged now, and how many were held back before.
func (l *limiter) allow(class string) (ok bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last, l.held = make(map[string]time.Time), make(map[string]int)
	}
	now := time.Now()
	if before, seen := l.last[class]; seen && now.Sub(before) < complainEvery {
		l.held[class]++
		return false, 0
	}
	suppressed = l.held[class]
	l.last[class], l.held[class] = now, 0
	return true, suppressed
}

// topHolders names the n addresses with the most connections. s.mu is held.
func (s *Server) topHolders(n int) string {
	type holder struct {
		addr  netip.Addr
		count int
	}
	var all []holder
	for addr, count := range s.perIP {
		all = append(all, holder{addr, count})
	}
	slices.SortFunc(all, func(a, b holder) int {
		return cmp.Or(cmp.Compare(b.count, a.count), a.addr.Compare(b.addr))
	})
	var text []string
	for _, h := range all[:min(n, len(all))] {
		text = append(text, fmt.Sprintf("%s (%d)", h.addr, h.count))
	}
	return strings.Join(text, ", ")
}
