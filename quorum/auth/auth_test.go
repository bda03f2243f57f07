package auth

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// bob is the identity of bob:secret; the hash is what Java's SHA1 gave.
var bob = proto.ID{Scheme: "digest", ID: "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="}

func newAuth(t testing.TB, cfg Config) *Auth {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ace(perms zk.Perm, scheme, id string) proto.ACL {
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: scheme, ID: id}}
}

func TestAllowed(t *testing.T) {
	home := proto.ID{Scheme: "ip", ID: "192.168.1.7"}
	super := proto.ID{Scheme: "super"}
	readOnly := []proto.ACL{ace(zk.PermRead, "world", "anyone")}
	bobs := []proto.ACL{ace(zk.PermRead|zk.PermWrite, bob.Scheme, bob.ID), ace(zk.PermAdmin, "ip", "192.168.0.0/16")}
	tests := map[string]struct {
		acl  []proto.ACL
		perm zk.Perm
		ids  []proto.ID
		want bool
	}{
		"no acl allows everything":                    {nil, zk.PermAll, nil, true},
		"world has what it is given":                  {readOnly, zk.PermRead, []proto.ID{home}, true},
		"and no more":                                 {readOnly, zk.PermWrite, []proto.ID{home}, false},
		"one permission of those asked for is enough": {readOnly, zk.PermRead | zk.PermAdmin, nil, true},
		"super skips the acl":                         {readOnly, zk.PermAdmin, []proto.ID{home, super}, true},
		"super in an acl means nobody":                {[]proto.ACL{ace(zk.PermAll, "super", "x")}, zk.PermRead, []proto.ID{home}, false},
		"world with another id means nobody":          {[]proto.ACL{ace(zk.PermAll, "world", "x")}, zk.PermRead, []proto.ID{{Scheme: "world", ID: "x"}}, false},
		"a digest identity matches":                   {bobs, zk.PermWrite, []proto.ID{home, bob}, true},
		"the same text under another scheme does not": {bobs, zk.PermWrite, []proto.ID{{Scheme: "ip", ID: bob.ID}}, false},
		"an address in the network matches":           {bobs, zk.PermAdmin, []proto.ID{home}, true},
		"an address outside does not":                 {bobs, zk.PermAdmin, []proto.ID{{Scheme: "ip", ID: "192.169.0.1"}}, false},
		"no identity, no permission":                  {bobs, zk.PermRead, nil, false},
		"an unknown scheme means nobody":              {[]proto.ACL{ace(zk.PermAll, "sasl", "bob")}, zk.PermRead, []proto.ID{{Scheme: "sasl", ID: "bob"}}, false},
	}
	a := newAuth(t, Config{DigestEnabled: true})
	for name, tt := range tests {
		if got := a.Allowed(tt.acl, tt.perm, tt.ids); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if !newAuth(t, Config{SkipACL: true}).Allowed(tt.acl, tt.perm, tt.ids) {
			t.Errorf("%s: refused although ACLs are skipped", name)
		}
	}
	noDigest := newAuth(t, Config{})
	if noDigest.Allowed(bobs, zk.PermRead, []proto.ID{bob}) {
		t.Error("a digest identity counts although the scheme is off")
	}
}

