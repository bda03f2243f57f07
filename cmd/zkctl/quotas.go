package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Where a server looks for quotas, and keeps what they are about. Source: Quotas.
const (
	quotaRoot   = "/zookeeper/quota"
	limitsName  = "/zookeeper_limits"
	statsName   = "/zookeeper_stats"
	emptyCounts = "count=0,bytes=0"
)

// quota are the four limits of a subtree; -1 is none.
type quota struct{ count, bytes, byteHard, countHard int64 }

var noQuota = quota{-1, -1, -1, -1}

// String returns the limits as servers read them. The odd "=;" lets servers before 3.7 overlook the rest.
func (q quota) String() string {
	return fmt.Sprintf("count=%d,bytes=%d=;byteHardLimit=%d;countHardLimit=%d", q.count, q.bytes, q.byteHard, q.countHard)
}

// parseQuota reads limits or, with the first two keys only, the counts of a subtree. What is no number is
// none, as servers take it.
func parseQuota(s string) quota {
	q := noQuota
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseInt(strings.TrimSuffix(value, "="), 10, 64)
		if err != nil {
			continue
		}
		if field := q.field(key); field != nil {
			*field = n
		}
	}
	return q
}

func (q *quota) field(key string) *int64 {
	switch key {
	case "count":
		return &q.count
	case "bytes":
		return &q.bytes
	case "byteHardLimit":
		return &q.byteHard
	case "countHardLimit":
		return &q.countHard
	}
	return nil
}

// quotaFlags are the options that say which limit is meant.
var quotaFlags = []struct{ letter, long, key, words string }{
	{"n", "count", "count", "how many nodes there should be, only warned about"},
	{"b", "bytes", "bytes", "how many bytes of data there should be, only warned about"},
	{"N", "hard-count", "countHardLimit", "how many nodes there may be"},
	{"B", "hard-bytes", "byteHardLimit", "how many bytes of data there may be"},
}

// quotaPath refuses what has no quotas: paths that do not begin at the root of the server.
func (a *app) quotaPath(path string) error {
	if path == "/" {
		return usagef("the root has no quota")
	}
	if _, chroot, err := a.conn.targets(); err != nil || chroot != "" {
		return errors.Join(err, usagef("quotas are outside of the chroot %s: connect without it", chroot))
	}
	return nil
}

// readQuota returns the limits of a path; [zk.ErrNoNode] says that it has none.
func readQuota(ctx context.Context, c *client.Client, path string) (limits, counts quota, err error) {
	data, _, err := c.Get(ctx, quotaRoot+path+limitsName, false)
	if err != nil {
		return noQuota, noQuota, err
	}
	limits, counts = parseQuota(string(data)), noQuota
	switch data, _, err = c.Get(ctx, quotaRoot+path+statsName, false); {
	case err == nil:
		counts = parseQuota(string(data))
	case client.IsCode(err, zk.ErrNoNode):
		err = nil
	}
	return limits, counts, err
}

func newSetQuota(a *app) *cobra.Command {
	values := map[string]*string{}
	cmd := newPathCommand(a, "setquota -n|-b|-N|-B val path", "Limit the znodes at and below a path", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			wanted := map[string]int64{}
			for key, value := range values {
				if *value == "" {
					continue
				}
				n, err := parseInt(*value, "NumberFormatException happens when parsing the option value")
				if err != nil {
					return err
				}
				if n < 1 {
					return theirsf(exitUsage, "the quota must be greater than zero")
				}
				wanted[key] = n
			}
			if len(wanted) == 0 {
				return usagef("one of -n, -b, -N and -B is needed")
			}
			if err := a.quotaPath(path); err != nil {
				return err
			}
			return a.setQuota(ctx, c, path, wanted)
		})
	for _, f := range quotaFlags {
		values[f.key] = new(string)
		cmd.Flags().StringVarP(values[f.key], f.long, f.letter, "", f.words)
	}
	return cmd
}

func (a *app) setQuota(ctx context.Context, c *client.Client, path string, wanted map[string]int64) error {
	if _, err := c.Exists(ctx, path, false); err != nil {
		if client.IsCode(err, zk.ErrNoNode) {
			return theirsf(exitNoNode, "%s does not exist.", path)
		}
		return err
	}
	if err := quotaNeighbours(ctx, c, path); err != nil {
		return err
	}
	limits, counts, err := readQuota(ctx, c, path)
	fresh := client.IsCode(err, zk.ErrNoNode)
	if err != nil && !fresh {
		return err
	}
	for key, n := range wanted {
		*limits.field(key) = n
	}
	if fresh {
		at := ""
		for name := range strings.SplitSeq(strings.TrimPrefix(quotaRoot+path, "/"), "/") {
			at += "/" + name
			if err := createIfMissing(ctx, c, at, nil); err != nil {
				return err
			}
		}
		if err := createIfMissing(ctx, c, at+limitsName, []byte(limits.String())); err != nil {
			return err
		}
		if err := createIfMissing(ctx, c, at+statsName, []byte(emptyCounts)); err != nil {
			return err
		}
		if _, counts, err = readQuota(ctx, c, path); err != nil { // the server has counted by now
			return err
		}
	} else if _, err := c.Set(ctx, quotaRoot+path+limitsName, []byte(limits.String()), client.AnyVersion); err != nil {
		return err
	}
	for _, f := range []struct {
		what            string
		soft, hard, now int64
	}{{"count", limits.count, limits.countHard, counts.count}, {"bytes", limits.bytes, limits.byteHard, counts.bytes}} {
		if f.soft >= 0 && f.soft < f.now || f.hard >= 0 && f.hard < f.now {
			fmt.Fprintf(a.stderr, "[Warning]: the %s quota you create is less than the existing %s:%d\n", f.what, f.what, f.now)
		}
	}
	return a.emit(quotaJSON{path, jsonQuota(limits), jsonCounts(counts)}, "")
}

