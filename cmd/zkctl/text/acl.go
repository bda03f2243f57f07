package text

import (
	"fmt"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// permLetters are the permissions in the order in which ZooKeeper writes them.
var permLetters = []struct {
	letter byte
	perm   zk.Perm
}{{'c', zk.PermCreate}, {'d', zk.PermDelete}, {'r', zk.PermRead}, {'w', zk.PermWrite}, {'a', zk.PermAdmin}}

// Perms returns the letters of permissions.
func Perms(p zk.Perm) string {
	var b []byte
	for _, l := range permLetters {
		if p&l.perm != 0 {
			b = append(b, l.letter)
		}
	}
	return string(b)
}

// ParsePerms is the inverse of [Perms], in any order.
func ParsePerms(letters string) (zk.Perm, error) {
	var p zk.Perm
next:
	for i := range len(letters) {
		for _, l := range permLetters {
			if letters[i] == l.letter {
				p |= l.perm
				continue next
			}
		}
		return 0, fmt.Errorf("unknown permission %q: must be of cdrwa", letters[i:i+1])
	}
	return p, nil
}

// ACL returns two lines for each entry.
func ACL(acl []proto.ACL) string {
	var b strings.Builder
	for _, a := range acl {
		fmt.Fprintf(&b, "'%s,'%s\n: %s\n", a.ID.Scheme, a.ID.ID, Perms(a.Perms))
	}
	return b.String()
}

// ParseACL reads "scheme:id:perms", more than one with commas. The id may have colons.
func ParseACL(text string) ([]proto.ACL, error) {
	var acl []proto.ACL
	for entry := range strings.SplitSeq(text, ",") {
		first, last := strings.IndexByte(entry, ':'), strings.LastIndexByte(entry, ':')
		if first == last {
			return nil, fmt.Errorf("%s does not have the form scheme:id:perm", entry)
		}
		perms, err := ParsePerms(entry[last+1:])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry, err)
		}
		acl = append(acl, proto.ACL{Perms: perms, ID: proto.ID{Scheme: entry[:first], ID: entry[first+1 : last]}})
	}
	return acl, nil
}