func TestFixup(t *testing.T) {
	alice := proto.ID{Scheme: "digest", ID: "alice:hash"}
	ip := proto.ID{Scheme: "ip", ID: "10.0.0.1"}
	super := proto.ID{Scheme: "super"}
	tests := map[string]struct {
		acl, want []proto.ACL
		ids       []proto.ID
		code      zk.Code
	}{
		"null is refused":  {code: zk.ErrInvalidACL},
		"empty is refused": {acl: []proto.ACL{}, code: zk.ErrInvalidACL},
		"open stays open":  {acl: proto.OpenACL, want: proto.OpenACL},
		"order is kept and duplicates go": {
			acl:  []proto.ACL{ace(1, "world", "anyone"), ace(31, "ip", "10.0.0.0/8"), ace(1, "world", "anyone")},
			want: []proto.ACL{ace(1, "world", "anyone"), ace(31, "ip", "10.0.0.0/8")},
		},
		"the same identity with other permissions is no duplicate": {
			acl:  []proto.ACL{ace(1, "world", "anyone"), ace(2, "world", "anyone")},
			want: []proto.ACL{ace(1, "world", "anyone"), ace(2, "world", "anyone")},
		},
		"auth becomes every authenticated identity": {
			acl:  []proto.ACL{ace(31, "auth", ""), ace(1, "world", "anyone")},
			ids:  []proto.ID{ip, super, bob, alice},
			want: []proto.ACL{ace(31, "digest", bob.ID), ace(31, "digest", alice.ID), ace(1, "world", "anyone")},
		},
		"auth without an authenticated identity is refused": {acl: []proto.ACL{ace(31, "auth", "x")}, ids: []proto.ID{ip, super}, code: zk.ErrInvalidACL},
		"world knows anyone only":                           {acl: []proto.ACL{ace(31, "world", "somebody")}, code: zk.ErrInvalidACL},
		"an unknown scheme is refused":                      {acl: []proto.ACL{ace(31, "sasl", "bob")}, code: zk.ErrInvalidACL},
		"super is not for ACLs":                             {acl: []proto.ACL{ace(31, "super", "")}, code: zk.ErrInvalidACL},
		"a null scheme is refused":                          {acl: []proto.ACL{ace(31, "", "")}, code: zk.ErrInvalidACL},
		"a digest without a hash is refused":                {acl: []proto.ACL{ace(31, "digest", "bob")}, code: zk.ErrInvalidACL},
		"one bad entry spoils the rest":                     {acl: []proto.ACL{ace(31, "world", "anyone"), ace(31, "ip", "nowhere")}, code: zk.ErrInvalidACL},
	}
	a := newAuth(t, Config{DigestEnabled: true})
	for name, tt := range tests {
		got, code := a.Fixup(tt.acl, tt.ids)
		if code != tt.code || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v %v, want %v %v", name, got, code, tt.want, tt.code)
		}
	}
	if _, code := newAuth(t, Config{SkipACL: true}).Fixup([]proto.ACL{ace(31, "digest", bob.ID)}, nil); code != zk.ErrInvalidACL {
		t.Errorf("a digest entry with the scheme off: %v, want an invalid ACL even if ACLs are skipped", code)
	}
}

func TestAuthenticate(t *testing.T) {
	a := newAuth(t, Config{DigestEnabled: true, SuperDigest: bob.ID})
	tests := map[string]struct {
		scheme, token string
		want          []proto.ID
		code          zk.Code
	}{
		"super also has its digest identity": {"digest", "bob:secret", []proto.ID{{Scheme: "super"}, bob}, zk.OK},
		"a wrong password is an identity":    {"digest", "bob:wrong", []proto.ID{{Scheme: "digest", ID: "bob:7e5oQdf4IqOAJ9OLk9OTl5I4cwM="}}, zk.OK},
		"the user ends at the first colon":   {"digest", "a:b:c", []proto.ID{{Scheme: "digest", ID: "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0="}}, zk.OK},
		"ip adds nothing":                    {"ip", "1.2.3.4", nil, zk.OK},
		"world is not a scheme":              {"world", "anyone", nil, zk.ErrAuthFailed},
		"super cannot be asked for":          {"super", "", nil, zk.ErrAuthFailed},
		"an unknown scheme":                  {"sasl", "x", nil, zk.ErrAuthFailed},
	}
	for name, tt := range tests {
		got, code := a.Authenticate(tt.scheme, []byte(tt.token))
		if code != tt.code || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v %v, want %v %v", name, got, code, tt.want, tt.code)
		}
	}
	if _, code := a.Authenticate("digest", nil); code != zk.ErrAuthFailed {
		t.Errorf("a null token: %v", code)
	}
	if _, code := newAuth(t, Config{}).Authenticate("digest", []byte("a:b")); code != zk.ErrAuthFailed {
		t.Errorf("digest although it is off: %v", code)
	}
}

