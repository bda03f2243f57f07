package e2e

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// A session ends no sooner than its timeout after the last word of its client, and soon after that.
func TestSessionExpiry(t *testing.T) {
	s := startServer(t)
	watcher := dialGo(t, s.addr(), maxSessionTimeout)
	client := dialGo(t, s.addr(), 2*minSessionTimeout)
	checkPath(t, "/silent")(client.Create("/silent", nil, zk.FlagEphemeral, worldACL))
	session := client.SessionID()

	t.Run("a client that comes back in time keeps its session", func(t *testing.T) {
		before := client.attached()
		client.setOffline(true)
		client.setOffline(false)
		client.awaitAttached(t, before)
		if _, stat, err := client.Exists("/silent"); err != nil || client.SessionID() != session || stat.EphemeralOwner != session {
			t.Errorf("session %#x was %#x, owner %+v, %v", client.SessionID(), session, stat, err)
		}
	})

	t.Run("a client that stays away loses it", func(t *testing.T) {
		_, _, deleted, err := watcher.ExistsW("/silent")
		wantErr(t, nil, err)
		lastWord := time.Now()
		wantErr(t, nil, second(client.Set("/silent", nil, -1)))
		wantEvent(t, deleted, zk.EventNodeDataChanged, "/silent")
		_, _, deleted, err = watcher.ExistsW("/silent")
		wantErr(t, nil, err)
		before := client.attached()
		client.setOffline(true)
		wantEvent(t, deleted, zk.EventNodeDeleted, "/silent")
		if lived := time.Since(lastWord); lived < 2*minSessionTimeout || lived > 2*minSessionTimeout+2*tick+expirySlack {
			t.Errorf("the session lived for %v after its client's last word, its timeout is %v", lived, 2*minSessionTimeout)
		}
		client.setOffline(false)
		eventually(t, answerLimit, "the client hears of it", func() bool { return client.saw(zk.StateExpired) })
		client.awaitAttached(t, before)
		if client.SessionID() == session {
			t.Errorf("session %#x is back", session)
		}
	})
}

// SIGTERM is an operator's stop: it takes no data and no session.
func TestStopAndStart(t *testing.T) {
	s := startServer(t)
	client := dialGo(t, s.addr(), maxSessionTimeout)
	session := client.SessionID()
	checkPath(t, "/kept")(client.Create("/kept", []byte("data"), zk.FlagEphemeral, worldACL))
	before := client.attached()
	if status := s.stop(t); status != s.target.cleanStop {
		t.Errorf("exit status %d after SIGTERM, want %d", status, s.target.cleanStop)
	}
	s.start(t)
	client.awaitAttached(t, before)
	data, stat, err := client.Get("/kept")
	if err != nil || string(data) != "data" || stat.EphemeralOwner != session || client.SessionID() != session {
		t.Errorf("data %q, %+v, %v; session %#x was %#x", data, stat, err, client.SessionID(), session)
	}
}
