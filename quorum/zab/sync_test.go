package zab

import (
	"testing"

	"zkd/quorum/zk"
)

// fakeHistory is a log with a floor and some records.
type fakeHistory struct {
	floor   zk.Zxid
	records []zk.Zxid
}

func (h fakeHistory) Last() zk.Zxid {
	if n := len(h.records); n > 0 {
		return h.records[n-1]
	}
	return h.floor
}

func (h fakeHistory) Locate(z zk.Zxid) (at zk.Zxid, record, ok bool) {
	if z < h.floor {
		return 0, false, false
	}
	at = h.floor
	for _, r := range h.records {
		if r <= z {
			at, record = r, true
		}
	}
	return at, record, true
}

func z(e zk.Epoch, counter uint32) zk.Zxid { return zk.MakeZxid(e, counter) }

// Rows of table 4.1 of the protocol reference, with what zkd does otherwise and why. The leader leads
// epoch 7. Its log begins behind a snapshot at 3.5; in epoch 4 nothing was ever proposed, though there
// was a leader; of its own proposals 7.1 to 7.6, it has 7.3 durable and applied, and 7.4 is committed.
func TestSyncDecision(t *testing.T) {
	history := fakeHistory{z(3, 5), []zk.Zxid{
		z(3, 6), z(3, 7), z(5, 1), z(5, 2), z(6, 1), z(6, 2), z(6, 3), z(7, 1), z(7, 2), z(7, 3),
	}}
	established := func() *Leader {
		l := &Leader{
			cfg: LeaderConfig{History: history}, phase: active, epoch: 7,
			last: z(7, 6), proposed: z(7, 6), durable: z(7, 3), delivered: z(7, 3), tally: newTally(zk.NewView(1, 2, 3), 7),
		}
		l.tally.committed = z(7, 4)
		return l
	}
	elected := func() *Leader {
		return &Leader{
			cfg: LeaderConfig{History: fakeHistory{history.floor, history.records[:7]}}, phase: gatherSynced, epoch: 7,
			last: z(7, 0), proposed: z(7, 0), durable: z(6, 3), delivered: z(6, 3), tally: newTally(zk.NewView(1, 2, 3), 7),
		}
	}
	laggard := func() *Leader { // others, of which it knows nothing, had an epoch 6
		l := elected()
		l.cfg.History = fakeHistory{history.floor, history.records[:4]}
		l.durable, l.delivered = z(5, 2), z(5, 2)
		return l
	}
	early := func() *Leader { // established, and nothing proposed yet
		l := laggard()
		l.phase = active
		return l
	}
	empty := func() *Leader {
		return &Leader{cfg: LeaderConfig{History: fakeHistory{}}, phase: gatherSynced, epoch: 1, last: z(1, 0), proposed: z(1, 0), tally: newTally(zk.NewView(1, 2, 3), 1)}
	}
	tests := map[string]struct {
		leader   func() *Leader
		last     zk.Zxid
		observer bool
		want     plan
	}{
		"row 1: a learner that asks for a snapshot says 0 (R12)":                       {established, 0, false, plan{Snap, z(7, 3)}},
		"ZOOKEEPER-4352: a learner at 0 gets the base data, also from an empty leader": {empty, 0, false, plan{Snap, 0}},
		"a database that its own server does not trust":                                {established, -1, false, plan{Snap, z(7, 3)}},

		"row 2: at the leader's end":                               {elected, z(6, 3), false, plan{Diff, z(6, 3)}},
		"row 2: at what the leader has applied":                    {established, z(7, 3), false, plan{Diff, z(7, 3)}},
		"ahead of the leader's own disk, at what is committed":     {established, z(7, 4), false, plan{Diff, z(7, 4)}},
		"an observer ahead of the leader's disk":                   {established, z(7, 4), true, plan{Diff, z(7, 4)}},
		"with a proposal that is not committed: cut that, no more": {established, z(7, 6), false, plan{Trunc, z(7, 4)}},
		"with a txn of this epoch that was never proposed":         {established, z(7, 7), false, plan{Snap, z(7, 3)}},
		"an observer with what is not committed is foreign":        {established, z(7, 6), true, plan{Snap, z(7, 3)}},
		"of this epoch before anything was proposed":               {elected, z(7, 1), false, plan{Snap, z(6, 3)}},

		"row 3: a tail of the leader's last epoch that was never committed": {elected, z(6, 9), false, plan{Trunc, z(6, 3)}},
		"row 3 differs: Java would send TRUNC across epochs":                {elected, z(8, 1), false, plan{Snap, z(6, 3)}},
		"row 3 differs: a tail of an epoch in which nothing was committed":  {elected, z(4, 2), false, plan{Snap, z(6, 3)}},
		"row 3, before the leader is established: a tail of a later epoch, which a Java learner would keep beside a snapshot": {
			laggard, z(6, 4), false, plan{Trunc, z(5, 2)}},
		"the same of an observer":                                             {laggard, z(6, 4), true, plan{Snap, z(5, 2)}},
		"the same, with nothing to cut at":                                    {empty, z(1, 0) - 1, false, plan{Snap, 0}},
		"once it is established, a snapshot ends above all earlier epochs":    {early, z(6, 4), false, plan{Snap, z(7, 0)}},
		"row 3: a tail of an older epoch is cut where the two part":           {elected, z(5, 9), false, plan{Trunc, z(5, 2)}},
		"an observer with a tail is foreign":                                  {elected, z(5, 9), true, plan{Snap, z(6, 3)}},
		"a learner within the log":                                            {established, z(5, 1), false, plan{Diff, z(5, 1)}},
		"row 4: a learner at the end of an older epoch":                       {established, z(3, 7), false, plan{Diff, z(3, 7)}},
		"row 4: an observer within the log":                                   {established, z(6, 2), true, plan{Diff, z(6, 2)}},
		"row 5: at the floor all that follows is in the log":                  {established, z(3, 5), false, plan{Diff, z(3, 5)}},
		"row 5, ZOOKEEPER-2099: below the floor the log proves nothing (R13)": {established, z(3, 4), false, plan{Snap, z(7, 3)}},
		"row 5: an epoch before the log begins":                               {established, z(2, 1), false, plan{Snap, z(7, 3)}},

		"row 6 differs: e<<32 of a later epoch names the history that it began with": {elected, z(7, 0), false, plan{Diff, z(6, 3)}},
		"e<<32 of an epoch without txns":                                             {established, z(4, 0), false, plan{Diff, z(3, 7)}},
		"e<<32 of an epoch with txns":                                                {established, z(6, 0), false, plan{Diff, z(5, 2)}},
		"e<<32 of the leader's own epoch, where txns followed":                       {established, z(7, 0), false, plan{Diff, z(6, 3)}},
		"e<<32 below the floor":                                                      {established, z(3, 0), false, plan{Snap, z(7, 3)}},
		"e<<32 of an epoch that this ensemble has not reached":                       {elected, z(9, 0), false, plan{Snap, z(6, 3)}},
		"a txn of an epoch that this ensemble has not reached":                       {established, z(9, 3), false, plan{Snap, z(7, 3)}},
		"a learner with an empty log but a snapshot as the floor":                    {established, z(3, 5), true, plan{Diff, z(3, 5)}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.leader().planSync(tc.last, tc.observer); got != tc.want {
				t.Errorf("planSync(%v, observer %v) = %v at %v, want %v at %v", tc.last, tc.observer, got.mode, got.at, tc.want.mode, tc.want.at)
			}
		})
	}
}

