package stats

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
}

// ResetLatency is what the srst command resets: latencies and packet counts.
func (s *Server) ResetLatency() {
	s.Latency.Reset()
	s.PacketsReceived.Reset()
	s.PacketsSent.Reset()
}
