package auth

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"

	"zkd/quorum/proto"
)

const schemeDigest = "digest"

// digestScheme knows clients by user and password. Its ids are user:base64(H(user:password)); any
// password is accepted, a wrong one just makes an identity that no ACL names.
//
// Source: DigestAuthenticationProvider.
type digestScheme struct {
	newHash func() hash.Hash
	super   string // the id that also brings the super identity, "" for none
}

// newDigestScheme returns the scheme with the hash of that Java name, "" for SHA1.
func newDigestScheme(alg, super string) (digestScheme, error) {
	newHash, ok := hashByName(alg)
	if !ok {
		return digestScheme{}, fmt.Errorf("auth: digest algorithm %q is not known", alg)
	}
	return digestScheme{newHash, super}, nil
}

// hashByName returns the hash that Java's MessageDigest calls name; it ignores case.
func hashByName(name string) (newHash func() hash.Hash, ok bool) {
	switch strings.ToUpper(name) {
	case "", "SHA", "SHA1", "SHA-1":
		return sha1.New, true
	case "MD5":
		return md5.New, true
	case "SHA-224", "SHA224":
		return sha256.New224, true
	case "SHA-256", "SHA256":
		return sha256.New, true
	case "SHA-384", "SHA384":
		return sha512.New384, true
	case "SHA-512", "SHA512":
		return sha512.New, true
	case "SHA-512/224", "SHA512/224":
		return sha512.New512_224, true
	case "SHA-512/256", "SHA512/256":
		return sha512.New512_256, true
	case "SHA3-224":
		return func() hash.Hash { return sha3.New224() }, true
	case "SHA3-256":
		return func() hash.Hash { return sha3.New256() }, true
	case "SHA3-384":
		return func() hash.Hash { return sha3.New384() }, true
	case "SHA3-512":
		return func() hash.Hash { return sha3.New512() }, true
	}
	return nil, false
}

func (digestScheme) Scheme() string { return schemeDigest }

// Authenticate takes user:password. A token without a colon is a user whose name is hashed in
// place of a password; null is refused.
func (s digestScheme) Authenticate(token []byte) ([]proto.ID, bool) {
	if token == nil {
		return nil, false
	}
	text := javaString(token)
	h := s.newHash()
	h.Write([]byte(text))
	user, _, _ := strings.Cut(text, ":")
	id := user + ":" + base64.StdEncoding.EncodeToString(h.Sum(nil))
	if s.super != "" && id == s.super {
		return []proto.ID{{Scheme: schemeSuper}, {Scheme: schemeDigest, ID: id}}, true
	}
	return []proto.ID{{Scheme: schemeDigest, ID: id}}, true
}

// Valid accepts what splits at colons into two parts. Empty parts at the end do not count, as
// with Java's String.split.
func (digestScheme) Valid(id string) bool {
	return strings.Count(strings.TrimRight(id, ":"), ":") == 1
}

func (digestScheme) Matches(id, expr string) bool { return id == expr }

func (digestScheme) IsAuthenticated() bool { return true }

func (digestScheme) UserName(id string) string {
	user, _, _ := strings.Cut(id, ":")
	return user
}
