package keeper

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// cable is of a host with one interface, whose addresses change.
type cable struct {
	mu      sync.Mutex
	addrs   string
	changed func()
	deaf    error
}

func (c *cable) interfaces() ([]Interface, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []Interface{{"eth0", parsePrefixes(c.addrs)}}, nil
}

func (c *cable) watch(ctx context.Context, changed func()) error {
	c.mu.Lock()
	c.changed = changed
	c.mu.Unlock()
	if c.deaf != nil {
		return c.deaf
	}
	<-ctx.Done()
	return nil
}

func (c *cable) set(addrs string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addrs = addrs
	if c.deaf == nil {
		c.changed()
	}
}

// Who comes from a new subnet is let in at once, and who comes from the old one not shut out at once.
func TestTheClientsFollowTheAddressesOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := &cable{addrs: "10.1.0.1/24"}
		w.deps.Interfaces, w.deps.WatchInterfaces = c.interfaces, c.watch
		cfg := config()
		cfg.ClientListen = []string{":2181"}
		w.start(t, cfg)
		synctest.Wait()
		expect := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got := elements(t, w.kernel, "zkd", "clients4"); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		c.set("")
		time.Sleep(time.Minute)
		expect("a minute without a cable", "10.1.0.0/24")
		c.set("10.1.0.1/24")
		time.Sleep(time.Second)
		expect("with the cable back", "10.1.0.0/24")
		c.set("10.2.0.1/24")
		time.Sleep(time.Second)
		expect("a second after the renumbering", "10.1.0.0/24 10.2.0.0/24")
		time.Sleep(linger + resolveEvery)
		expect("a while after it", "10.2.0.0/24")
	})
}

func TestWithoutWordOfAddressesTheyAreLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := &cable{addrs: "10.1.0.1/24", deaf: errors.New("no group")}
		w.deps.Interfaces, w.deps.WatchInterfaces = c.interfaces, c.watch
		cfg := config()
		cfg.ClientListen = []string{":2181"}
		w.start(t, cfg)
		synctest.Wait()
		c.set("10.1.0.1/24 10.2.0.1/24")
		time.Sleep(resolveEvery)
		synctest.Wait()
		if got := elements(t, w.kernel, "zkd", "clients4"); got != "10.1.0.0/24 10.2.0.0/24" {
			t.Errorf("clients4: %s", got)
		}
		time.Sleep(time.Minute)
		if n := w.said("changes of the addresses of this host are not heard of, and looked for every half minute only"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}
