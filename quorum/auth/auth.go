// Package auth decides who a client is and what it may do: authentication schemes, identities and
// the check of an ACL.
//
// An identity is a pair of scheme and id. A connection collects identities: its address when it is
// accepted, others by auth requests. An ACL lists identities with the permissions that each has;
// there is no inheritance from parent to child and no order of precedence: one matching entry is
// enough.
//
//	scheme  id in an ACL               a connection has it by
//	world   anyone                     being connected
//	auth    (anything)                 not stored: replaced by the identities of who sets the ACL
//	digest  user:base64(hash)          an auth request with user:password
//	ip      address or address/bits    its remote address
//	super   (never in an ACL)          a digest auth request with the configured super user
//
// The room knows no connection: it turns tokens and addresses into identities and compares them.
// An [Auth] never changes after [New] and is safe for concurrent use.
package auth

import (
	"net/netip"
	"slices"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Schemes that the room treats apart from all others.
const (
	schemeWorld = "world"
	schemeAuth  = "auth"
	schemeSuper = "super"

	anyone = "anyone"
)

// Config says which identities there are.
type Config struct {
	// SkipACL lets everybody do everything. An ACL must be well formed all the same.
	SkipACL bool
	// SuperDigest is user:base64(hash) of the super user, "" for none.
	SuperDigest string
	// DigestAlg names the hash of the digest scheme as Java does (SHA1, SHA-256, SHA3-256, ...), ""
	// for SHA1. All servers of an ensemble must agree on it: the hashes stand in ACLs.
	DigestAlg string
	// DigestEnabled offers the digest scheme.
	DigestEnabled bool
}

// Auth checks permissions and authenticates clients.
type Auth struct {
	skipACL bool
	schemes []scheme
}

// scheme is one way to have an identity, apart from world, auth and super.
type scheme interface {
	// Scheme is the name, as it stands in identities and ACLs.
	Scheme() string
	// Authenticate returns the identities that token proves; ok is false if it is refused.
	Authenticate(token []byte) (ids []proto.ID, ok bool)
	// Valid reports whether id may stand in an ACL.
	Valid(id string) bool
	// Matches reports whether a client with the identity id is meant by expr, an id of an ACL.
	Matches(id, expr string) bool
	// IsAuthenticated reports whether the scheme proves who the client is, so that an ACL entry
	// auth: stands for its identities.
	IsAuthenticated() bool
	// UserName returns what to call the client with the identity id.
	UserName(id string) string
}

// New returns an Auth. Errors: a DigestAlg that is not known.
func New(cfg Config) (*Auth, error) {
	a := &Auth{skipACL: cfg.SkipACL}
	if cfg.DigestEnabled {
		d, err := newDigestScheme(cfg.DigestAlg, cfg.SuperDigest)
		if err != nil {
			return nil, err
		}
		a.schemes = append(a.schemes, d)
	}
	a.schemes = append(a.schemes, ipScheme{})
	return a, nil
}

// lookup returns the scheme with that name, or nil.
func (a *Auth) lookup(name string) scheme {
	for _, s := range a.schemes {
		if s.Scheme() == name {
			return s
		}
	}
	return nil
}

// Allowed reports whether a client with the identities ids has at least one of the permissions
// perm under acl. An empty acl allows everything, and so does the super identity.
func (a *Auth) Allowed(acl []proto.ACL, perm zk.Perm, ids []proto.ID) bool {
	if a.skipACL || len(acl) == 0 {
		return true
	}
	for i := range acl {
		if acl[i].Perms&perm != 0 && a.means(&acl[i].ID, ids) {
			return true
		}
	}
	for i := range ids {
		if ids[i].Scheme == schemeSuper {
			return true
		}
	}
	return false
}

// means reports whether the identity of an ACL entry means one of ids.
func (a *Auth) means(entry *proto.ID, ids []proto.ID) bool {
	if isWorld(entry) {
		return true
	}
	s := a.lookup(entry.Scheme)
	if s == nil {
		return false
	}
	for i := range ids {
		if ids[i].Scheme == entry.Scheme && s.Matches(ids[i].ID, entry.ID) {
			return true
		}
	}
	return false
}

func isWorld(id *proto.ID) bool { return id.Scheme == schemeWorld && id.ID == anyone }

// Fixup returns acl as it is to be stored: without duplicates, each entry auth: replaced by one
// entry for each authenticated identity of ids. Its strings are copies, and the result is never
// changed afterwards. Code: zk.OK, or zk.ErrInvalidACL if acl is empty, names an unknown scheme,
// has an id that its scheme does not accept, or auth: where ids has no authenticated identity.
//
// Source: PrepRequestProcessor.fixupACL.
func (a *Auth) Fixup(acl []proto.ACL, ids []proto.ID) ([]proto.ACL, zk.Code) {
	if len(acl) == 1 && acl[0] == proto.OpenACL[0] {
		return proto.OpenACL, zk.OK // what nearly every client passes: nothing to copy
	}
	fixed := make([]proto.ACL, 0, len(acl))
	for i, entry := range acl {
		if slices.Contains(acl[:i], entry) {
			continue
		}
		switch {
		case isWorld(&entry.ID):
			fixed = append(fixed, proto.ACL{Perms: entry.Perms, ID: proto.OpenACL[0].ID})
		case entry.ID.Scheme == schemeAuth:
			before := len(fixed)
			for _, id := range ids {
				if s := a.lookup(id.Scheme); s != nil && s.IsAuthenticated() {
					fixed = append(fixed, proto.ACL{Perms: entry.Perms, ID: clone(id)})
				}
			}
			if len(fixed) == before {
				return nil, zk.ErrInvalidACL
			}
		default:
			s := a.lookup(entry.ID.Scheme)
			if s == nil || !s.Valid(entry.ID.ID) {
				return nil, zk.ErrInvalidACL
			}
			fixed = append(fixed, proto.ACL{Perms: entry.Perms, ID: clone(entry.ID)})
		}
	}
	if len(fixed) == 0 {
		return nil, zk.ErrInvalidACL
	}
	return fixed, zk.OK
}

func clone(id proto.ID) proto.ID {
	return proto.ID{Scheme: strings.Clone(id.Scheme), ID: strings.Clone(id.ID)}
}

// Authenticate returns the identities that token proves under a scheme, for the connection to add
// to those it has; none for ip, which every connection has already (see [Auth.RemoteIDs]). Code:
// zk.OK, or zk.ErrAuthFailed for an unknown scheme or a token that is refused.
func (a *Auth) Authenticate(scheme string, token []byte) ([]proto.ID, zk.Code) {
	if s := a.lookup(scheme); s != nil {
		if ids, ok := s.Authenticate(token); ok {
			return ids, zk.OK
		}
	}
	return nil, zk.ErrAuthFailed
}

// RemoteIDs returns the identities that a connection has by the address it comes from.
func (a *Auth) RemoteIDs(ip netip.Addr) []proto.ID {
	return []proto.ID{{Scheme: schemeIP, ID: hostText(ip)}}
}

// UserName returns what whoAmI and the audit log call a client with the identity id; "" where its
// scheme is not a known one, as for super.
func (a *Auth) UserName(id proto.ID) string {
	if s := a.lookup(id.Scheme); s != nil {
		return s.UserName(id.ID)
	}
	return ""
}
