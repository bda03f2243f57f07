package replica

import (
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// sayQuotaEvery is how often the same quota is complained about.
const sayQuotaEvery = time.Minute

// watchQuota counts what hard limits refuse, and says when a write leaves a soft limit behind: that is
// all a soft limit does, as in ZooKeeper. mu is held.
func (r *Replica) watchQuota(txn *proto.Txn, result *tree.Result) {
	if result.Err == zk.ErrQuotaExceeded {
		r.stats.QuotaHardRefused.Add(1)
	}
	if !r.tree.HasQuotas() {
		return
	}
	r.softQuota(result.Type, txn.Body.Path)
	for i := range result.Multi {
		if result.Multi[i].Err == zk.ErrQuotaExceeded {
			r.stats.QuotaHardRefused.Add(1)
		}
		if i < len(txn.Body.Sub) {
			r.softQuota(result.Multi[i].Type, txn.Body.Sub[i].Path)
		}
	}
}

// softQuota looks at the quota above path after a write of type op.
func (r *Replica) softQuota(op zk.Op, path string) {
	switch op {
	case zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL, zk.OpSetData:
	default:
		return
	}
	q, ok := r.tree.QuotaFor(path)
	if !ok || (q.CountSoft < 0 || q.Count <= q.CountSoft) && (q.BytesSoft < 0 || q.Bytes <= q.BytesSoft) {
		return
	}
	r.stats.QuotaSoftExceeded.Add(1)
	if now := time.Now(); now.Sub(r.quotaSaid[q.Path]) >= sayQuotaEvery {
		if r.quotaSaid == nil {
			r.quotaSaid = make(map[string]time.Time)
		}
		r.quotaSaid[q.Path] = now
		r.log.Warn("soft quota exceeded", zap.String("path", q.Path), zap.Int64("count", q.Count), zap.Int64("count_limit", q.CountSoft),
			zap.Int64("bytes", q.Bytes), zap.Int64("bytes_limit", q.BytesSoft))
	}
}
