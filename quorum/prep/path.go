package prep

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"zkd/quorum/zk"
)

// Paths that cannot be deleted, beside the root.
const (
	zookeeperPath = "/zookeeper"
	quotaPath     = "/zookeeper/quota"
	configPath    = "/zookeeper/config"
)

// CheckPath returns zk.OK if path may name a node, else zk.ErrBadArguments. A path starts with a
// slash, does not end with one, and has no empty component, none that is "." or "..", no control
// character, no surrogate or private-use character (U+D800 to U+F8FF), nothing from U+FFF0 to
// U+FFFF and nothing above: ZooKeeper counts in UTF-16, where those are surrogates. Bytes that are
// not UTF-8 are refused too, since ZooKeeper reads them as U+FFFD.
//
// sequential says that digits will be put behind the path, so that it may end with a slash or dots.
// Source: PathUtils.validatePath.
func CheckPath(path string, sequential bool) zk.Code {
	if path == "" || path[0] != '/' {
		return zk.ErrBadArguments
	}
	if path == "/" {
		return zk.OK
	}
	start := 1 // of the component that i is in
	for i := 1; i < len(path); {
		c := path[i]
		switch {
		case c == '/':
			if !validComponent(path[start:i]) {
				return zk.ErrBadArguments
			}
			start = i + 1
			i++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(path[i:])
			if r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
				return zk.ErrBadArguments
			}
			i += size
		case c < 0x20 || c == 0x7f:
			return zk.ErrBadArguments
		default:
			i++
		}
	}
	if !sequential && !validComponent(path[start:]) {
		return zk.ErrBadArguments
	}
	return zk.OK
}

func validComponent(name string) bool { return name != "" && name != "." && name != ".." }

// parentOf returns the path above path, "/" for children of the root and for the root itself. ok
// is false where path has no slash or has a NUL: such a path is refused before any look-up.
func parentOf(path string) (parent string, ok bool) {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", false
	}
	return path[:max(slash, 1)], true
}

// isSpecial reports whether path may never be deleted.
func isSpecial(path string) bool {
	return path == "/" || path == zookeeperPath || path == quotaPath || path == configPath
}

// sequenceName returns path with the counter behind it as Java's "%010d" writes it: ten characters
// at least, a sign among them.
func sequenceName(path string, counter int32) string {
	const width = 10
	var digits [11]byte
	sign, n := "", uint64(counter)
	if counter < 0 {
		sign, n = "-", uint64(-int64(counter))
	}
	number := strconv.AppendUint(digits[:0], n, 10)
	name := make([]byte, 0, len(path)+width+1)
	name = append(append(name, path...), sign...)
	for range width - len(sign) - len(number) {
		name = append(name, '0')
	}
	return string(append(name, number...))
}
