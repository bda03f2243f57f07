package config

import (
	"slices"
	"strings"
)

// fileOnly are the honoured keys that ZooKeeper reads in zoo.cfg and never as a flag of Java.
// Source: QuorumPeerConfig.parseProperties.
func fileOnly(name string) bool {
	return isMemberKey(name) || slices.Contains([]string{"dataDir", "dataLogDir", "clientPort", "clientPortAddress", "dynamicConfigFile",
		"tickTime", "minSessionTimeout", "maxSessionTimeout", "maxClientCnxns", "initLimit", "syncLimit", "quorumListenOnAllIPs",
		"autopurge.snapRetainCount", "autopurge.purgeInterval"}, name)
}

// flags takes in the flags of Java beside the zoo.cfg, and returns the keys that they alone set. Every item is accounted
// for: it sets a key, or a notice says why not.
func (z *zooReader) flags(env []JavaEnv) (names []string) {
	byFlag := make(map[string]bool)
	items := parseJavaEnvs(env)
	for i, e := range env {
		for _, item := range items[i] {
			at := Source{File: e.Name, Line: item.line, Key: item.key}
			name, fate, severity := z.flag(item)
			if name == "" {
				z.notice(severity, at, "", "%s", fate)
				continue
			}
			if at.Value = item.value; z.isSecret(name) {
				at.Value = ""
			}
			before, given := z.last[name]
			switch {
			case given && byFlag[name]:
				z.notice(Warning, before, "", "is set again at %s, which counts", at)
			case given && !z.index[name].flagOnly:
				z.notice(Warning, at, "", "is overruled by %s", before)
				continue
			case given:
				z.notice(Warning, before, "", "is overruled by %s at %s: ZooKeeper reads it there only", at.Key, at)
			default:
				names = append(names, name)
			}
			byFlag[name] = true
			z.last[name], z.value[name] = at, item.value
		}
	}
	return names
}

// flag returns ZooKeeper's name of the key that a flag sets, or "" and what becomes of it instead.
func (z *zooReader) flag(item envItem) (name, fate string, severity Severity) {
	if item.property == "" {
		if item.odd {
			severity = Warning
		}
		return "", item.fate, severity
	}
	rest, prefixed := strings.CutPrefix(item.property, "zookeeper.")
	k, known := z.lookup(rest)
	switch {
	case !prefixed && !known:
		return "", "has no effect: it is a property of Java's, or of a library", Info
	case !prefixed && k.fate == honoured && !k.flagOnly:
		return "", "is read by ZooKeeper as -Dzookeeper." + rest + " only, and ignored", Warning
	case isLogProperty(rest):
		return "", envLog, Info
	case !known:
		fate = envUnknown
		if near := nearest(rest, z.names); near != "" {
			fate += "; did you mean -Dzookeeper." + near + "?"
		}
		return "", fate, Warning
	case fileOnly(rest):
		return "", "is read by ZooKeeper in zoo.cfg only, and ignored", Warning
	case prefixed && k.flagOnly:
		return "", "is read by ZooKeeper without the prefix zookeeper. only, and ignored", Warning
	}
	return z.canonical(item.property), "", Info
}

// isLogProperty reports whether a property of ZooKeeper's is one of its log4j.properties or logback.xml.
func isLogProperty(name string) bool {
	return slices.ContainsFunc([]string{"log.", "root.logger", "console.", "tracelog.", "auditlog."}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// isSecret reports whether the value of a key is never shown.
func (z *zooReader) isSecret(name string) bool {
	return z.index[name].secret || strings.Contains(strings.ToLower(name), "passw")
}

// account says for each item of a JavaEnv what became of it.
func (e JavaEnv) account(c Config, notices []Notice) []Line {
	z := &zooReader{index: javaKeyIndex(), dead: deadSpellings()}
	var lines []Line
	for _, item := range parseJavaEnv(e.Text) {
		of := func(s Source) bool { return s.File == e.Name && s.Line == item.line && s.Key == item.key }
		var fates []string
		for _, s := range c.Explain() {
			if of(c.sources[s.Key]) {
				fates = append(fates, s.Key)
			}
		}
		for _, n := range notices {
			if !of(n.Source) {
				continue
			}
			if fates = append(fates, n.What); n.Fix != "" {
				fates = append(fates, n.Fix)
			}
		}
		if len(fates) == 0 {
			fates = []string{z.fateOf(z.canonical(item.property), nil, nil)}
		}
		lines = append(lines, Line{item.line, item.key, strings.Join(slices.Compact(fates), "; ")})
	}
	return lines
}
