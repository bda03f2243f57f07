// Package text renders what a server says in the words and lines of ZooKeeper's own command line, on which
// scripts depend, and reads what its users type: ACLs and paths. It does no I/O.
package text

import (
	"fmt"
	"strings"
	"time"

	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// javaDate is how Java's Date prints itself.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

// Stat returns the eleven lines of a stat, times in the zone.
func Stat(s proto.Stat, zone *time.Location) string {
	date := func(millis int64) string { return time.UnixMilli(millis).In(zone).Format(javaDate) }
	return fmt.Sprintf("cZxid = %v\nctime = %s\nmZxid = %v\nmtime = %s\npZxid = %v\ncversion = %d\ndataVersion = %d\n"+
		"aclVersion = %d\nephemeralOwner = 0x%x\ndataLength = %d\nnumChildren = %d\n",
		s.Czxid, date(s.CtimeMillis), s.Mzxid, date(s.MtimeMillis), s.Pzxid, s.Cversion, s.Version,
		s.Aversion, uint64(s.EphemeralOwner), s.DataLength, s.NumChildren)
}

// List returns names in brackets, on a line.
func List(names []string) string { return "[" + strings.Join(names, ", ") + "]\n" }

// Event returns an event as ZooKeeper's command line announces it.
func Event(e client.Event) string {
	path := e.Path
	if e.Type == zk.EventNone {
		path = "null"
	}
	return fmt.Sprintf("\nWATCHER::\n\nWatchedEvent state:%v type:%s path:%s zxid: %d\n", e.State, client.EventName(e.Type), path, e.Zxid)
}

// Identities returns the table of whoami.
func Identities(infos []proto.ClientInfo) string {
	var b strings.Builder
	b.WriteString("Auth scheme: User\n")
	for _, info := range infos {
		fmt.Fprintf(&b, "%s: %s\n", info.Scheme, info.User)
	}
	return b.String()
}

// javaError is an error in ZooKeeper's words, which begin as sentences do.
type javaError string

func (e javaError) Error() string { return string(e) }

// CheckPath returns an error in ZooKeeper's words for what is no path of a znode. Source: PathUtils.
func CheckPath(path string) error {
	switch {
	case path == "":
		return javaError("Path length must be > 0")
	case path[0] != '/':
		return javaError("Path must start with / character")
	case path == "/":
		return nil
	case strings.HasSuffix(path, "/"):
		return javaError("Path must not end with / character")
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		switch name {
		case "":
			return fmt.Errorf("%q is no path: it has an empty name", path)
		case ".", "..":
			return fmt.Errorf("%q is no path: relative names are not allowed", path)
		}
		for _, r := range name {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
				return fmt.Errorf("%q is no path: it has the character %U", path, r)
			}
		}
	}
	return nil
}

// Child returns the path of a child by its name.
func Child(parent, name string) string {
	if parent == "/" {
		return "/" + name
	}
	return parent + "/" + name
}
