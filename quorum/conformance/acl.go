package conformance

import (
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var aclCases = group{name: "ACL", cases: []func(*T){
	getACLAnswersWithWhatWasSet,
	getACLOfNothingIsNoNode,
	getACLNeedsReadOrAdmin,
	getACLHidesDigestsFromWhoIsNotAdmin,
	setACLComparesAversion,
	setACLOfNothingIsNoNode,
	setACLNeedsAdmin,
	setACLPathIsCheckedBeforeTheACL,
	setACLIsFixedUpBeforeTheNodeIsLookedUp,
	setACLPermissionIsCheckedBeforeTheVersion,
	setACLWithNullOrEmptyListIsInvalidACL,
	duplicateACLEntriesAreStoredOnce,
	worldKnowsOnlyAnyone,
	unknownSchemeIsInvalidACL,
	digestIDHasTwoParts,
	ipIDIsAnAddressAndPrefix,
	ipv6IDIsAnAddressAndPrefix,
	authSchemeStandsForTheOwnIdentities,
	authSchemeWithoutIdentityIsInvalidACL,
	anEntryGrantsEachOfItsPermissions,
	permissionsOfSeveralEntriesAddUp,
	ipEntryLetsTheAddressIn,
	ipPrefixLetsTheNetworkIn,
	childrenDoNotInheritACLs,
	openNodeTellsTheWorldToDoAnything,
}}

// zkACL shortens what the tables below hold.
func zkACL(perms zk.Perm, scheme, id string) proto.ACL {
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: scheme, ID: id}}
}

func getACLAnswersWithWhatWasSet(t *T) {
	c := t.open()
	want := []proto.ACL{
		worldACL(zk.PermRead | zk.PermAdmin), zkACL(zk.PermAll, "ip", "10.0.0.0/8"),
		zkACL(zk.PermWrite, "digest", "user:hash"), zkACL(zk.PermAll, "ip", "192.168.7.1"),
	}
	p := c.createWith(t.path("a"), nil, want, zk.ModePersistent)
	got, stat, err := c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL", got, want)
	equal(t, "stat", stat, c.stat(p))

	want = []proto.ACL{worldACL(zk.PermAll)}
	_, err = c.SetACL(p, want, 0)
	t.ok(err)
	got, _, err = c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL", got, want)
}

func getACLOfNothingIsNoNode(t *T) {
	c := t.open()
	_, _, err := c.GetACL(t.path("a"))
	t.refused(err, zk.ErrNoNode)
}

func getACLNeedsReadOrAdmin(t *T) {
	c := t.open()
	for name, perms := range map[string]zk.Perm{"read": zk.PermRead, "admin": zk.PermAdmin, "both": zk.PermRead | zk.PermAdmin} {
		p := c.createWith(t.path(name), nil, []proto.ACL{worldACL(perms)}, zk.ModePersistent)
		_, _, err := c.GetACL(p)
		t.ok(err)
	}
	p := c.createWith(t.path("neither"), nil, []proto.ACL{worldACL(zk.PermWrite | zk.PermCreate | zk.PermDelete)}, zk.ModePersistent)
	_, _, err := c.GetACL(p)
	t.refused(err, zk.ErrNoAuth)
}

func getACLHidesDigestsFromWhoIsNotAdmin(t *T) {
	c := t.open()
	stored := []proto.ACL{worldACL(zk.PermRead), zkACL(zk.PermAll, "digest", digestID("boss:pw")), zkACL(zk.PermRead, "ip", "10.1.1.1")}
	p := c.createWith(t.path("a"), nil, stored, zk.ModePersistent)
	acl, _, err := c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL without ADMIN", acl, []proto.ACL{stored[0], zkACL(zk.PermAll, "digest", "boss:x"), stored[2]})
	c.auth("boss:pw")
	acl, _, err = c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL with ADMIN", acl, stored)
}

