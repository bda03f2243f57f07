//go:build java

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/go-zookeeper/zk"
)

// One data directory goes from server to server, each killed with -9 under way: every one finds the
// tree of the one before, to the last stat, none sees a digest that differs, and a client that stays
// keeps its session and its ephemeral through all of it.
func TestTheDataGoesFromServerToServer(t *testing.T) {
	for _, compression := range []string{"", "gz", "snappy"} {
		t.Run("compression "+compression, func(t *testing.T) {
			t.Setenv("ZKD_E2E_TARGET", "zkd")
			s := startServer(t, "snapCount=60", "extendedTypesEnabled=true", "snapshot.compression.method="+compression)
			client := dialGo(t, s.addr(), maxSessionTimeout)
			session := client.SessionID()
			checkPath(t, "/ephemeral")(client.Create("/ephemeral", nil, zk.FlagEphemeral, worldACL))
			random := rand.New(rand.NewPCG(7, uint64(len(compression))))
			for turn, next := range []target{apache38, zkdTarget, apache39, zkdTarget, zkdTarget, apache38} {
				change(t, client, random, turn)
				want := everything(t, client)
				before := client.attached()
				s.kill(t)
				s.target = next
				s.start(t)
				client.awaitAttached(t, before)
				if got := everything(t, client); !maps.EqualFunc(got, want, znode.equal) {
					t.Fatalf("%s: the tree differs: %s", next.name, difference(want, got))
				}
				if client.SessionID() != session {
					t.Fatalf("%s: session %#x was %#x", next.name, client.SessionID(), session)
				}
				if n := mismatches(t, s); n != "0" {
					t.Fatalf("%s: %s digest mismatches", next.name, n)
				}
			}
		})
	}
}

// change makes some two hundred changes of all kinds below a new znode.
func change(t *testing.T, c *goClient, random *rand.Rand, turn int) {
	t.Helper()
	root := fmt.Sprintf("/turn%d", turn)
	checkPath(t, root)(c.Create(root, nil, 0, worldACL))
	var paths []string
	for i := range 200 {
		if len(paths) == 0 || random.IntN(3) == 0 {
			parent := root
			if len(paths) > 0 && random.IntN(2) == 0 {
				parent = paths[random.IntN(len(paths))]
			}
			acl := worldACL
			if random.IntN(4) == 0 {
				acl = append(zk.DigestACL(zk.PermRead, "user", fmt.Sprint(random.IntN(3))), worldACL...)
			}
			flags := []int32{0, zk.FlagSequence}[random.IntN(2)]
			created, err := c.Create(fmt.Sprintf("%s/n%d-", parent, i), make([]byte, random.IntN(300)), flags, acl)
			wantErr(t, nil, err)
			paths = append(paths, created)
			continue
		}
		p := paths[random.IntN(len(paths))]
		switch random.IntN(4) {
		case 0:
			wantErr(t, nil, second(c.Set(p, fmt.Appendf(nil, "data %d", i), -1)))
		case 1:
			wantErr(t, nil, second(c.SetACL(p, worldACL, -1)))
		case 2:
			wantErr(t, nil, second(c.Multi(&zk.SetDataRequest{Path: p, Data: []byte("multi"), Version: -1},
				&zk.CreateRequest{Path: fmt.Sprintf("%s/m%d", root, i), Acl: worldACL})))
		case 3:
			if err := c.Delete(p, -1); err == nil {
				paths = slices.DeleteFunc(paths, func(other string) bool { return other == p })
			} else {
				wantErr(t, zk.ErrNotEmpty, err)
			}
		}
	}
}

// znode is all that a client can see of a znode.
type znode struct {
	data []byte
	stat zk.Stat
	acl  []zk.ACL
}

func (n znode) equal(other znode) bool {
	return bytes.Equal(n.data, other.data) && n.stat == other.stat && slices.Equal(n.acl, other.acl)
}

// everything returns all znodes but those that servers make for themselves.
func everything(t *testing.T, c *goClient) map[string]znode {
	t.Helper()
	all := make(map[string]znode)
	var walk func(p string)
	walk = func(p string) {
		if p == "/zookeeper" {
			return
		}
		var n znode
		data, stat, err := c.Get(p)
		wantErr(t, nil, err)
		n.data, n.stat = data, *stat
		n.acl, _, err = c.GetACL(p)
		wantErr(t, nil, err)
		all[p] = n
		children, _, err := c.Children(p)
		wantErr(t, nil, err)
		for _, name := range children {
			walk(path.Join(p, name))
		}
	}
	walk("/")
	return all
}

func difference(want, got map[string]znode) string {
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if n, ok := got[p]; !ok {
			return p + " is missing"
		} else if !n.equal(want[p]) {
			return fmt.Sprintf("%s is %+v, was %+v", p, n, want[p])
		}
	}
	return fmt.Sprintf("%d znodes, were %d", len(got), len(want))
}
