package serve

import (
	"net"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Words says which four-letter words are answered, and what they tell beyond the client port.
type Words struct {
	// Allowed words; "*" allows all. srvr is always allowed, as in ZooKeeper: zkServer.sh needs it.
	Allowed []string
	// Version is the text behind "Zookeeper version: ".
	Version string
	// Mode is standalone, leader, follower or observer.
	Mode func() string
	// Serving says whether clients are served; most words are not answered while they are not.
	Serving func() bool
	// Monitor, if not nil, gives further variables for mntr.
	Monitor func() []Variable
	// Conf is the text of the conf command but for the ports of the listeners.
	Conf func() string
	// DirSizes are the bytes of snapshots and of logs on disk.
	DirSizes func() (snapshots, logs int64)
	// Started is when the server began to serve.
	Started time.Time
}

// Variable is one line of mntr, without the zk_ of its name.
type Variable struct {
	Name  string
	Value any
}

// notServing is ZooKeeper's answer to a word while there is no server behind the port.
const notServing = "This ZooKeeper instance is not currently serving requests\n"

// always are the words that are answered even then.
var always = map[string]bool{"ruok": true, "envi": true, "gtmk": true, "stmk": true}

// wordTable maps each known word to its answer.
var wordTable = map[string]func(*Server) string{
	"ruok": func(*Server) string { return "imok" },
	"isro": func(*Server) string { return "rw" },
	"gtmk": func(*Server) string { return "0" },
	"srvr": (*Server).srvr, "stat": (*Server).stat, "cons": (*Server).cons, "conf": (*Server).conf,
	"envi": (*Server).envi, "mntr": (*Server).mntr, "wchs": (*Server).wchs, "wchc": (*Server).wchc,
	"wchp": (*Server).wchp, "dump": (*Server).dump, "dirs": (*Server).dirs, "hash": (*Server).hash,
	"crst": (*Server).crst, "srst": (*Server).srst,
	"stmk": func(*Server) string { return "0" }, // there are no traces to mask
}

// Known reports whether the first four bytes of a connection are a word and not a frame length.
func (w *Words) Known(word string) bool {
	_, known := wordTable[word]
	return known
}

func (w *Words) allowed(word string) bool {
	return word == "srvr" || slices.Contains(w.Allowed, "*") || slices.Contains(w.Allowed, word)
}

// Answer returns what a word answers, whether or not it is allowed to clients; ok is false for an
// unknown word.
func (s *Server) Answer(word string) (text string, ok bool) {
	f, ok := wordTable[word]
	if !ok {
		return "", false
	}
	if !always[word] && !s.cfg.Words.Serving() {
		return notServing, true
	}
	return f(s), true
}

const (
	// wordTimeout bounds how long a client may take to read the answer of a word.
	wordTimeout = 5 * time.Second
	// lingerTimeout bounds the wait for a client to close after the answer.
	lingerTimeout = time.Second
)

// answerWord sends the answer and closes. What the client has sent behind the word is read first,
// for closing with unread input would reset the connection and could take the answer with it.
func (c *conn) answerWord(word string) {
	c.s.stats.PacketsReceived.Add(1)
	text := word + " is not executed because it is not in the whitelist.\n"
	if c.s.cfg.Words.allowed(word) {
		text, _ = c.s.Answer(word)
	} else if say, suppressed := c.s.complain.allow("word"); say {
		c.s.log.Info("four-letter word refused: not in the whitelist", zap.String("word", word),
			zap.String("client", c.remote.String()), zap.Int("suppressed", suppressed))
	}
	if c.nc.SetDeadline(time.Now().Add(wordTimeout)) != nil {
		return
	}
	if _, err := c.nc.Write([]byte(text)); err != nil {
		return
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	drain(c.nc)
}

func drain(nc net.Conn) {
	if nc.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	var scratch [256]byte
	for range 64 {
		if _, err := nc.Read(scratch[:]); err != nil {
			return
		}
	}
}

// lines joins lines, each ended by a newline.
func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }
