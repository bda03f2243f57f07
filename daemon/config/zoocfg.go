package config

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"zkd/quorum/zk"
)

// javaDefault marks values that a zoo.cfg leaves to ZooKeeper's own default where zkd.toml has
// another one.
const javaDefault = "ZooKeeper's default"

// zooReader overlays one zoo.cfg on a Config.
type zooReader struct {
	*report
	cfg    *Config
	file   string
	read   ReadFile
	index  map[string]javaKey
	names  []string          // javaNames
	dead   map[string]string // deadSpellings
	fields map[string]field
	// last is the last property of each key, by the key's ZooKeeper name.
	last map[string]Source
	// value is that property's value, trimmed as ZooKeeper trims it.
	value map[string]string
}

// readZooCfg overlays a zoo.cfg on cfg. What ZooKeeper refuses is refused; what it would silently turn
// into a system property that nobody reads is named; see javaKeys for the fate of each key.
func readZooCfg(file string, text []byte, read ReadFile, env []JavaEnv, cfg *Config, rep *report) {
	z := &zooReader{report: rep, cfg: cfg, file: file, read: read, index: javaKeyIndex(), names: javaNames(), dead: deadSpellings(),
		fields: map[string]field{}, last: map[string]Source{}, value: map[string]string{}}
	for _, f := range fields() {
		z.fields[f.Name] = f
	}
	z.javaDefaults()
	properties, errs := parseProperties(text)
	for _, e := range errs {
		z.errorf(Source{File: file, Line: e.line}, "", "%s", e.what)
	}
	names := z.collect(properties)
	for _, name := range append(names, z.flags(env)...) {
		z.apply(name)
	}
	z.clientPort()
	z.adminPort()
	z.required()
	z.ensemble()
	z.remarks()
}

// javaDefaults sets what ZooKeeper assumes where zkd.toml assumes something else, and existing
// clients or servers may depend on it.
func (z *zooReader) javaDefaults() {
	note := Source{File: z.file, Note: javaDefault}
	z.cfg.Session.TickTime = 3 * time.Second
	z.cfg.setSource("session.tick_time", note)
	z.cfg.Client.Listen = nil // from clientPort, or from the server list
}

// collect keeps the last property of each key, in the order of the file, and says where another one
// is overruled.
func (z *zooReader) collect(properties []property) []string {
	var names []string
	for _, p := range properties {
		written := javaTrim(p.key)
		value := javaTrim(p.value)
		at := Source{File: z.file, Line: p.line, Key: written, Value: value}
		name := z.canonical(written)
		if z.isSecret(name) {
			at.Value = ""
		}
		if first, ok := z.last[name]; ok {
			if z.value[name] != value {
				z.notice(Warning, first, "", "is set again on line %d, which counts", p.line)
			}
			names = slices.DeleteFunc(names, func(n string) bool { return n == name })
		}
		z.last[name], z.value[name] = at, value
		names = append(names, name)
	}
	return names
}

// canonical returns ZooKeeper's name of a key: without the prefix zookeeper., and for documented
// spellings that nothing reads the one that works.
func (z *zooReader) canonical(written string) string {
	name := written
	if rest, ok := strings.CutPrefix(name, "zookeeper."); ok {
		if _, known := z.lookup(rest); known {
			name = rest
		}
	}
	if working, ok := z.dead[name]; ok {
		return working
	}
	return name
}

// lookup finds what is known about a key, itself or as one of a family such as metricsProvider.x.
func (z *zooReader) lookup(name string) (javaKey, bool) {
	if k, ok := z.index[name]; ok {
		return k, true
	}
	if working, ok := z.dead[name]; ok {
		return z.index[working], true
	}
	for _, k := range javaFamilies() {
		if strings.HasPrefix(name, k.name) && name != k.name {
			return k, true
		}
	}
	return javaKey{}, false
}