func setACLComparesAversion(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.set(p, "moves version and not aversion")
	_, err := c.SetACL(p, proto.OpenACL, 1)
	t.refused(err, zk.ErrBadVersion)
	stat, err := c.SetACL(p, proto.OpenACL, 0)
	t.ok(err)
	equal(t, "aversion", stat.Aversion, 1)
}

func setACLOfNothingIsNoNode(t *T) {
	c := t.open()
	_, err := c.SetACL(t.path("a"), proto.OpenACL, -1)
	t.refused(err, zk.ErrNoNode)
}

func setACLNeedsAdmin(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{worldACL(zk.PermAll &^ zk.PermAdmin)}, zk.ModePersistent)
	_, err := c.SetACL(p, proto.OpenACL, -1)
	t.refused(err, zk.ErrNoAuth)
}

func setACLPathIsCheckedBeforeTheACL(t *T) {
	c := t.open()
	_, err := c.SetACL(t.path("a")+"/", nil, -1)
	t.refused(err, zk.ErrBadArguments)
}

func setACLIsFixedUpBeforeTheNodeIsLookedUp(t *T) {
	c := t.open()
	_, err := c.SetACL(t.path("a"), []proto.ACL{zkACL(zk.PermAll, "nonsense", "x")}, -1)
	t.refused(err, zk.ErrInvalidACL)
}

func setACLPermissionIsCheckedBeforeTheVersion(t *T) {
	c := t.open()
	_, err := c.SetACL(t.lockedNode("locked"), proto.OpenACL, 5)
	t.refused(err, zk.ErrNoAuth)
}

func setACLWithNullOrEmptyListIsInvalidACL(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	for _, acl := range [][]proto.ACL{nil, {}} {
		_, err := c.SetACL(p, acl, -1)
		t.refused(err, zk.ErrInvalidACL)
	}
}

func duplicateACLEntriesAreStoredOnce(t *T) {
	c := t.open()
	a, b := worldACL(zk.PermAll), zkACL(zk.PermRead, "ip", "10.0.0.1")
	p := c.createWith(t.path("a"), nil, []proto.ACL{a, b, a, b, a}, zk.ModePersistent)
	acl, _, err := c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL", acl, []proto.ACL{a, b})
}

// aclVerdicts creates a node with each ACL alone.
func aclVerdicts(t *T, verdicts map[proto.ID]zk.Code) {
	t.Helper()
	c, p := t.open(), t.path("a")
	for id, want := range verdicts {
		_, err := c.Create(p, nil, []proto.ACL{{Perms: zk.PermAll, ID: id}}, zk.ModePersistent)
		if want == zk.OK {
			if err != nil {
				t.Errorf("%v: %v", id, err)
			} else {
				c.delete(p)
			}
		} else if err != want {
			t.Errorf("%v: got %v, want %v", id, err, want)
			c.Delete(p, -1)
		}
	}
}

func worldKnowsOnlyAnyone(t *T) {
	aclVerdicts(t, map[proto.ID]zk.Code{
		{Scheme: "world", ID: "anyone"}:  zk.OK,
		{Scheme: "world", ID: "someone"}: zk.ErrInvalidACL,
		{Scheme: "world", ID: ""}:        zk.ErrInvalidACL,
		{Scheme: "World", ID: "anyone"}:  zk.ErrInvalidACL,
	})
}

func unknownSchemeIsInvalidACL(t *T) {
	aclVerdicts(t, map[proto.ID]zk.Code{
		{Scheme: "nonsense", ID: "x"}: zk.ErrInvalidACL,
		{Scheme: "", ID: ""}:          zk.ErrInvalidACL,
		{Scheme: "super", ID: ""}:     zk.ErrInvalidACL,
	})
}

