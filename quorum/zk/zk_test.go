package zk

import (
	"math"
	"strings"
	"testing"
)

func TestZxid(t *testing.T) {
	z := MakeZxid(5, 7)
	if z != 0x5_0000_0007 || z.Epoch() != 5 || z.Counter() != 7 || z.String() != "0x500000007" {
		t.Errorf("got %v, epoch %d, counter %d", z, z.Epoch(), z.Counter())
	}
	if s := Zxid(-1).String(); s != "0xffffffffffffffff" {
		t.Errorf("no vote is %s", s)
	}
	next, ok := z.Next()
	if next != 0x5_0000_0008 || !ok {
		t.Errorf("next of %v: %v, %v", z, next, ok)
	}
	if _, ok := MakeZxid(5, math.MaxUint32-1).Next(); ok {
		t.Error("the counter may be spent to its last value")
	}
}

func TestZxidFollows(t *testing.T) {
	for name, test := range map[string]struct {
		prev, z Zxid
		want    bool
	}{
		"the next counter of the epoch follows":             {0x1_0000_0001, 0x1_0000_0002, true},
		"the first txn of a history follows nothing":        {0, 1, true},
		"a gap in the epoch does not":                       {0x1_0000_0001, 0x1_0000_0003, false},
		"the same zxid does not":                            {0x1_0000_0001, 0x1_0000_0001, false},
		"an earlier zxid does not":                          {0x1_0000_0002, 0x1_0000_0001, false},
		"the first txn of the next epoch follows":           {0x1_0000_0009, 0x2_0000_0001, true},
		"the first txn of a later epoch follows":            {0x1_0000_0009, 0x7_0000_0001, true},
		"a later txn of the next epoch does not":            {0x1_0000_0009, 0x2_0000_0002, false},
		"NEWLEADER of the next epoch is no txn":             {0x1_0000_0009, 0x2_0000_0000, false},
		"an earlier epoch does not":                         {0x2_0000_0001, 0x1_0000_0001, false},
		"the second txn follows in an epoch without others": {0x2_0000_0000, 0x2_0000_0001, true},
	} {
		if got := test.z.Follows(test.prev); got != test.want {
			t.Errorf("%s: %v after %v: got %v", name, test.z, test.prev, got)
		}
	}
}

func TestKindOf(t *testing.T) {
	const session = 0x0100001b43830002
	for name, test := range map[string]struct {
		owner    int64
		extended bool
		want     OwnerKind
	}{
		"no owner is persistent":                                 {0, true, Persistent},
		"a session is ephemeral":                                 {session, true, Ephemeral},
		"the least long is a container":                          {math.MinInt64, true, Container},
		"a container needs no extended types":                    {math.MinInt64, false, Container},
		"a TTL of one millisecond":                               {TTLOwner(1), true, TTL},
		"the longest TTL":                                        {TTLOwner(MaxTTLMillis), true, TTL},
		"a TTL owner is a session without extended types":        {TTLOwner(1000), false, Ephemeral},
		"an owner of another extended feature is a session":      {int64(-1)<<56 | 1<<40, true, Ephemeral},
		"an owner with a top byte of 0xfe is a session":          {int64(-2) << 56, true, Ephemeral},
		"minus one, all features and all bits set, is a session": {-1, true, Ephemeral},
	} {
		if got := KindOf(test.owner, test.extended); got != test.want {
			t.Errorf("%s: %#x: got %d, want %d", name, uint64(test.owner), got, test.want)
		}
	}
}

func TestTTLOwnerHoldsItsTTL(t *testing.T) {
	for _, ttl := range []int64{1, 1000, MaxTTLMillis} {
		owner := TTLOwner(ttl)
		if got := OwnerTTLMillis(owner); got != ttl || uint64(owner)>>56 != 0xff {
			t.Errorf("ttl %d: owner %#x holds %d", ttl, uint64(owner), got)
		}
	}
}

func TestCreateModes(t *testing.T) {
	for mode, want := range map[CreateMode]struct{ valid, ephemeral, sequential, ttl bool }{
		-1:                          {},
		ModePersistent:              {valid: true},
		ModeEphemeral:               {valid: true, ephemeral: true},
		ModePersistentSequential:    {valid: true, sequential: true},
		ModeEphemeralSequential:     {valid: true, ephemeral: true, sequential: true},
		ModeContainer:               {valid: true},
		ModePersistentTTL:           {valid: true, ttl: true},
		ModePersistentSequentialTTL: {valid: true, sequential: true, ttl: true},
		7:                           {},
	} {
		got := struct{ valid, ephemeral, sequential, ttl bool }{mode.Valid(), mode.Ephemeral(), mode.Sequential(), mode.TTL()}
		if got != want {
			t.Errorf("mode %d: got %+v, want %+v", mode, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		OpGetAllChildrenNumber.String():        "getAllChildrenNumber",
		OpError.String():                       "error",
		Op(99).String():                        "99",
		ErrNoNode.Error():                      "no node (-101)",
		Code(-7).Error():                       "error code -7",
		SessionID(0x0100001b43830002).String(): "0x100001b43830002",
		SessionID(-1).String():                 "0xffffffffffffffff",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for code := range codeNames {
		if code != OK && !strings.HasSuffix(code.Error(), ")") {
			t.Errorf("%q does not show its number", code.Error())
		}
	}
}