func (z *zooReader) apply(name string) {
	at, value := z.last[name], z.value[name]
	k, ok := z.lookup(name)
	if !ok {
		z.unknown(at, name)
		return
	}
	z.spelling(at, name, k)
	switch k.fate {
	case honoured:
		if k.to != "" {
			z.set(at, k, value)
		}
	case noEffect:
		z.notice(Info, at, "", "has no effect: %s", k.why)
	case notYet:
		if k.harmless != nil && k.harmless(value) {
			z.notice(Info, at, "", "is what this version of zkd does anyway")
			return
		}
		z.notice(Warning, at, "", "is not available in this version of zkd: %s", k.why)
	case refused:
		if k.harmless != nil && k.harmless(value) {
			z.notice(Info, at, "", "is what this version of zkd does anyway")
			return
		}
		z.errorf(at, k.fix, "is not available in this version of zkd: %s", k.why)
	case provider:
		z.provider(at, value)
	}
}

// spelling says where ZooKeeper would not have read the key as it is written, and zkd does.
func (z *zooReader) spelling(at Source, name string, k javaKey) {
	switch {
	case strings.HasPrefix(at.Key, "-D"): // flags have spellings of their own
	case z.dead[strings.TrimPrefix(at.Key, "zookeeper.")] != "":
		z.notice(Info, at, "", "is documented, but ZooKeeper reads %s; zkd takes it as that", name)
	case k.fate != honoured:
	case at.Key != name:
		z.notice(Info, at, "", "is read by ZooKeeper without the prefix zookeeper. only; zkd takes it as %s", name)
	case k.flagOnly:
		z.notice(Info, at, "", "is read by ZooKeeper as a -D flag of Java only; zkd reads it here")
	}
}

func (z *zooReader) unknown(at Source, name string) {
	fix := ""
	if near := nearest(name, z.names); near != "" {
		fix = "did you mean " + near + "?"
	} else {
		for _, f := range fields() {
			if _, last, _ := cutLast(f.Name); f.Name == name || last == name {
				fix = f.Name + " is a key of zkd.toml"
				break
			}
		}
	}
	z.notice(Warning, at, fix, "is not known, and ignored; ZooKeeper would make the Java system property zookeeper.%s of it", name)
}

// set converts a value to what the key of zkd.toml takes, and stores it.
func (z *zooReader) set(at Source, k javaKey, value string) {
	f := z.fields[k.to]
	v, must := k.conv(value)
	if must == "" && v == nil { // the value stands for "not set"
		return
	}
	if must == "" {
		must = f.decode(z.cfg, v)
	}
	if must != "" {
		z.breakKey(k.to)
		z.errorf(at, "", "%s", must)
		return
	}
	z.cfg.setSource(k.to, at)
	if k.odd != nil {
		if remark := k.odd(value); remark != "" {
			z.notice(Warning, at, "", "%s", remark)
		}
	}
}

// port returns the port number that key gives. set is false where the key is missing or wrong, which is
// reported.
func (z *zooReader) port(key string) (n int, set bool) {
	value, ok := z.value[key]
	if !ok {
		return 0, false
	}
	n, ok = parsePort(value)
	if !ok {
		z.errorf(z.last[key], "", "must be a number from 0 to 65535")
	}
	return n, ok
}

// clientPort makes client.listen of clientPort and clientPortAddress.
func (z *zooReader) clientPort() {
	const key = "client.listen"
	at, hasPort := z.last["clientPort"]
	host, hasHost := z.value["clientPortAddress"]
	port, ok := z.port("clientPort")
	switch {
	case hasPort && !ok:
		z.breakKey(key)
	case hasHost && !hasPort:
		z.breakKey(key)
		z.errorf(z.last["clientPortAddress"], "write clientPort=2181 too", "names an address without a port")
	case hasPort:
		if hasHost {
			at = z.last["clientPortAddress"]
		}
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		z.cfg.Client.Listen = []string{joinHostPort(host, port)}
		z.cfg.setSource(key, at)
	}
}