// The hashes are what java.security.MessageDigest gave for bob:secret.
func TestDigestAlgorithmsHaveTheirJavaNames(t *testing.T) {
	for alg, want := range map[string]string{
		"":            "fyVmFCwVbTJYrznoSu1koqYEYF0=",
		"SHA1":        "fyVmFCwVbTJYrznoSu1koqYEYF0=",
		"sha-256":     "huAluaVu3uER4LIpielGv9Qqk5x3YVDr6I2R/mXf2wE=",
		"SHA3-256":    "ukO6WgYOvbjGYGRnCevsZ2T9tQ3ynirMDLl7Q45X6Rc=",
		"MD5":         "pasriMfeJxH/y5wk/opUWg==",
		"SHA-512/256": "Og/IurIw/GdzbFYQ/Z98uLvNTACkWBakgqXV2r5V1Zw=",
	} {
		ids, code := newAuth(t, Config{DigestEnabled: true, DigestAlg: alg}).Authenticate("digest", []byte("bob:secret"))
		if code != zk.OK || len(ids) != 1 || ids[0].ID != "bob:"+want {
			t.Errorf("%s: %v %v, want %s", alg, ids, code, want)
		}
	}
	if _, err := New(Config{DigestEnabled: true, DigestAlg: "ROT13"}); err == nil {
		t.Error("an unknown algorithm was accepted")
	}
}

func TestDigestIDsSplitAsInJava(t *testing.T) {
	for id, want := range map[string]bool{
		"a:b": true, ":b": true, "a:b:": true, "a:b::": true,
		"": false, "a": false, "a:": false, ":": false, "::": false, "a:b:c": false, "a::b": false,
	} {
		if got := (digestScheme{}).Valid(id); got != want {
			t.Errorf("Valid(%q) = %v, want %v", id, got, want)
		}
	}
}

func TestUserName(t *testing.T) {
	a := newAuth(t, Config{DigestEnabled: true})
	for id, want := range map[proto.ID]string{
		bob:                                 "bob",
		{Scheme: "ip", ID: "10.1.2.3"}:      "10.1.2.3",
		{Scheme: "super"}:                   "",
		{Scheme: "digest", ID: ":x"}:        "",
		{Scheme: "unheard of", ID: "a:b:c"}: "",
	} {
		if got := a.UserName(id); got != want {
			t.Errorf("UserName(%v) = %q, want %q", id, got, want)
		}
	}
}

func TestRemoteIDsHaveJavasAddressText(t *testing.T) {
	for ip, want := range map[string]string{
		"10.1.2.3":          "10.1.2.3",
		"::ffff:10.1.2.3":   "10.1.2.3",
		"::1":               "0:0:0:0:0:0:0:1",
		"2001:db8::ff00:42": "2001:db8:0:0:0:0:ff00:42",
		"fe80::1%eth0":      "fe80:0:0:0:0:0:0:1",
	} {
		got := newAuth(t, Config{}).RemoteIDs(netip.MustParseAddr(ip))
		if len(got) != 1 || got[0] != (proto.ID{Scheme: "ip", ID: want}) {
			t.Errorf("RemoteIDs(%s) = %v, want %s", ip, got, want)
		}
	}
}

func BenchmarkAllowedByNetwork(b *testing.B) {
	a := newAuth(b, Config{DigestEnabled: true})
	acl := []proto.ACL{ace(zk.PermRead, bob.Scheme, bob.ID), ace(zk.PermRead, "ip", "10.0.0.0/8")}
	ids := []proto.ID{{Scheme: "ip", ID: "10.3.2.1"}, {Scheme: "digest", ID: "alice:hash"}}
	b.ReportAllocs()
	for b.Loop() {
		if !a.Allowed(acl, zk.PermRead, ids) {
			b.Fatal("refused")
		}
	}
}
