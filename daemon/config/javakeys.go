package config

import (
	"slices"
	"strings"
)

// fate says what becomes of a key of zoo.cfg.
type fate uint8

const (
	// honoured: mapped to a key of zkd.toml, or read by zooReader itself.
	honoured fate = iota
	// noEffect: there is nothing in zkd that it could set. An Info.
	noEffect
	// notYet: a feature that zkd lacks, and whose absence harms nobody. A Warning.
	notYet
	// refused: a feature that zkd lacks, and without which the server would be less safe than the
	// file asks for. An error.
	refused
	// provider: the class of an authentication scheme; zooReader.provider judges it.
	provider
)

// javaKey is one key of zoo.cfg, or of a family of keys with one prefix.
type javaKey struct {
	name string // without "zookeeper."; a family's ends in "."
	fate fate

	// to is the key of zkd.toml, and conv makes its TOML value of the Java one: nil for "not set",
	// or what the value must be. odd, if any, remarks on a value that ZooKeeper takes for something
	// else than it looks.
	to   string
	conv func(value string) (v any, must string)
	odd  func(value string) (remark string)

	// why completes "has no effect:" or "is not available in this version of zkd:"; fix is for the
	// refused. harmless says which values ask for nothing.
	why, fix string
	harmless func(value string) bool

	secret   bool // never shown
	flagOnly bool // a Java system property without the prefix zookeeper.: zoo.cfg cannot set it in ZooKeeper
}

// javaKeys is what zkd knows about the keys of zoo.cfg: those of the administrator's guide of 3.9
// and those that the code of 3.9 reads besides. Source: features 3.1 to 3.8.
func javaKeys() []javaKey {
	return slices.Concat(javaCoreKeys(), javaStorageKeys(), javaAccessKeys(), javaClusterKeys(), javaTuningKeys())
}

// javaFamilies are the prefixes under which any name may follow.
func javaFamilies() []javaKey {
	return []javaKey{
		{name: "server."},
		{name: "group."},
		{name: "weight."},
		{name: "authProvider.", fate: provider},
		{name: "superUser.", fate: notYet, why: whySASLSuper},
		{name: "metricsProvider.", fate: noEffect, why: "metrics are always served as /metrics on the admin port"},
	}
}

func javaKeyIndex() map[string]javaKey {
	index := make(map[string]javaKey)
	for _, k := range javaKeys() {
		index[k.name] = k
	}
	return index
}

// javaNames are the names to suggest in place of an unknown one, sorted.
func javaNames() []string {
	var names []string
	for _, k := range javaKeys() {
		names = append(names, k.name)
	}
	slices.Sort(names)
	return names
}

// javaName returns the key of zkd.toml that a key of zoo.cfg maps to, "" if there is none.
func javaName(name string) string {
	switch name {
	case "clientPort", "clientPortAddress":
		return "client.listen"
	case "admin.serverPort", "admin.serverAddress":
		return "admin.listen"
	}
	return javaKeyIndex()[strings.TrimPrefix(name, "zookeeper.")].to
}

// deadSpellings maps names that ZooKeeper's documentation gives and nothing in it reads to those that
// work. Source: features 10.1.
func deadSpellings() map[string]string {
	return map[string]string{
		"connectionMaxTokens":         "connection_throttle_tokens",
		"connectionTokenFillTime":     "connection_throttle_fill_time",
		"connectionTokenFillCount":    "connection_throttle_fill_count",
		"connectionFreezeTime":        "connection_throttle_freeze_time",
		"connectionDropIncrease":      "connection_throttle_drop_increase",
		"connectionDropDecrease":      "connection_throttle_drop_decrease",
		"connectionDecreaseRatio":     "connection_throttle_decrease_ratio",
		"requestThrottleLimit":        "request_throttle_max_requests",
		"requestThrottleStallTime":    "request_throttle_stall_time",
		"requestThrottleDropStale":    "request_throttle_drop_stale",
		"requestStaleLatencyCheck":    "request_stale_latency_check",
		"requestStaleConnectionCheck": "request_stale_connection_check",
		"throttledOpWaitTime":         "throttled_op_wait_time",
		"advancedFlowControlEnabled":  "netty.advancedFlowControl.enabled",
		"outstandingHandshake.limit":  "netty.server.outstandingHandshake.limit",
		"maxConcurrentSnapSyncs":      "leader.maxConcurrentSnapSyncs",
		"maxConcurrentDiffSyncs":      "leader.maxConcurrentDiffSyncs",
		"maxTimeToWaitForEpoch":       "leader.maxTimeToWaitForEpoch",
	}
}

func mapped(name, to string, conv func(string) (any, string)) javaKey {
	return javaKey{name: name, to: to, conv: conv}
}

func (k javaKey) oddly(odd func(string) string) javaKey {
	k.odd = odd
	return k
}

func (k javaKey) asFlag() javaKey {
	k.flagOnly = true
	return k
}

func (k javaKey) hidden() javaKey {
	k.secret = true
	return k
}

// keysOf makes one entry per name like the given one.
func keysOf(like javaKey, names ...string) []javaKey {
	keys := make([]javaKey, len(names))
	for i, n := range names {
		keys[i] = like
		keys[i].name = n
	}
	return keys
}

func withoutEffect(why string, names ...string) []javaKey {
	return keysOf(javaKey{fate: noEffect, why: why}, names...)
}

// unavailable are notYet unless harmless says that the value asks for nothing.
func unavailable(why string, harmless func(string) bool, names ...string) []javaKey {
	return keysOf(javaKey{fate: notYet, why: why, harmless: harmless}, names...)
}

// unsafe are refused unless harmless says that the value asks for nothing.
func unsafe(why, fix string, harmless func(string) bool, names ...string) []javaKey {
	return keysOf(javaKey{fate: refused, why: why, fix: fix, harmless: harmless}, names...)
}

// onlyFalse is the harmless test of a switch that nobody may misread as off.
func onlyFalse(value string) bool { return strings.EqualFold(value, "false") }

// unlessTrue is the harmless test of a switch that is off by default.
func unlessTrue(value string) bool { return !strings.EqualFold(value, "true") }

// unlessFalse is the harmless test of a switch that is on by default.
func unlessFalse(value string) bool { return !strings.EqualFold(value, "false") }

// unlessPositive is the harmless test of a limit that is off at 0 and below.
func unlessPositive(value string) bool {
	n, must := javaInt(value)
	v, ok := n.(int64)
	return must == "" && ok && v <= 0
}
