package page

// View is what the page says. Text is plain: escaping is done here.
type View struct {
	Title    string // of the window
	Level    Level  // how the server is, all in all
	Headline string // the same in a few words
	Sentence string // and in a sentence; may be empty
	Time     string // when this was so
	Facts    []Fact // about the server
	Problems []Problem
	Ensemble *Ensemble // nil for a server that stands alone
	Minutes  int       // that the plots are about
	Plots    []Plot
	Firewall *Firewall // nil where there is none at all
	Details  []Group
	Recovery []string // what was repaired at start
	Links    []Link
}

// Level says how well something is.
type Level string

// The levels.
const (
	Good    Level = "good"
	Warning Level = "warning"
	Error   Level = "error"
)

// Fact is one thing worth knowing.
type Fact struct{ Name, Value string }

// Group is facts about one thing.
type Group struct {
	Title string
	Facts []Fact
}

// Link leads to another page of the admin port.
type Link struct{ Path, Text string }

// Problem is what an operator should know, and its cure.
type Problem struct {
	Level     Level
	Code      string
	Text, Fix string
}

// Ensemble is the members as the server sees them.
type Ensemble struct {
	Sentences []string // about all of it
	Members   []Member
}

// Member is one server of the ensemble.
type Member struct {
	ID             int64
	Self, Observer bool
	Leader         bool
	Role           string // "" if it is not known
	Level          Level
	State          string // in words: what Level is about
	Epoch, Zxid    string
	Lag            string // in few words; may be empty
	Reach          Reach  // from the server that is asked
	Ports          []Port // election, peer, client
}

// Reach says whether something can be reached.
type Reach string

// What is known of that.
const (
	Reached   Reach = "reached"
	Shut      Reach = "shut"
	NotKnown  Reach = "unknown"
	OwnServer Reach = "own"
)

// Port is one port of a member.
type Port struct {
	Name, Address string
	Reach         Reach
	Text          string // Reach in words, with the kind of the last error
}

// Plot is the course of one thing over the last minutes, the newest on the right.
type Plot struct {
	Title string
	Unit  string // behind numbers: "/s", " ms", or nothing
	Span  float64
	// Step is how many seconds there are between two points of a line.
	Step  float64
	Lines []Line // one, or two of which the second is drawn with dashes
}

// Line is one line of a plot. Its Name says what it is where there are two.
type Line struct {
	Name   string
	Points []Point // the oldest first
}

// Point is a value that was so some seconds ago.
type Point struct {
	Ago, Value float64
	// Gap says that nothing is known of the time between the point before and this one.
	Gap bool
}

// Firewall is how the rules for the ports are.
type Firewall struct {
	Level   Level
	Verdict string
	Rules   []Rule
	Refused []Refused
	Facts   []Fact
	Foreign []Foreign
}

// Rule says who may reach what.
type Rule struct{ Who, From, May string }

// Refused counts packets that were not let in.
type Refused struct{ Port, Use, Source, Packets, Bytes string }

// Foreign is a rule of another program that is in the way.
type Foreign struct {
	Where, Text string
	Certain     bool
	Fix         []string
	Keep        string
}
