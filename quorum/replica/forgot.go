package replica

import (
	"errors"
	"fmt"
	"path"

	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/zk"
)

// AsidePrefix begins the names of snapshots that no server may start from any more: see setAsideSnapshots. While one
// is there, a server without a snapshot does not take itself for a new one.
const AsidePrefix = "zkd.aside."

// What an operator reads of data that is damaged or lost, and the commands that mend it: see package restore.

// forgotten says what this server has lost of what it had promised to keep, and what becomes of that; "" for
// nothing. end is where its history ends. A snapshot may reach beyond what the log has lost, but not
// beyond a log that was given up.
func (r *Replica) forgotten(found *txlog.Recovery, end zk.Zxid) string {
	if !found.BelowMark || !found.GivenUp && end >= found.Mark {
		return ""
	}
	what := fmt.Sprintf("the log ends at %v, but was durable up to %v: acknowledged writes are lost on this server", end, found.Mark)
	if found.GivenUp {
		what = fmt.Sprintf("the data of this server, up to %v, was set aside by 'zkd log repair --resync'", found.Mark)
	}
	if r.cfg.Peers == nil {
		return what + "; nobody can give them back: restore a backup if clients miss them"
	}
	return what + "; it neither stands for election nor votes before a leader whom the others elected has given it theirs. If " +
		"there will never be a quorum of others: see on each member how far its log reaches, and give up what is lost on as many as a quorum " +
		"needs, those that reach furthest first, with 'zkd log repair --accept-loss'"
}

// DamageError says that data which is whole by its checksums cannot be used: it was damaged before they were made, or
// what wrote it was at fault. Cutting the log mends nothing then.
type DamageError struct {
	Dir string // of the files
	Err error  // what is wrong
	// Advice says what to do, in sentences.
	Advice string
}

// Error says what is wrong, where, and what to do.
func (e *DamageError) Error() string {
	text := fmt.Sprintf("the data in %s cannot be used: %v", e.Dir, e.Err)
	if e.Advice != "" {
		text += ". " + e.Advice
	}
	return text
}

// Unwrap returns what is wrong.
func (e *DamageError) Unwrap() error { return e.Err }

// unusable is a DamageError about the log.
func (r *Replica) unusable(format string, args ...any) error {
	return &DamageError{Dir: r.cfg.LogDir, Err: fmt.Errorf(format, args...)}
}

// advise adds to an error about damaged data what the operator of this server can do.
func (r *Replica) advise(err error) error {
	var damage *txlog.CorruptError
	var gap *snap.HistoryError
	var unusable *DamageError
	switch {
	case errors.As(err, &damage) && r.cfg.Peers != nil:
		damage.Advice = resyncAdvice
	case errors.As(err, &damage):
		where := path.Dir(r.cfg.LogDir)
		if snapshots := path.Dir(r.cfg.SnapDir); snapshots != where {
			where = fmt.Sprintf("--snapshots %s %s", snapshots, where)
		}
		damage.Advice = fmt.Sprintf("Nobody can give the data of a single server back: restore a backup with 'zkd snapshot restore', "+
			"or give up what follows zxid %v with 'zkd log repair --give-up %s'", damage.After, where)
	case errors.As(err, &unusable) && r.cfg.Peers != nil:
		unusable.Advice = resyncAdvice
	case errors.As(err, &unusable):
		unusable.Advice = "Nobody can give the data of a single server back: restore a backup with 'zkd snapshot restore'"
	case errors.As(err, &gap) && r.cfg.Peers != nil:
		return fmt.Errorf("%w. %s", err, resyncAdvice)
	case errors.As(err, &gap):
		return fmt.Errorf("%w, or restore a backup with 'zkd snapshot restore': nobody can give the data of a single server back", err)
	}
	return err
}

const resyncAdvice = "This server is a member of an ensemble: 'zkd log repair --resync' sets its data aside, and at the next start " +
	"the others give it theirs"