// adminPort makes admin.listen of admin.serverAddress and admin.serverPort. Without an address
// ZooKeeper listens on all of them; zkd keeps to loopback and says so.
func (z *zooReader) adminPort() {
	const key = "admin.listen"
	host, hasHost := z.value["admin.serverAddress"]
	at, hasPort := z.last["admin.serverPort"]
	port, ok := 8080, true
	if hasPort {
		port, ok = z.port("admin.serverPort")
	}
	switch {
	case !ok:
		z.breakKey(key)
	case hasHost:
		z.cfg.Admin.Listen = []string{joinHostPort(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), port)}
		z.cfg.setSource(key, z.last["admin.serverAddress"])
	case hasPort:
		z.cfg.Admin.Listen = []string{joinHostPort("127.0.0.1", port), joinHostPort("::1", port)}
		z.cfg.setSource(key, at)
	}
}

// required reports what ZooKeeper cannot start without.
func (z *zooReader) required() {
	if _, ok := z.value["dataDir"]; !ok {
		z.breakKey("data_dir")
		z.errorf(Source{File: z.file, Key: "dataDir"}, "write dataDir=/var/lib/zkd, or where the data is", "is not set")
	}
	if _, ok := z.value["clientPort"]; !ok && !z.broken["client.listen"] && !z.clientInServers() {
		z.breakKey("client.listen")
		if _, secure := z.value["secureClientPort"]; !secure {
			z.errorf(Source{File: z.file, Key: "clientPort"}, "write clientPort=2181", "is not set: no client could connect")
		}
	}
}

// remarks says where zkd's default differs from ZooKeeper's to the advantage of most.
func (z *zooReader) remarks() {
	if _, ok := z.value["autopurge.purgeInterval"]; !ok {
		z.notice(Info, Source{File: z.file, Key: "autopurge.purgeInterval"}, "write 0 to keep everything, as ZooKeeper does by default",
			"is not set: zkd removes old snapshots and logs hourly")
	}
	if _, ok := z.value["admin.serverAddress"]; !ok && z.cfg.Admin.Enabled {
		z.notice(Info, Source{File: z.file, Key: "admin.serverAddress"}, "",
			"is not set: zkd serves the admin port on loopback only, ZooKeeper on all addresses")
	}
}

// clientInServers reports whether any member of the server list names its client port.
func (z *zooReader) clientInServers() bool {
	if z.value["dynamicConfigFile"] != "" {
		return true // what the file lacks is found when it has been read
	}
	for name, value := range z.value {
		if strings.HasPrefix(name, "server.") && strings.Contains(value, ";") {
			return true
		}
	}
	return false
}

// ensemble reads server.N, group.N and weight.N, here or in the dynamicConfigFile.
func (z *zooReader) ensemble() {
	if dynamic := z.value["dynamicConfigFile"]; dynamic != "" {
		z.dynamic(dynamic)
	} else {
		multi := strings.EqualFold(z.value["multiAddress.enabled"], "true")
		for _, name := range z.memberKeys() {
			z.member(z.last[name], name, z.value[name], multi)
		}
	}
	slices.SortFunc(z.cfg.Servers, func(a, b Server) int { return int(a.ID - b.ID) })
	if len(z.cfg.Servers) > 1 {
		for _, key := range []string{"initLimit", "syncLimit"} {
			if _, ok := z.value[key]; !ok {
				z.errorf(Source{File: z.file, Key: key}, "write "+key+"=5", "is not set; servers of an ensemble need it")
			}
		}
	}
}

func isMemberKey(name string) bool {
	return strings.HasPrefix(name, "server.") || strings.HasPrefix(name, "group.") || strings.HasPrefix(name, "weight.")
}

// memberKeys are the keys of the server list in the order of the file.
func (z *zooReader) memberKeys() []string {
	var names []string
	for name := range z.value {
		if isMemberKey(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return z.last[a].Line - z.last[b].Line })
	return names
}

