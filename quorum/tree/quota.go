package tree

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Names of the two nodes below /zookeeper/quota<path> that make a quota on path.
const (
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// Keys in the data of those nodes.
const (
	countKey     = "count"
	bytesKey     = "bytes"
	countHardKey = "countHardLimit"
	bytesHardKey = "byteHardLimit"
)

// Quota is what a path and everything below it may use and does use. A limit of -1 is none.
type Quota struct {
	Path                 string
	CountSoft, CountHard int64 // nodes, the one at Path included
	BytesSoft, BytesHard int64 // of data
	Count, Bytes         int64 // used
}

// quotaNodes names the nodes of one quota.
type quotaNodes struct{ limits, stats string }

// QuotaFor returns the quota that binds path: the one of the nearest ancestor, or of path itself,
// that has one. Quotas further up do not bind. ok is false if there is none or a node of it is
// missing. Source: PathTrie.findMaxPrefix, ZooKeeperServer.checkQuota.
func (t *Tree) QuotaFor(path string) (q Quota, ok bool) {
	prefix, nodes, ok := t.nearestQuota(path)
	if !ok {
		return Quota{}, false
	}
	return t.quota(prefix, nodes)
}

// HasQuotas reports whether any quota is set.
func (t *Tree) HasQuotas() bool { return len(t.quotas) > 0 }

// Quotas visits all quotas in ascending order of path.
func (t *Tree) Quotas() iter.Seq[Quota] {
	return func(yield func(Quota) bool) {
		for _, path := range slices.Sorted(maps.Keys(t.quotas)) {
			if q, ok := t.quota(path, t.quotas[path]); ok && !yield(q) {
				return
			}
		}
	}
}

func (t *Tree) quota(path string, nodes quotaNodes) (q Quota, ok bool) {
	limitsID, haveLimits := t.Find(nodes.limits)
	statsID, haveStats := t.Find(nodes.stats)
	if !haveLimits || !haveStats {
		return Quota{}, false
	}
	limits, stats := parseTrack(t.Data(limitsID)), parseTrack(t.Data(statsID))
	return Quota{
		Path:      path,
		CountSoft: limits.get(countKey), CountHard: limits.get(countHardKey),
		BytesSoft: limits.get(bytesKey), BytesHard: limits.get(bytesHardKey),
		Count: stats.get(countKey), Bytes: stats.get(bytesKey),
	}, true
}

func (t *Tree) nearestQuota(path string) (prefix string, nodes quotaNodes, ok bool) {
	if len(t.quotas) == 0 {
		return "", quotaNodes{}, false
	}
	for ; path != ""; path = parentOf(path) {
		if nodes, ok = t.quotas[path]; ok {
			return path, nodes, true
		}
	}
	return "", quotaNodes{}, false
}

// limitedBy returns the path that the quota node at path limits, "" if it is no quota node.
func limitedBy(path string) string {
	if limited, ok := strings.CutPrefix(parentOf(path), quotaPath); ok && strings.HasPrefix(limited, "/") {
		return limited
	}
	return ""
}

// addQuota starts to account for the subtree at path.
func (t *Tree) addQuota(path string) {
	path = strings.Clone(path)
	base := quotaPath + path + "/"
	t.quotas[path] = quotaNodes{limits: base + limitsName, stats: base + statsName}
}

// quotaCreated does what a new node at path means to quotas. Source: DataTree.createNode.
func (t *Tree) quotaCreated(path string, size int) {
	if limited := limitedBy(path); limited != "" {
		switch nameOf(path) {
		case limitsName:
			t.addQuota(limited)
		case statsName:
			t.recount(limited)
		}
	}
	t.account(path, int64(size), 1)
}

// quotaDeleted does what a deleted node at path means to quotas.
func (t *Tree) quotaDeleted(path string, size int) {
	if limited := limitedBy(path); limited != "" && nameOf(path) == limitsName {
		delete(t.quotas, limited)
	}
	t.account(path, -int64(size), -1)
}

// account adds to the usage of the quota that binds path. Every server does so for itself: there
// is no txn, no new version and no event, and the digest leaves the node out.
func (t *Tree) account(path string, bytes, count int64) {
	_, nodes, ok := t.nearestQuota(path)
	if !ok {
		return
	}
	id, ok := t.Find(nodes.stats)
	if !ok {
		return
	}
	usage := parseTrack(t.Data(id))
	usage.set(countKey, usage.get(countKey)+count)
	usage.set(bytesKey, usage.get(bytesKey)+bytes)
	t.setLocally(id, nodes.stats, usage)
}

// recount writes the usage of the subtree at path into its stats node.
func (t *Tree) recount(path string) {
	statsPath := quotaPath + path + "/" + statsName
	stats, ok := t.Find(statsPath)
	if !ok {
		return
	}
	var count, bytes int64
	if top, ok := t.Find(path); ok {
		for id := range t.below(top) {
			count++
			bytes += int64(max(t.node(id).dataLen, 0))
		}
	}
	t.setLocally(stats, statsPath, track{{countKey, count}, {bytesKey, bytes}})
}

// setLocally replaces the data of a node below /zookeeper/ without a txn.
func (t *Tree) setLocally(id NodeID, path string, usage track) {
	t.scratch = usage.append(t.scratch[:0])
	t.putData(id, path, t.scratch)
}

// findQuotas looks for quotas in a tree that was loaded, and counts what they bind.
func (t *Tree) findQuotas() {
	top, ok := t.Find(quotaPath)
	if !ok {
		return
	}
	var limited []string
	for id := range t.below(top) {
		e := t.extOf(t.node(id))
		if e.children == 0 && string(t.name(t.node(id))) == limitsName {
			if path := limitedBy(string(t.AppendPath(nil, id))); path != "" {
				limited = append(limited, path)
			}
		}
	}
	for _, path := range limited {
		t.addQuota(path)
		t.recount(path)
	}
}

// track is the data of a quota node:
//
//	count=<n>,bytes=<n>[=;<key>=<n>]...
//
// with the other keys in ascending order. The odd "=" makes parsers from before hard limits ignore
// what follows. Source: StatsTrack.
type track []trackField

type trackField struct {
	key   string
	value int64
}

// parseTrack reads whatever is there; a value that is no number reads as -1.
func parseTrack(data []byte) track {
	var t track
	separator := func(r rune) bool { return r == ',' || r == ';' }
	for pair := range strings.FieldsFuncSeq(string(data), separator) {
		key, rest, _ := strings.Cut(pair, "=")
		number, _, _ := strings.Cut(rest, "=")
		value, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			value = -1
		}
		t.set(key, value)
	}
	return t
}

// get returns the value of key, -1 if there is none.
func (t track) get(key string) int64 {
	for _, f := range t {
		if f.key == key {
			return f.value
		}
	}
	return -1
}

func (t *track) set(key string, value int64) {
	for i := range *t {
		if (*t)[i].key == key {
			(*t)[i].value = value
			return
		}
	}
	*t = append(*t, trackField{key, value})
}

func (t track) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, countKey+"="...), t.get(countKey), 10)
	b = strconv.AppendInt(append(b, ","+bytesKey+"="...), t.get(bytesKey), 10)
	rest := slices.DeleteFunc(slices.Clone(t), func(f trackField) bool {
		return f.key == countKey || f.key == bytesKey
	})
	slices.SortFunc(rest, func(a, b trackField) int { return cmp.Compare(a.key, b.key) })
	for i, f := range rest {
		if i == 0 {
			b = append(b, '=')
		}
		b = append(append(append(b, ';'), f.key...), '=')
		b = strconv.AppendInt(b, f.value, 10)
	}
	return b
}