// createIfMissing looks first: a refused write is a transaction, too.
func createIfMissing(ctx context.Context, c *client.Client, path string, data []byte) error {
	if _, err := c.Exists(ctx, path, false); !client.IsCode(err, zk.ErrNoNode) {
		return err
	}
	_, _, err := c.Create(ctx, path, data, proto.OpenACL, zk.ModePersistent, 0)
	if client.IsCode(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}

// quotaNeighbours refuses a quota above or below another: servers look at the nearest one only.
func quotaNeighbours(ctx context.Context, c *client.Client, path string) error {
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		_, err := c.Exists(ctx, quotaRoot+path[:i]+limitsName, false)
		switch {
		case err == nil:
			return theirsf(exitFailure, "%s has a parent %s which has a quota", path, path[:i])
		case !client.IsCode(err, zk.ErrNoNode):
			return err
		}
	}
	err := walk(ctx, c, quotaRoot+path, nil, func(n *found) error {
		owner, ok := strings.CutSuffix(strings.TrimPrefix(n.path, quotaRoot), limitsName)
		if ok && owner != path {
			return theirsf(exitFailure, "%s has a child %s which has a quota", path, owner)
		}
		return nil
	})
	if client.IsCode(err, zk.ErrNoNode) {
		return nil
	}
	return err
}

func newListQuota(a *app) *cobra.Command {
	return newPathCommand(a, "listquota path", "Print the limits of a path and what counts against them", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			if err := a.quotaPath(path); err != nil {
				return err
			}
			head := "absolute path is " + quotaRoot + path + limitsName + "\n"
			limits, counts, err := readQuota(ctx, c, path)
			switch {
			case client.IsCode(err, zk.ErrNoNode):
				if !a.json {
					a.printf("%s", head)
				}
				return theirsf(exitNoNode, "quota for %s does not exist.", path)
			case err != nil:
				return err
			}
			return a.emit(quotaJSON{path, jsonQuota(limits), jsonCounts(counts)}, fmt.Sprintf(
				"%sOutput quota for %s %v\nOutput stat for %s count=%d,bytes=%d\n", head, path, limits, path, counts.count, counts.bytes))
		})
}

func newDelQuota(a *app) *cobra.Command {
	chosen := map[string]*bool{}
	cmd := newPathCommand(a, "delquota [-n|-b|-N|-B] path", "Remove the limits of a path, or some of them", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			if err := a.quotaPath(path); err != nil {
				return err
			}
			limits, _, err := readQuota(ctx, c, path)
			switch {
			case client.IsCode(err, zk.ErrNoNode):
				return theirsf(exitNoNode, "Quota does not exist for %s", path)
			case err != nil:
				return err
			}
			some := false
			for key, yes := range chosen {
				if *yes {
					some = true
					*limits.field(key) = -1
				}
			}
			if some {
				_, err := c.Set(ctx, quotaRoot+path+limitsName, []byte(limits.String()), client.AnyVersion)
				return err
			}
			return deleteQuota(ctx, c, path)
		})
	for _, f := range quotaFlags {
		chosen[f.key] = new(bool)
		cmd.Flags().BoolVarP(chosen[f.key], f.long, f.letter, false, "remove this limit only: "+f.words)
	}
	return cmd
}

// deleteQuota removes a quota, and what led to it and to no other.
func deleteQuota(ctx context.Context, c *client.Client, path string) error {
	for _, name := range []string{statsName, limitsName} {
		if err := c.Delete(ctx, quotaRoot+path+name, client.AnyVersion); err != nil && !client.IsCode(err, zk.ErrNoNode) {
			return err
		}
	}
	for ; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		switch err := c.Delete(ctx, quotaRoot+path, client.AnyVersion); {
		case client.IsCode(err, zk.ErrNotEmpty):
			return nil
		case err != nil && !client.IsCode(err, zk.ErrNoNode):
			return err
		}
	}
	return nil
}

type quotaJSON struct {
	Path   string     `json:"path"`
	Quota  limitsJSON `json:"quota"`
	Counts countsJSON `json:"counts"`
}

// limitsJSON leaves out limits that there are not.
type limitsJSON struct {
	Count     *int64 `json:"count,omitempty"`
	Bytes     *int64 `json:"bytes,omitempty"`
	HardCount *int64 `json:"hard_count,omitempty"`
	HardBytes *int64 `json:"hard_bytes,omitempty"`
}

type countsJSON struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

func jsonQuota(q quota) limitsJSON {
	set := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	return limitsJSON{set(q.count), set(q.bytes), set(q.countHard), set(q.byteHard)}
}

func jsonCounts(q quota) countsJSON { return countsJSON{q.count, q.bytes} }