func digestIDHasTwoParts(t *T) {
	aclVerdicts(t, map[proto.ID]zk.Code{
		{Scheme: "digest", ID: "user:hash"}:   zk.OK,
		{Scheme: "digest", ID: "user"}:        zk.ErrInvalidACL,
		{Scheme: "digest", ID: ""}:            zk.ErrInvalidACL,
		{Scheme: "digest", ID: "user:"}:       zk.ErrInvalidACL, // Java's split drops empty parts at the end
		{Scheme: "digest", ID: ":hash"}:       zk.OK,
		{Scheme: "digest", ID: "user:hash:x"}: zk.ErrInvalidACL,
		{Scheme: "digest", ID: "user:hash:"}:  zk.OK,
		{Scheme: "digest", ID: ":"}:           zk.ErrInvalidACL,
	})
}

func ipIDIsAnAddressAndPrefix(t *T) {
	aclVerdicts(t, map[proto.ID]zk.Code{
		{Scheme: "ip", ID: "10.1.2.3"}:       zk.OK,
		{Scheme: "ip", ID: "10.1.2.3/0"}:     zk.OK,
		{Scheme: "ip", ID: "10.1.2.3/8"}:     zk.OK,
		{Scheme: "ip", ID: "10.1.2.3/32"}:    zk.OK,
		{Scheme: "ip", ID: "10.1.2.3/33"}:    zk.ErrInvalidACL,
		{Scheme: "ip", ID: "10.1.2.3/-1"}:    zk.ErrInvalidACL,
		{Scheme: "ip", ID: "10.1.2.3/x"}:     zk.ErrInvalidACL,
		{Scheme: "ip", ID: "10.1.2"}:         zk.ErrInvalidACL,
		{Scheme: "ip", ID: "10.1.2.256"}:     zk.ErrInvalidACL,
		{Scheme: "ip", ID: "10.1.2.3.4"}:     zk.ErrInvalidACL,
		{Scheme: "ip", ID: "localhost"}:      zk.ErrInvalidACL,
		{Scheme: "ip", ID: ""}:               zk.ErrInvalidACL,
		{Scheme: "ip", ID: "::ffff:1.2.3.4"}: zk.ErrInvalidACL,
	})
}

func ipv6IDIsAnAddressAndPrefix(t *T) {
	v6 := zk.OK
	if !t.has(ipv6ACL) {
		v6 = zk.ErrInvalidACL
	}
	aclVerdicts(t, map[proto.ID]zk.Code{
		{Scheme: "ip", ID: "::1"}:             v6,
		{Scheme: "ip", ID: "fe80::1/64"}:      v6,
		{Scheme: "ip", ID: "2001:db8::/128"}:  v6,
		{Scheme: "ip", ID: "2001:db8::/129"}:  zk.ErrInvalidACL,
		{Scheme: "ip", ID: "1:2:3:4:5:6:7"}:   zk.ErrInvalidACL,
		{Scheme: "ip", ID: "1:2:3:4:5:6:7:g"}: zk.ErrInvalidACL,
	})
}

func authSchemeStandsForTheOwnIdentities(t *T) {
	c := t.open()
	c.auth("one:1")
	c.auth("two:2")
	p := c.createWith(t.path("a"), nil, []proto.ACL{zkACL(zk.PermAll, "auth", "whatever")}, zk.ModePersistent)
	acl, _, err := c.GetACL(p)
	t.ok(err)
	got := map[string]bool{}
	for _, a := range acl {
		equal(t, "scheme", a.ID.Scheme, "digest")
		equal(t, "permissions", a.Perms, zk.PermAll)
		got[a.ID.ID] = true
	}
	if len(acl) != 2 || !got[digestID("one:1")] || !got[digestID("two:2")] {
		t.Fatalf("got %v, want the digests of both identities", acl)
	}
}

func authSchemeWithoutIdentityIsInvalidACL(t *T) {
	aclVerdicts(t, map[proto.ID]zk.Code{{Scheme: "auth", ID: ""}: zk.ErrInvalidACL})
}

