package foreign

// View is what a reader found on the host, without zkd's own tables.
type View struct {
	// Chains are all chains at which the packets of TCP may end: base chains of the hooks and what they jump to.
	Chains []Chain
	// Legacy4 and Legacy6 name tables of the old iptables, whose rules are not part of nftables and are not read.
	Legacy4, Legacy6 []string
	// Configured are the tables that /etc/nftables.conf makes, as "inet filter".
	Configured []string
}

// Hook is where a base chain sees packets, "" for a chain that is jumped to.
type Hook string

const (
	Prerouting Hook = "prerouting"
	Input      Hook = "input"
	Output     Hook = "output"
)

// Chain is a chain of rules. Family is "ip", "ip6" or "inet".
type Chain struct {
	Family, Table, Name string
	Hook                Hook
	Type                string // "filter", "route", "nat"
	Priority            int
	PolicyDrop          bool
	Rules               []Rule
}

// Rule does something with the packets that all its matches match.
type Rule struct {
	Matches []Match
	// Map, if not nil, gives the verdict by a value; no case: the next rule.
	Map     *Map
	Verdict Verdict
	Target  string // of Jump and Goto
}

// Verdict is what a rule does.
type Verdict string

const (
	Continue Verdict = ""
	Accept   Verdict = "accept"
	Drop     Verdict = "drop"
	Reject   Verdict = "reject"
	Jump     Verdict = "jump"
	Goto     Verdict = "goto"
	Return   Verdict = "return"
	Unclear  Verdict = "unclear" // such as a queue to a program: anything may become of it
)

// Field is what a match looks at. Values are bytes, numbers big-endian, compared byte by byte.
type Field string

const (
	InName      Field = "iifname" // zero-padded
	OutName     Field = "oifname"
	InIndex     Field = "iif" // 4 bytes
	OutIndex    Field = "oif"
	InType      Field = "iiftype" // 2 bytes
	OutType     Field = "oiftype"
	Family      Field = "nfproto"   // 1 byte
	Protocol    Field = "l4proto"   // 1 byte
	EtherType   Field = "protocol"  // 2 bytes
	PacketType  Field = "pkttype"   // 1 byte
	Source4     Field = "ip saddr"  // 4 bytes, or the first of them
	Dest4       Field = "ip daddr"  // so too
	Source6     Field = "ip6 saddr" // 16 bytes, or the first of them
	Dest6       Field = "ip6 daddr" // so too
	SourcePort  Field = "sport"     // 2 bytes
	DestPort    Field = "dport"     // 2 bytes
	TCPFlags    Field = "tcp flags" // 1 byte
	State       Field = "ct state"  // 4 bytes
	Status      Field = "ct status" // 4 bytes
	Direction   Field = "ct direction"
	DestType    Field = "fib daddr type"  // 4 bytes
	SourceRoute Field = "fib saddr oif"   // 4 bytes; 0 is missing
	Unknown     Field = "something else"  // may match or not
	Impossible  Field = "other protocols" // never matches what is asked here
	Anything    Field = "no condition"    // always matches
)

// Match compares a field with values.
type Match struct {
	Field Field
	Mask  []byte // applied before; nil for none
	Not   bool
	Spans []Span // it matches if any does
}

// Span is all values from From to To, both included, compared byte by byte over their own length.
type Span struct{ From, To []byte }

// Map gives the verdict by the value of a field.
type Map struct {
	Field Field
	Mask  []byte
	Cases []Case
}

// Case is one entry of a Map.
type Case struct {
	Span
	Verdict Verdict
	Target  string
}
