package stats

import "sync/atomic"

// Server is everything that one server counts. The zero value is ready.
//
// Times are microseconds unless the name says otherwise.
type Server struct {
	// Client port.
	PacketsReceived, PacketsSent Counter // frames; a four-letter word counts as one received
	BytesReceived, BytesSent     Counter
	ConnectionsAccepted          Counter
	ConnectionsRejected          Counter // over a limit
	ConnectionsDropped           Counter // by the server: cut off, malformed, throttled
	SessionlessExpired           Counter // no ConnectRequest in time
	SlowReadersCut               Counter // a client that did not read its replies
	LargeRequestsRejected        Counter // over jute.maxbuffer
	ForeignProtocols             Counter // HTTP, TLS, SSH, garbage on the client port
	AuthFailed                   Counter
	ConnectionsAlive             Gauge
	Outstanding                  Gauge     // requests taken in and not answered
	ResponseBytes                Histogram // of each batch of replies to one connection only the least, the largest and the last
	ConnectionRequests           Counter   // ConnectRequests
	Revalidations                Counter

	// Requests. Latency of every answered request; reads and writes apart.
	Latency               Histogram
	ReadLatency           Histogram
	WriteLatency          Histogram
	ReadsDone, WritesDone Counter
	OpsByType             [128]Counter // indexed by zk.Op for 0..127
	CreateSessions        Counter
	CloseSessions         Counter
	QuotaSoftExceeded     Counter
	QuotaHardRefused      Counter
	DiskFullRefused       Counter

	// Watches.
	NodeCreatedWatches, NodeDeletedWatches, NodeChangedWatches, NodeChildrenWatches Histogram // fired per event
	WatchBytes                                                                      Counter
	WatchEventsDeniedByACL                                                          Counter

	// Replica.
	ProposalBytes      Histogram
	Proposals, Commits Counter
	BatchSize          Histogram // txns per log sync
	PrepMicros         Histogram // per batch
	ApplyMicros        Histogram // per batch
	QueueDepth         Gauge     // requests waiting for the replica
	DigestMismatches   Counter
	SessionsExpired    Counter
	StaleSessions      Counter
	ContainersDeleted  Counter
	TTLNodesDeleted    Counter

	// Storage.
	FsyncMicros         Histogram
	FsyncSlow           Counter // over fsync.warningthresholdms
	LogBytes            Counter
	LogRolls            Counter
	Snapshots           Counter
	SnapshotErrors      Counter
	SnapshotMillis      Histogram
	SnapshotBytes       Gauge // of the newest
	PurgedFiles         Counter
	StartupSnapMillis   Gauge
	StartupTxnsMillis   Gauge
	StartupTxns         Gauge
	DiskFreeBytes       Gauge
	UnrecoverableErrors Counter
	LogReadErrors       Counter // times that a leader found a part of its log that it cannot read, for a learner

	// Ensemble.
	ElectionMillis Histogram // from the beginning of an election to its outcome
	SyncMillis     Histogram // of a learner: from DIFF, TRUNC or SNAP to the end of it
	DiffsSent      Counter   // parts of the log sent to learners
	SnapsSent      Counter
	SnapsReceived  Counter
	SyncBytes      Gauge // of the snapshot that a learner is receiving, 0 while it receives none
	SyncTxns       Gauge // of the log that a learner is receiving, 0 while it receives none

	Lookings                Counter   // times that the server began to look for a leader
	UnavailableMillis       Histogram // from then until clients were served again
	LeaderUnavailableMillis Histogram // the same, of a server that leads then
	LearnerProposals        Counter   // PROPOSAL and INFORM received
	LearnerCommits          Counter   // COMMIT and INFORM received
	// As leader.
	SessionsRevalidated Counter // REVALIDATE received
	DisloyalVoterQuits  Counter // times that it gave up because a voter was ahead
	Learners            Gauge   // connections of learners, synced or not
	NonVotingFollowers  Gauge   // synced followers that are no voters
	PendingSyncs        Gauge   // sync requests that wait for a quorum
	// Milliseconds from the time in a txn, which its leader put there, by the wall clocks of both: what is
	// below 0 is not counted. Fed per batch, with the oldest txn of the batch.
	ProposalMillis    Histogram // until the learner received it
	ProposalAckMillis Histogram // until it was durable here and acknowledged
	QuorumAckMillis   Histogram // until a quorum had acknowledged it, on the leader
	CommitMillis      Histogram // until the learner had its commit, and it was durable there
	PropagationMillis Histogram // until it was applied here

	PeerMishaps [32]Counter // what others do wrong on the two ports, by peer.Mishap

	acks [MaxPeers]atomic.Pointer[Histogram]
}

// MaxPeers bounds the ids of servers: 0..MaxPeers-1.
const MaxPeers = 256

// AckMillis is how long, in milliseconds from the time in a txn, a server took to acknowledge it; the
// leader feeds it. nil for an id out of bounds.
func (s *Server) AckMillis(id int64) *Histogram {
	if id < 0 || id >= MaxPeers {
		return nil
	}
	h := s.acks[id].Load()
	if h == nil {
		s.acks[id].CompareAndSwap(nil, new(Histogram))
		h = s.acks[id].Load()
	}
	return h
}

// Acks calls f for each server that [Server.AckMillis] was asked for, ascending.
func (s *Server) Acks(f func(id int64, h *Histogram)) {
	for id := range s.acks {
		if h := s.acks[id].Load(); h != nil {
			f(int64(id), h)
		}
	}
}

// ResetLatency is what the srst command resets: latencies and packet counts.
func (s *Server) ResetLatency() {
	s.Latency.Reset()
	s.PacketsReceived.Reset()
	s.PacketsSent.Reset()
}