func anEntryGrantsEachOfItsPermissions(t *T) {
	for name, perms := range map[string]zk.Perm{
		"none": 0, "r": zk.PermRead, "w": zk.PermWrite, "c": zk.PermCreate, "d": zk.PermDelete, "a": zk.PermAdmin, "all": zk.PermAll,
	} {
		c := t.open()
		c.auth("friend:pw")
		friend := digestACL(perms, "friend:pw")
		p := c.createWith(t.path(name), nil, []proto.ACL{worldACL(zk.PermCreate), friend}, zk.ModePersistent)
		c.create(p+"/child", zk.ModePersistent)
		_, err := c.SetACL(p, []proto.ACL{friend}, -1)
		if perms&zk.PermAdmin == 0 {
			t.refused(err, zk.ErrNoAuth)
			p = c.createWith(t.path(name+"2"), nil, []proto.ACL{friend}, zk.ModePersistent)
		} else {
			t.ok(err)
		}
		verdict := func(needed zk.Perm, err error, otherwise error) {
			t.Helper()
			if perms&needed == 0 {
				t.refused(err, zk.ErrNoAuth)
			} else if err != otherwise {
				t.Fatalf("perms %v: got %v, want %v", perms, err, otherwise)
			}
		}
		_, _, err = c.GetData(p, false)
		verdict(zk.PermRead, err, nil)
		_, err = c.SetData(p, nil, -1)
		verdict(zk.PermWrite, err, nil)
		_, err = c.Create(p+"/x", nil, proto.OpenACL, zk.ModePersistent)
		verdict(zk.PermCreate, err, nil)
		verdict(zk.PermDelete, c.Delete(p+"/nothing", -1), zk.ErrNoNode)
	}
}

func permissionsOfSeveralEntriesAddUp(t *T) {
	c := t.open()
	c.auth("one:1")
	acl := []proto.ACL{worldACL(zk.PermRead), digestACL(zk.PermWrite, "one:1"), digestACL(zk.PermCreate, "two:2")}
	p := c.createWith(t.path("a"), nil, acl, zk.ModePersistent)
	_, _, err := c.GetData(p, false)
	t.ok(err)
	_, err = c.SetData(p, nil, -1)
	t.ok(err)
	_, err = c.Create(p+"/x", nil, proto.OpenACL, zk.ModePersistent)
	t.refused(err, zk.ErrNoAuth)
}

func (t *T) readableUnder(name string, acl proto.ACL) error {
	c := t.open()
	p := c.createWith(t.path(name), nil, []proto.ACL{acl}, zk.ModePersistent)
	_, _, err := c.GetData(p, false)
	return err
}

func ipEntryLetsTheAddressIn(t *T) {
	t.ok(t.readableUnder("a", zkACL(zk.PermRead, "ip", "127.0.0.1")))
	t.refused(t.readableUnder("b", zkACL(zk.PermRead, "ip", "127.0.0.2")), zk.ErrNoAuth)
}

func ipPrefixLetsTheNetworkIn(t *T) {
	for id, in := range map[string]bool{
		"127.0.0.0/8": true, "127.255.255.255/8": true, "127.0.0.0/31": true, "0.0.0.0/0": true, "255.1.2.3/0": true,
		"128.0.0.0/8": false, "127.0.0.2/31": false, "127.0.0.0/32": false,
	} {
		err := t.readableUnder(strings.ReplaceAll(id, "/", "-"), zkACL(zk.PermRead, "ip", id))
		if in {
			t.ok(err)
		} else {
			t.refused(err, zk.ErrNoAuth)
		}
	}
}

func childrenDoNotInheritACLs(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{worldACL(zk.PermCreate)}, zk.ModePersistent)
	child := c.create(p+"/child", zk.ModePersistent)
	_, _, err := c.GetData(child, false)
	t.ok(err)
}

func openNodeTellsTheWorldToDoAnything(t *T) {
	c := t.open()
	acl, _, err := c.GetACL("/")
	t.ok(err)
	equalSlices(t, "ACL of /", acl, proto.OpenACL)
}
