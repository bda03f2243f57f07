package sd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap/zapcore"
)

// StderrIsJournal reports whether standard error is the journal's stream, so that entries of our
// own lose nothing and gain fields.
func StderrIsJournal() bool {
	ok, err := journal.StderrIsJournalStream()
	return err == nil && ok && journal.Enabled()
}

// JournalCore returns a zap core that writes native journal entries:
//
//	MESSAGE=took a snapshot zxid=0x100000004 bytes=5120   the constant message, then the fields
//	PRIORITY=6                                            syslog level
//	ZKD_ZXID=0x100000004                                  each field by itself
//	ZKD_BYTES=5120
//	ZKD_LOGGER=replica, CODE_FILE=, CODE_LINE=, CODE_FUNC=  where it was written
//	ZKD_EVENT=snapshot, MESSAGE_ID=                         of [Events], if it is one
func JournalCore(level zapcore.LevelEnabler) zapcore.Core {
	return &journalCore{LevelEnabler: level, events: eventsByMessage(), send: journal.Send}
}

type journalCore struct {
	zapcore.LevelEnabler
	fields []zapcore.Field
	events map[string]Event // by message; shared, and only read
	send   func(message string, p journal.Priority, vars map[string]string) error
}

func (c *journalCore) With(fields []zapcore.Field) zapcore.Core {
	clone := *c
	clone.fields = slices.Concat(c.fields, fields)
	return &clone
}

func (c *journalCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *journalCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	var names []string // in the order in which they were given
	for _, f := range slices.Concat(c.fields, fields) {
		before := len(enc.Fields)
		f.AddTo(enc)
		if len(enc.Fields) > before && enc.Fields[f.Key] != nil {
			names = append(names, f.Key)
		}
	}
	vars := make(map[string]string, len(enc.Fields)+6)
	var text strings.Builder
	text.WriteString(e.Message)
	for _, name := range names {
		v := plain(enc.Fields[name])
		text.WriteString(" " + name + "=" + quoted(v))
		vars[fieldName(name)] = v
	}
	for _, name := range slices.Sorted(maps.Keys(enc.Fields)) { // what a field made beside itself, as errorVerbose
		if _, ok := vars[fieldName(name)]; !ok {
			vars[fieldName(name)] = plain(enc.Fields[name])
		}
	}
	if event, ok := c.events[e.Message]; ok {
		vars["ZKD_EVENT"], vars["MESSAGE_ID"] = event.Name, event.ID
	}
	if e.LoggerName != "" {
		vars["ZKD_LOGGER"] = e.LoggerName
	}
	if e.Caller.Defined {
		vars["CODE_FILE"] = e.Caller.TrimmedPath()
		if i := strings.LastIndexByte(vars["CODE_FILE"], ':'); i >= 0 {
			vars["CODE_FILE"] = vars["CODE_FILE"][:i]
		}
		vars["CODE_LINE"] = strconv.Itoa(e.Caller.Line)
		vars["CODE_FUNC"] = e.Caller.Function
	}
	if e.Stack != "" {
		vars["ZKD_STACK"] = e.Stack
	}
	return c.send(text.String(), priority(e.Level), vars)
}

func (c *journalCore) Sync() error { return nil }

func priority(l zapcore.Level) journal.Priority {
	switch {
	case l <= zapcore.DebugLevel:
		return journal.PriDebug
	case l == zapcore.InfoLevel:
		return journal.PriInfo
	case l == zapcore.WarnLevel:
		return journal.PriWarning
	case l == zapcore.ErrorLevel:
		return journal.PriErr
	default:
		return journal.PriCrit
	}
}

// fieldName returns the journal field of a log field: upper case letters, digits and underscores.
func fieldName(name string) string {
	return "ZKD_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, name)
}

func plain(v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}

// quoted wraps a value that would otherwise not read as one word.
func quoted(v string) string {
	if v == "" || strings.ContainsAny(v, " \t\n\"=") {
		return strconv.Quote(v)
	}
	return v
}
