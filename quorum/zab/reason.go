package zab

// Reason says why a link or a role ended, in words for the log and for status.
type Reason string

// Reasons of a leader to end a link.
const (
	ReasonFirstPacket  Reason = "first packet is not FOLLOWERINFO or OBSERVERINFO"
	ReasonOldProtocol  Reason = "learner speaks a protocol older than Zab 1.0"
	ReasonOwnID        Reason = "learner claims the id of this server"
	ReasonConfigAhead  Reason = "learner has a later configuration"
	ReasonFarAhead     Reason = "learner that has no vote has accepted an epoch far above those of the voters"
	ReasonReplaced     Reason = "the same learner connected again"
	ReasonAckedUnsent  Reason = "learner acknowledged what was not sent to it"
	ReasonBacklog      Reason = "learner takes too long to sync: too much is held back for it"
	ReasonLagging      Reason = "learner does not make proposals durable within syncLimit"
	ReasonSyncStalled  Reason = "sync of the learner makes no progress within initLimit"
	ReasonLearnerAhead Reason = "learner that cannot lead has a later history"
)

// Reasons of a leader to end its role.
const (
	ReasonVoterAhead    Reason = "a voter has a later history"
	ReasonNoEpochQuorum Reason = "no quorum of voters connected within initLimit"
	ReasonNoAckQuorum   Reason = "no quorum of voters accepted the epoch within initLimit"
	ReasonNoSyncQuorum  Reason = "no quorum of voters took over the history within initLimit"
	ReasonLostQuorum    Reason = "a quorum of voters is no longer heard"
	ReasonOwnDisk       Reason = "own log is slow: others have made durable what it has not within syncLimit"
	ReasonEpochsSpent   Reason = "all epochs are spent"
	ReasonZxidsSpent    Reason = "the zxids of the epoch are spent: the next epoch has new ones"
	ReasonHandOver      Reason = "handed over at an operator's request"
)

// Reasons of both.
const (
	ReasonAcceptedAhead Reason = "learner has accepted a later epoch" // ends the link or, for a voter, the role
	ReasonMalformed     Reason = "malformed packet"
	ReasonUnexpected    Reason = "packet out of place"
	ReasonSilent        Reason = "peer is silent"
)

// Reasons of a learner to end its role.
const (
	ReasonLinkDown     Reason = "connection to the leader ended"
	ReasonLeaderBehind Reason = "leader proposes an epoch below the one accepted"
	ReasonWrongEpoch   Reason = "leader uses two epochs"
	ReasonGap          Reason = "proposal leaves a gap in the history"
	ReasonCommitOrder  Reason = "commit is not of the oldest proposal"
	ReasonCannotCut    Reason = "local history cannot be cut where the leader says: it will be taken whole"
	ReasonBrokenSnap   Reason = "leader's snapshot did not arrive whole"
	ReasonNoSnapshot   Reason = "leader did not send the snapshot that was asked for"
	ReasonOverflow     Reason = "leader sends too much before the sync has ended"
)
