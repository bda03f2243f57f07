package prep

import "zkd/quorum/zk"

// checkQuota returns ErrQuotaExceeded if a change of path by that many bytes and nodes exceeds a
// hard limit of the nearest path above (or path itself) that has a quota, else zk.OK. A change by
// 0 never does; one that makes less does where that is still above the limit. Usage is that of the
// applied tree, as in ZooKeeper: pending txns do not count, so that requests in flight together can
// go over the limit. Source: ZooKeeperServer.checkQuota.
func (p *Prep) checkQuota(path string, bytes, nodes int64) zk.Code {
	if !p.cfg.EnforceQuota {
		return zk.OK
	}
	q, ok := p.tree.QuotaFor(path)
	if !ok {
		return zk.OK
	}
	if exceeds(q.Count+nodes, nodes, q.CountHard) || exceeds(q.Bytes+bytes, bytes, q.BytesHard) {
		return zk.ErrQuotaExceeded
	}
	return zk.OK
}

// exceeds reports whether a usage that a change leads to is above a limit, -1 for none.
func exceeds(usage, change, limit int64) bool {
	return change != 0 && limit > -1 && usage > limit
}
