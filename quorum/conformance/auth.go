package conformance

import (
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var authCases = group{name: "auth", cases: []func(*T){
	digestIdentityOpensWhatItsACLNames,
	identityIsTheConnectionsOwn,
	anyDigestPasswordIsAccepted,
	digestTokenWithoutColonIsAccepted,
	unknownSchemeFailsAndClosesTheConnection,
	authWithWorldFailsAndClosesTheConnection,
	authWithIPIsAcceptedAndAddsNothing,
	superUserPassesEveryACL,
	superUserHasADigestIdentityToo,
	whoAmIShowsIPAndUserNames,
	authTakesEffectForTheRequestBehindIt,
}}

func digestIdentityOpensWhatItsACLNames(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{digestACL(zk.PermAll, "user:pw")}, zk.ModePersistent)
	_, _, err := c.GetData(p, false)
	t.refused(err, zk.ErrNoAuth)
	c.auth("user:other")
	_, _, err = c.GetData(p, false)
	t.refused(err, zk.ErrNoAuth)
	c.auth("user:pw")
	_, _, err = c.GetData(p, false)
	t.ok(err)
}

func identityIsTheConnectionsOwn(t *T) {
	c, other := t.open(), t.open()
	c.auth("user:pw")
	p := c.createWith(t.path("a"), nil, []proto.ACL{digestACL(zk.PermAll, "user:pw")}, zk.ModePersistent)
	_, _, err := other.GetData(p, false)
	t.refused(err, zk.ErrNoAuth)
}

func anyDigestPasswordIsAccepted(t *T) {
	c := t.open()
	for _, token := range []string{"user:pw", "user:", ":pw", ":", "a:b:c"} {
		t.ok(c.Auth("digest", []byte(token)))
	}
}

// A token without a colon is an identity with that whole name.
func digestTokenWithoutColonIsAccepted(t *T) {
	c := t.open()
	t.ok(c.Auth("digest", []byte("plain")))
	infos, err := c.WhoAmI()
	t.ok(err)
	if !slices.Contains(infos, proto.ClientInfo{Scheme: "digest", User: "plain"}) {
		t.Fatalf("got %v, want the user plain among them", infos)
	}
}

func unknownSchemeFailsAndClosesTheConnection(t *T) {
	c := t.open()
	t.refused(c.Auth("nonsense", []byte("x")), zk.ErrAuthFailed)
	t.closed(c)
	t.resume(c).ping() // the session stays
}

func authWithWorldFailsAndClosesTheConnection(t *T) {
	c := t.open()
	t.refused(c.Auth("world", []byte("anyone")), zk.ErrAuthFailed)
	t.closed(c)
}

func authWithIPIsAcceptedAndAddsNothing(t *T) {
	c := t.open()
	t.ok(c.Auth("ip", []byte("10.9.8.7")))
	p := c.createWith(t.path("a"), nil, []proto.ACL{zkACL(zk.PermRead, "ip", "10.9.8.7")}, zk.ModePersistent)
	_, _, err := c.GetData(p, false)
	t.refused(err, zk.ErrNoAuth)
}

func superUserPassesEveryACL(t *T) {
	c := t.open()
	locked := t.lockedNode("locked")
	c.auth(superPassword)
	_, _, err := c.GetData(locked, false)
	t.ok(err)
	c.set(locked, "x")
	c.create(locked+"/child", zk.ModePersistent)
	c.delete(locked + "/child")
	_, err = c.SetACL(locked, proto.OpenACL, -1)
	t.ok(err)
}

func superUserHasADigestIdentityToo(t *T) {
	c := t.open()
	c.auth(superPassword)
	p := c.createWith(t.path("a"), nil, []proto.ACL{zkACL(zk.PermAll, "auth", "")}, zk.ModePersistent)
	acl, _, err := c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL", acl, []proto.ACL{digestACL(zk.PermAll, superPassword)})
}

func whoAmIShowsIPAndUserNames(t *T) {
	c := t.open()
	infos, err := c.WhoAmI()
	t.ok(err)
	ip := proto.ClientInfo{Scheme: "ip", User: "127.0.0.1"}
	equalSlices(t, "infos before auth", infos, []proto.ClientInfo{ip})
	c.auth("user:pw")
	infos, err = c.WhoAmI()
	t.ok(err)
	if len(infos) != 2 || !slices.Contains(infos, ip) || !slices.Contains(infos, proto.ClientInfo{Scheme: "digest", User: "user"}) {
		t.Fatalf("infos after auth: %v", infos)
	}
}

func authTakesEffectForTheRequestBehindIt(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{digestACL(zk.PermRead, "user:pw")}, zk.ModePersistent)
	auth := proto.AuthRequest{Scheme: "digest", Auth: []byte("user:pw")}
	t.ok(c.SendXid(zk.XidAuth, zk.OpAuth, auth.Append(nil)))
	xid, err := c.Send(zk.OpGetData, getDataRecord(p))
	t.ok(err)
	equal(t, "auth", c.readReply(zk.XidAuth).Err, zk.OK)
	equal(t, "getData", c.readReply(xid).Err, zk.OK)
}
