package config

import (
	"fmt"
	"strings"
)

// Line is one setting of a zoo.cfg, and what became of it.
type Line struct {
	Number int    // counts from 1
	Key    string // as it is written
	Fate   string // "client.listen", or a sentence
}

// Account says for each setting of the zoo.cfg text what became of it; c and notices are what [Parse] made of
// name and text. No setting is left out, and no value is shown.
func Account(name string, text []byte, c Config, notices []Notice) []Line {
	z := &zooReader{index: javaKeyIndex(), dead: deadSpellings()}
	properties, _ := parseProperties(text)
	last := make(map[string]int) // the line that counts, by ZooKeeper's name of the key
	for _, p := range properties {
		last[z.canonical(javaTrim(p.key))] = p.line
	}
	var lines []Line
	for _, p := range properties {
		l := Line{Number: p.line, Key: javaTrim(p.key)}
		key := z.canonical(l.Key)
		if n := last[key]; n != p.line {
			l.Fate = fmt.Sprintf("is overruled by line %d", n)
		} else {
			l.Fate = z.fateOf(key, settingsOf(c, name, p.line), said(notices, name, p.line))
		}
		lines = append(lines, l)
	}
	return lines
}

// settingsOf are the keys that a line of a file sets.
func settingsOf(c Config, file string, line int) []string {
	var keys []string
	for _, s := range c.Explain() {
		if at := c.sources[s.Key]; at.File == file && at.Line == line {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// said is what notices say of a line.
func said(notices []Notice, file string, line int) []string {
	var list []string
	for _, n := range notices {
		if n.File == file && n.Line == line {
			list = append(list, n.What)
			if n.Fix != "" {
				list = append(list, n.Fix)
			}
		}
	}
	return list
}

// fateOf says what became of a key that set these keys and brought up these notices: the few that did neither
// stand for a default, or belong to another line.
func (z *zooReader) fateOf(key string, keys, said []string) string {
	if len(keys) > 0 || len(said) > 0 {
		return strings.Join(append(keys, said...), "; ")
	}
	switch to := javaName(key); key {
	case "dynamicConfigFile":
		return "names the file with the servers"
	case "multiAddress.enabled":
		return "is not needed: a server may have several addresses"
	case "clientPort", "clientPortAddress", "admin.serverPort", "admin.serverAddress":
		return to
	default:
		return "stands for the default of " + to
	}
}

// Imported returns a zkd.toml that gives c, which [Parse] made of the zoo.cfg name with text and of env, and in front of
// it an account of every setting there.
func Imported(name string, text []byte, c Config, notices []Notice, env ...JavaEnv) string {
	var b strings.Builder
	for line := range strings.Lines(ImportReport(name, text, c, notices, env...)) {
		b.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
	return b.String() + "\n" + c.ToTOML()
}

// ImportReport is the account of every setting by itself.
func ImportReport(name string, text []byte, c Config, notices []Notice, env ...JavaEnv) string {
	var b strings.Builder
	say := func(format string, args ...any) { b.WriteString(printable(fmt.Sprintf(format, args...)) + "\n") }
	say("Made of %s by zkd import. What became of each of its settings:", name)
	say("")
	for _, l := range Account(name, text, c, notices) {
		say("  line %d, %s: %s", l.Number, l.Key, l.Fate)
	}
	told := map[string]bool{name: true}
	for _, e := range env {
		told[e.Name] = true
		say("")
		say("What became of the flags and variables of %s:", e.Name)
		say("")
		for _, l := range e.account(c, notices) {
			say("  line %d, %s: %s", l.Number, l.Key, l.Fate)
		}
	}
	first := true
	for _, n := range notices {
		if told[n.File] && n.Line > 0 {
			continue
		}
		if first {
			say("")
			say("Besides:")
			say("")
			first = false
		}
		say("  %s", n.Problem)
	}
	return b.String()
}

// printable makes s fit for a comment: a key of a zoo.cfg may hold any character.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