// dynamic reads the server list from the file that reconfiguration writes. Its name ends in the
// version of the list, in hexadecimal. Source: QuorumPeerConfig.parse.
func (z *zooReader) dynamic(file string) {
	for _, name := range z.memberKeys() {
		z.breakKey(serversTable)
		z.errorf(z.last[name], "", "must stand in %s, since dynamicConfigFile names it", file)
	}
	text, err := z.read(file)
	if err != nil {
		z.breakKey(serversTable)
		z.errorf(z.last["dynamicConfigFile"], "", "cannot be read: %v", err)
		return
	}
	if v, err := strconv.ParseInt(strings.TrimPrefix(path.Ext(file), "."), 16, 64); err == nil {
		z.cfg.Ensemble.Version = v
	}
	properties, errs := parseProperties(text)
	for _, e := range errs {
		z.errorf(Source{File: file, Line: e.line}, "", "%s", e.what)
	}
	d := &zooReader{report: z.report, cfg: z.cfg, file: file, index: z.index, dead: z.dead, last: map[string]Source{}, value: map[string]string{}}
	multi := strings.EqualFold(z.value["multiAddress.enabled"], "true")
	for _, name := range d.collect(properties) {
		if !isMemberKey(name) {
			z.errorf(d.last[name], "", "does not belong into this file, which holds server.N, group.N and weight.N only")
			continue
		}
		d.member(d.last[name], name, d.value[name], multi)
	}
}

// member reads one line of the server list.
func (z *zooReader) member(at Source, name, value string, multi bool) {
	kind, number, _ := strings.Cut(name, ".")
	id, ok := parseServerID(number)
	table := map[string]string{"server": serversTable, "group": groupsTable, "weight": weightsTable}[kind]
	wrong := ""
	switch kind {
	case "server":
		var s Server
		switch s, wrong = parseServer(id, value, false); {
		case !ok:
			wrong = fmt.Sprintf("the id of a server must be from %d to %d", zk.MinServerID, zk.MaxServerID)
		case wrong == "" && len(s.Addresses) > 1 && !multi:
			wrong = "several addresses of one server need multiAddress.enabled=true"
		case wrong == "":
			z.cfg.Servers = append(z.cfg.Servers, s)
		}
	case "group":
		n, err := strconv.ParseInt(number, 10, 64)
		var members []zk.ServerID
		for word := range strings.SplitSeq(value, ":") {
			m, ok := parseServerID(strings.TrimSpace(word))
			if !ok || err != nil {
				wrong = "must be a group's number and the ids of its servers: group.1=1:2:3"
			}
			members = append(members, m)
		}
		z.cfg.Ensemble.addGroup(n, members)
	case "weight":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 || !ok {
			wrong = "must be a server's id and its weight, 0 or more: weight.1=2"
		}
		z.cfg.Ensemble.setWeight(id, n)
	}
	if wrong != "" {
		z.breakKey(table)
		z.errorf(at, "", "%s", wrong)
		return
	}
	z.cfg.setSource(memberKey(table, number), at)
}

// provider judges authProvider.x, which names a Java class.
func (z *zooReader) provider(at Source, class string) {
	name := class[strings.LastIndexByte(class, '.')+1:]
	switch name {
	case "IPAuthenticationProvider", "DigestAuthenticationProvider":
		z.notice(Info, at, "", "has no effect: the scheme is built in")
	case "X509AuthenticationProvider":
		z.notice(Warning, at, "", "is not available in this version of zkd: without TLS nobody is authenticated by a certificate")
	case "SASLAuthenticationProvider":
		z.errorf(at, "remove the line if clients use digest or no authentication", "is not available in this version of zkd: clients could not authenticate by SASL")
	case "EnsembleAuthenticationProvider":
		z.errorf(at, "remove the line if no client sends the name of its ensemble", "is not available in this version of zkd: clients that send the name of their ensemble would be refused")
	default:
		z.errorf(at, "", "is a Java class, which zkd cannot load: clients could not authenticate by it")
	}
}

// javaTrim removes what Java's String.trim removes: all characters up to the space at both ends.
func javaTrim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}
