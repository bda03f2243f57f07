package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The conversions of javaKey.conv: from a value of zoo.cfg to the TOML value of the key it maps to.

const mustBeInt = "must be a whole number"

func javaText(value string) (any, string) { return value, "" }

func javaInt(value string) (any, string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, mustBeInt
	}
	return n, ""
}

// javaDecoded reads what Java's Integer.getInteger reads: also hexadecimal and octal.
func javaDecoded(value string) (any, string) {
	n, err := strconv.ParseInt(strings.Replace(value, "#", "0x", 1), 0, 64)
	if err != nil {
		return nil, mustBeInt
	}
	return n, ""
}

// javaLimit reads a limit that is off at 0 and below.
func javaLimit(value string) (any, string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, mustBeInt
	}
	return max(n, 0), ""
}

// javaAtLeast reads a number that ZooKeeper raises to low; the key's odd is raisedTo(low).
func javaAtLeast(low int64) func(string) (any, string) {
	return func(value string) (any, string) {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, mustBeInt
		}
		return max(n, low), ""
	}
}

func raisedTo(low int64) func(string) string {
	return func(value string) string {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n < low {
			return fmt.Sprintf("is raised to %d, as ZooKeeper does", low)
		}
		return ""
	}
}

// javaDecodedKiB reads a number of KiB as javaDecoded does; 0 and below are off.
func javaDecodedKiB(value string) (any, string) {
	n, err := strconv.ParseInt(value, 0, 53)
	if err != nil {
		return nil, "must be a whole number of KiB"
	}
	return max(n, 0) * int64(KiB), ""
}

// javaPrealloc reads a number of KiB, at least the smallest step in which zkd allocates.
func javaPrealloc(value string) (any, string) {
	n, err := strconv.ParseInt(value, 10, 53)
	if err != nil {
		return nil, "must be a whole number of KiB"
	}
	return max(n*int64(KiB), int64(minPreallocate)), ""
}

func javaMillis(value string) (any, string) { return millis(value, 10) }

// javaDecodedMillis reads what Java's Long.getLong reads: also hexadecimal and octal.
func javaDecodedMillis(value string) (any, string) { return millis(value, 0) }

func millis(value string, base int) (any, string) {
	n, err := strconv.ParseInt(value, base, 64)
	if err != nil || n < 0 {
		return nil, "must be a whole number of milliseconds"
	}
	return fmt.Sprintf("%dms", n), ""
}

// javaTimeout is javaMillis where -1 stands for the default.
func javaTimeout(value string) (any, string) {
	if value == "-1" {
		return nil, ""
	}
	return javaMillis(value)
}

// javaPurge reads hours, or a number with ms, s, m, h or d; 0 and below never purge, and more than a
// year is a year. Source: QuorumPeerConfig of 3.9 (hours only) and 3.10.
func javaPurge(value string) (any, string) {
	const must = "must be a number of hours, or a number with ms, s, m, h or d"
	unit := strings.TrimLeft(value, "-0123456789")
	n, err := strconv.ParseInt(strings.TrimSuffix(value, unit), 10, 32)
	scale, ok := map[string]time.Duration{"": time.Hour, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if err != nil || !ok {
		return nil, must
	}
	return (time.Duration(min(max(n, 0), int64(year/scale))) * scale).String(), ""
}

// javaTrueOnly reads a system property: true is true and all else is false.
func javaTrueOnly(value string) (any, string) { return strings.EqualFold(value, "true"), "" }

// javaBool reads a switch for which ZooKeeper refuses all but true and false.
func javaBool(value string) (any, string) {
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return strings.EqualFold(value, "true"), ""
	}
	return nil, "must be true or false"
}

// javaKeepAlive reads the switch of keep-alive probes; the time is zkd's own.
func javaKeepAlive(value string) (any, string) {
	if strings.EqualFold(value, "true") {
		return Default().Ensemble.KeepAlive.String(), ""
	}
	return "0s", ""
}

func oddBool(value string) string {
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return ""
	}
	return "counts as false: only true is true, as in ZooKeeper"
}

// javaYes reads skipACL: yes is true and all else is false.
func javaYes(value string) (any, string) { return value == "yes", "" }

func oddYes(value string) string {
	if value == "yes" || value == "no" {
		return ""
	}
	return "counts as no: only yes is yes, as in ZooKeeper"
}

// javaUnless reads a switch that one word alone turns off.
func javaUnless(off string) func(string) (any, string) {
	return func(value string) (any, string) { return value != off, "" }
}

func oddUnless(off, on string) func(string) string {
	return func(value string) string {
		if value == off || strings.EqualFold(value, on) {
			return ""
		}
		return "counts as " + on + ": only " + off + " turns it off, as in ZooKeeper"
	}
}

func javaUpper(value string) (any, string) { return strings.ToUpper(value), "" }

// javaWords reads the whitelist of four-letter words and drops those that do not exist, as ZooKeeper
// in effect does.
func javaWords(value string) (any, string) {
	list := []any{}
	for _, w := range splitWords(value) {
		if slices.Contains(fourLetterWords(), w) && !slices.Contains(list, any(w)) {
			list = append(list, w)
		}
	}
	return list, ""
}

func oddWords(value string) string {
	var odd []string
	for _, w := range splitWords(value) {
		if !slices.Contains(fourLetterWords(), w) {
			odd = append(odd, quote(w))
		}
	}
	if len(odd) == 0 {
		return ""
	}
	return "names no four-letter word by " + strings.Join(odd, ", ")
}

func splitWords(value string) []string {
	var words []string
	for w := range strings.SplitSeq(value, ",") {
		if w = strings.TrimSpace(w); w != "" {
			words = append(words, w)
		}
	}
	return words
}
