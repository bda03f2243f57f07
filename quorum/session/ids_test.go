package session

import (
	"encoding/hex"
	"testing"

	"zkd/quorum/zk"
)

// The passwords are what java.util.Random(id ^ 0xB3415C00L).nextBytes gave on OpenJDK 17. Only 48
// bits of an id count, so that the top byte but one differs without effect.
func TestPasswordsAreThoseOfJava(t *testing.T) {
	for id, want := range map[zk.SessionID]string{
		0x1:                 "054cc74a37327db215e702e20c73f005",
		0x100001b43830000:   "df0737e780e5a9535583887dc9911c77",
		-1:                  "20f62cb5648dc2d771471c8a2486a9ee",
		-0x7fffffffffffffff: "054cc74a37327db215e702e20c73f005",
		0x7fffffffffffffff:  "20f62cb5648dc2d771471c8a2486a9ee",
		-0x1fffffe74301a98:  "dc6741f51d10964acdef78fd6be9b485", // of server 254
	} {
		got := Password(id)
		if hex.EncodeToString(got[:]) != want {
			t.Errorf("Password(%v) = %x, want %s", id, got, want)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	good := Password(0x100001b43830000)
	zero := Password(0)
	wrong := good
	wrong[15] ^= 1
	tests := map[string]struct {
		id     zk.SessionID
		passwd []byte
		want   bool
	}{
		"the session's own password":      {0x100001b43830000, good[:], true},
		"one bit wrong":                   {0x100001b43830000, wrong[:], false},
		"another session's password":      {0x100001b43830001, good[:], false},
		"too short":                       {0x100001b43830000, good[:15], false},
		"too long":                        {0x100001b43830000, append(good[:], 0), false},
		"null":                            {0x100001b43830000, nil, false},
		"nothing opens session 0":         {0, zero[:], false},
		"sixteen zero bytes open nothing": {1, make([]byte, 16), false},
	}
	for name, tt := range tests {
		if got := CheckPassword(tt.id, tt.passwd); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Expected values come from Java's expression (ms << 24) >>> 8 | sid << 56.
func TestFirstIDHasServerAndMilliseconds(t *testing.T) {
	tests := map[string]struct {
		server     zk.ServerID
		wallMillis int64
		want       uint64
	}{
		"server 1":                       {1, 1700000000000, 0x018bcfe568000000},
		"server 254 makes negative ids":  {254, 1700000000000, 0xfe8bcfe568000000},
		"only 40 bits of the time count": {3, 1<<40 + 5, 0x0300000000050000},
		"the container mark is avoided":  {128, 1 << 40, 0x8000000000000001},
	}
	for name, tt := range tests {
		if got := FirstID(tt.server, tt.wallMillis); uint64(got) != tt.want {
			t.Errorf("%s: FirstID(%d, %d) = %v, want %#x", name, tt.server, tt.wallMillis, got, tt.want)
		}
	}
}

func TestNextIDCountsUpAndAvoidsTheContainerMark(t *testing.T) {
	if got := NextID(0x10000000000ffff); got != 0x100000000010000 {
		t.Errorf("NextID = %v", got)
	}
	if got := NextID(0x7fffffffffffffff); uint64(got) != 0x8000000000000001 {
		t.Errorf("NextID before the mark = %v", got)
	}
}