// A tail that parts from this history right behind the floor cannot be cut by TRUNC: the floor is the
// end of a snapshot, and a server that has it from a snapshot has no such record (R11).
func TestR11NeverTruncatesToASnapshotBoundary(t *testing.T) {
	l := &Leader{
		cfg: LeaderConfig{History: fakeHistory{floor: z(6, 3)}}, phase: gatherSynced, epoch: 7,
		last: z(7, 0), proposed: z(7, 0), durable: z(6, 3), delivered: z(6, 3), tally: newTally(zk.NewView(1, 2, 3), 7),
	}
	if got, want := l.planSync(z(6, 4), false), (plan{Snap, z(6, 3)}); got != want {
		t.Errorf("got %v at %v, want %v at %v", got.mode, got.at, want.mode, want.at)
	}
}

func TestWindow(t *testing.T) {
	var w window
	for c := range uint32(2000) {
		w.add(Txn{z(1, c+1), make([]byte, 10)})
		if c >= 100 {
			w.dropUpto(z(1, c+1-100))
		}
		if want := min(int(c)+1, 100); w.len() != want {
			t.Fatalf("after %d: %d kept, want %d", c+1, w.len(), want)
		}
	}
	if got := w.bytesAfter(z(1, 1990)); got != 100 {
		t.Errorf("10 txns of 10 bytes are %d bytes", got)
	}
	if got := w.bytesAfter(0); got != 1000 {
		t.Errorf("100 txns of 10 bytes are %d bytes", got)
	}
	if got := w.between(z(1, 1950), z(1, 1952)); len(got) != 2 || got[0].Zxid != z(1, 1951) {
		t.Errorf("between: %v", got)
	}
	w.add(Txn{z(2, 1), nil})
	for zxid, want := range map[zk.Zxid]int{z(1, 1900): 0, z(1, 1901): 1, z(1, 2000): 100, z(2, 0): 100, z(2, 1): 101, z(3, 0): 101} {
		if got := w.upto(zxid); got != want {
			t.Errorf("%d txns up to %v, want %d", got, zxid, want)
		}
	}
	if w.dropUpto(z(9, 0)); w.len() != 0 || w.bytesAfter(0) != 0 {
		t.Errorf("%d txns, %d bytes left", w.len(), w.bytesAfter(0))
	}
	if w.add(Txn{z(9, 1), make([]byte, 7)}); w.bytesAfter(0) != 7 {
		t.Errorf("%d bytes, want 7", w.bytesAfter(0))
	}
}
