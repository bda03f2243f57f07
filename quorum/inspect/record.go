package inspect

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// ErrDamaged says that files were read and that something is wrong with them.
var ErrDamaged = errors.New("damaged")

// Options say what is shown, and how. The zero value shows everything as text.
type Options struct {
	// JSON asks for JSON lines in place of text.
	JSON bool
	// MaxDataBytes bounds how much of a znode's data is shown, 0 for all of it.
	MaxDataBytes int
	// From and To bound the txns of a log that are shown, inclusively; a To of 0 is no bound.
	From, To zk.Zxid
	// MaxTxnBytes is the longest txn that the server whose log it is reads back, for VerifyLog; 0 is
	// the default of jute.maxbuffer.
	MaxTxnBytes int
	// Progress, nil for none, hears how much of a file has been read: plain bytes, and znodes or txns. It is
	// called often and decides by itself what to make of it.
	Progress func(file string, bytes, items int64)
}

// of returns Progress for one file.
func (o Options) of(file string) func(bytes, items int64) error {
	if o.Progress == nil {
		return nil
	}
	return func(bytes, items int64) error {
		o.Progress(file, bytes, items)
		return nil
	}
}

// printer writes records to w. The first error sticks.
type printer struct {
	w       *bufio.Writer
	options Options
	err     error
	line    []byte // the record being built
	first   bool   // whether no field has been added to the current object
}

func newPrinter(w io.Writer, o Options) *printer {
	return &printer{w: bufio.NewWriterSize(w, 64<<10), options: o}
}

// begin starts a record.
func (p *printer) begin(kind string) {
	p.line, p.first = p.line[:0], true
	if p.options.JSON {
		p.line = append(p.line, '{')
		p.text("kind", kind)
	} else {
		p.line = append(p.line, kind...)
		p.first = false
	}
}

// end writes the record.
func (p *printer) end() {
	if p.options.JSON {
		p.line = append(p.line, '}')
	}
	p.line = append(p.line, '\n')
	if p.err == nil {
		_, p.err = p.w.Write(p.line)
	}
}

// flush writes what is buffered and returns the first error of all writes.
func (p *printer) flush() error {
	if err := p.w.Flush(); p.err == nil {
		p.err = err
	}
	return p.err
}

// key starts a field.
func (p *printer) key(name string) {
	switch {
	case !p.options.JSON:
		if !p.first {
			p.line = append(p.line, ' ')
		}
		p.line = append(append(p.line, name...), '=')
	default:
		if !p.first {
			p.line = append(p.line, ',')
		}
		p.line = append(append(append(p.line, '"'), name...), '"', ':')
	}
	p.first = false
}

// quote appends s between quotes: those of JSON, or of Go, which keep a line a line too.
func (p *printer) quote(s string) {
	if !p.options.JSON {
		p.line = strconv.AppendQuote(p.line, s)
		return
	}
	quoted, err := json.Marshal(s)
	if err != nil && p.err == nil {
		p.err = err
	}
	p.line = append(p.line, quoted...)
}

// word adds a value without spaces or quotes in it: bare in text, quoted in JSON.
func (p *printer) word(name, value string) {
	p.key(name)
	p.bare(value)
}

func (p *printer) bare(value string) {
	if p.options.JSON {
		p.quote(value)
	} else {
		p.line = append(p.line, value...)
	}
}

func (p *printer) text(name, value string) {
	p.key(name)
	p.quote(value)
}

func (p *printer) int(name string, value int64) {
	p.key(name)
	p.line = strconv.AppendInt(p.line, value, 10)
}

func (p *printer) bool(name string, value bool) {
	p.key(name)
	p.line = strconv.AppendBool(p.line, value)
}

// hex adds a zxid, session id, owner or digest.
func (p *printer) hex(name string, value uint64) {
	p.key(name)
	var b [18]byte
	p.bare(string(strconv.AppendUint(append(b[:0], "0x"...), value, 16)))
}

func (p *printer) zxid(name string, z zk.Zxid) { p.hex(name, uint64(z)) }

func (p *printer) time(name string, unixMillis int64) {
	p.word(name, time.UnixMilli(unixMillis).UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// data adds a znode's data, or as much of it as is asked for.
func (p *printer) data(b []byte) {
	if b == nil {
		p.key("data")
		p.line = append(p.line, "null"...)
		return
	}
	shown := b
	if limit := p.options.MaxDataBytes; limit > 0 && len(b) > limit {
		// Cut between characters, so that text stays text.
		for shown = b[:limit]; len(shown) > limit-utf8.UTFMax && !utf8.RuneStart(b[len(shown)]); {
			shown = shown[:len(shown)-1]
		}
	}
	if utf8.Valid(shown) {
		p.text("data", string(shown))
	} else {
		p.word("data_hex", hex.EncodeToString(shown))
	}
	if len(shown) < len(b) {
		p.int("data_bytes", int64(len(b)))
	}
}

func (p *printer) acl(list []proto.ACL) {
	p.key("acl")
	if !p.options.JSON {
		for i, a := range list {
			if i > 0 {
				p.line = append(p.line, ',')
			}
			entry := a.ID.Scheme + ":" + a.ID.ID + ":" + permText(a.Perms)
			if strings.ContainsFunc(entry, func(r rune) bool { return !unicode.IsGraphic(r) || strings.ContainsRune(" ,\"", r) }) {
				entry = strconv.Quote(entry)
			}
			p.line = append(p.line, entry...)
		}
		return
	}
	p.line = append(p.line, '[')
	for i, a := range list {
		if i > 0 {
			p.line = append(p.line, ',')
		}
		p.line, p.first = append(p.line, '{'), true
		p.text("scheme", a.ID.Scheme)
		p.text("id", a.ID.ID)
		p.text("perms", permText(a.Perms))
		p.line = append(p.line, '}')
	}
	p.line, p.first = append(p.line, ']'), false
}

// permText returns permissions in zkCli's letters, and bits without a letter as a number.
func permText(perms zk.Perm) string {
	var b []byte
	for _, l := range []struct {
		bit    zk.Perm
		letter byte
	}{{zk.PermCreate, 'c'}, {zk.PermDelete, 'd'}, {zk.PermRead, 'r'}, {zk.PermWrite, 'w'}, {zk.PermAdmin, 'a'}} {
		if perms&l.bit != 0 {
			b = append(b, l.letter)
		}
	}
	if rest := perms &^ zk.PermAll; rest != 0 {
		b = strconv.AppendInt(append(b, '+'), int64(rest), 10)
	}
	return string(b)
}
