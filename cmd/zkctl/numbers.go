package main

import (
	"fmt"
	"strconv"

	"zkd/quorum/client"
)

// parseInt reads a number; wrong is what ZooKeeper says of anything else.
func parseInt(s, wrong string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, theirsf(exitUsage, "%s", wrong)
	}
	return n, nil
}

// parseVersion reads a version of data or of an ACL; "" is any.
func parseVersion(s string) (int32, error) {
	if s == "" {
		return client.AnyVersion, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, usagef("version %q is no number of 32 bits", s)
	}
	return int32(n), nil
}

// counted returns "1 znode" or "n znodes".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
