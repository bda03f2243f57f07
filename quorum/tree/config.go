package tree

import "zkd/quorum/zk"

// SetConfig puts the membership of the ensemble into /zookeeper/config, for clients to read. No txn does
// this: each server writes what it has been configured with, at the begin of each role, so the node's stat
// may differ between servers. The digest leaves it out. Source: ZKDatabase.initConfigInZKDatabase.
func (t *Tree) SetConfig(text []byte, version, nowMillis int64) {
	id, ok := t.Find(configPath)
	if !ok { // a snapshot of a ZooKeeper before 3.5
		t.addConfig()
		id, _ = t.Find(configPath)
	}
	before := t.digestOf(id, configPath)
	t.putData(id, configPath, text)
	n := t.mutNode(id)
	n.mzxid, n.mtime, n.version = zk.Zxid(version), nowMillis, -1
	t.digest += t.digestOf(id, configPath) - before
}
