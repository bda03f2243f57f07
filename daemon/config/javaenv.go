package config

import (
	"path/filepath"
	"strings"
)

// JavaEnv is a file from which ZooKeeper's scripts take the flags of Java, beside its zoo.cfg: zookeeper-env.sh and
// java.env, and on Debian environment.
type JavaEnv struct {
	Name string
	Text []byte
}

// JavaEnvNames are the names of such files, in the order in which they are read. Source: zkEnv.sh, and Debian's
// zookeeper.init.
func JavaEnvNames() []string { return []string{"zookeeper-env.sh", "java.env", "environment"} }

// envItem is one thing that a line of a JavaEnv says.
type envItem struct {
	line int
	// key is as it is written: "-Dzookeeper.snapCount", "-Xmx4g", "ZOO_LOG_DIR".
	key string
	// property and value are those of a flag -D; property is "" for all else.
	property, value string
	// fate is what becomes of an item that is no property, in the words of an account.
	fate string
	// odd says that an operator should look at it.
	odd bool
	// variable is what a flag was assigned to.
	variable string
	// anew says that the assignment takes the place of what the variable had.
	anew bool
}

// Fates of what is no system property of ZooKeeper's.
const (
	envScripts = "has no effect: it is a setting of ZooKeeper's scripts"
	envLog     = "has no effect: what zkd logs, and where, is in [log], and under systemd in the journal"
	envClients = "has no effect: it is a setting of clients"
	envJMX     = "has no effect: there is no JMX"
	envMemory  = "has no effect: it bounds Java's memory; MemoryMax= of the unit bounds that of zkd"
	envElse    = "stands for what is set elsewhere"
	envShell   = "is a command of the shell, which was not run: look whether it changes the flags"
	envUnknown = "is not known, and ignored"
	envDynamic = "depends on a variable or a command of the shell, and is ignored: put its value into the configuration"
	envAgent   = "is an agent of Java's, which zkd cannot load; metrics are at /metrics on the admin port"
	envNoFlag  = "is no flag of Java's, and ignored"
	envJava    = "has no effect: it tells Java how to run"
)

// envVariables are the variables that ZooKeeper's scripts and Debian's know, but for those with flags.
func envVariables() map[string]string {
	all := map[string]string{"CLIENT_JVMFLAGS": envClients, "ZK_CLIENT_HEAP": envClients, "ZK_SERVER_HEAP": envMemory}
	for fate, names := range map[string]string{
		envLog:     "ZOO_LOG_DIR ZOO_LOG_FILE ZOO_LOG4J_PROP ZOO_LOG4J_OPTS",
		envJMX:     "JMXDISABLE JMXLOCALONLY JMXPORT JMXAUTH JMXSSL JMXLOG4J JMXHOSTNAME",
		envScripts: "ZOOCFGDIR ZOOCFG ZOOBIN ZOOBINDIR ZOODIR ZOOPIDFILE ZOOMAIN JAVA JAVA_HOME CLASSPATH NAME USER GROUP PIDDIR PIDFILE SCRIPTNAME PATH",
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = fate
		}
	}
	return all
}

// hasFlags reports whether a variable holds the flags with which the server is started.
func hasFlags(variable string) bool {
	return variable == "JVMFLAGS" || variable == "SERVER_JVMFLAGS" || variable == "JAVA_OPTS"
}

// parseJavaEnv reads what can be known without a shell: assignments, also exported ones. Nothing is left out.
func parseJavaEnv(text []byte) []envItem { return parseJavaEnvs([]JavaEnv{{Text: text}})[0] }

// parseJavaEnvs reads files one after the other, as zkEnv.sh does: an assignment also takes the place of one in a file
// before. Debian's environment is of another script, and changes nothing in them.
func parseJavaEnvs(env []JavaEnv) [][]envItem {
	all := make([][]envItem, len(env))
	for i, e := range env {
		all[i] = parseOneEnv(e.Text)
		for _, item := range all[i] {
			if !item.anew || filepath.Base(e.Name) == "environment" {
				continue
			}
			for _, before := range all[:i] {
				overrule(before, item.variable, " in "+e.Name)
			}
		}
	}
	return all
}

// overrule takes the flags in a variable away.
func overrule(items []envItem, variable, where string) {
	for i := range items {
		if items[i].variable == variable {
			items[i].property, items[i].fate = "", "is overruled: "+variable+" is assigned anew"+where
		}
	}
}

func parseOneEnv(text []byte) []envItem {
	var items []envItem
	known := envVariables()
	for _, s := range shellStatements(string(text)) {
		words := s.words
		if len(words) > 0 && words[0] == "export" {
			words = words[1:]
		}
		for _, w := range words {
			name, value, assigns := strings.Cut(w, "=")
			fate, isKnown := known[name]
			switch {
			case !isVariable(name):
				// A command: what follows are its arguments.
				items = append(items, envItem{line: s.line, key: firstWord(s.text), fate: envShell, odd: true})
			case !assigns && len(words) == len(s.words):
				items = append(items, envItem{line: s.line, key: name, fate: envShell, odd: true})
			case !assigns:
				items = append(items, envItem{line: s.line, key: name, fate: envScripts}) // exported only
				continue
			case hasFlags(name):
				items = appendFlags(items, s.line, name, value)
				continue
			case isKnown:
				items = append(items, envItem{line: s.line, key: name, fate: fate})
				continue
			default:
				items = append(items, envItem{line: s.line, key: name, fate: envUnknown, odd: true})
				continue
			}
			break
		}
	}
	return items
}

// appendFlags adds the flags in the value of a variable. Without a reference to itself an assignment takes the place
// of what the variable had.
func appendFlags(items []envItem, line int, variable, value string) []envItem {
	flags := strings.Fields(value)
	keeps := false
	for _, f := range flags {
		keeps = keeps || strings.Contains(f, "$"+variable) || strings.Contains(f, "${"+variable)
	}
	if !keeps {
		overrule(items, variable, " further down")
	}
	if len(flags) == 0 {
		return append(items, envItem{line: line, key: variable, fate: envElse, variable: variable, anew: true})
	}
	for _, f := range flags {
		shown, _, _ := strings.Cut(f, "=") // a value may be a secret
		item := envItem{line: line, key: shown, variable: variable, anew: !keeps}
		switch name, isProperty := strings.CutPrefix(f, "-D"); {
		case isProperty:
			item.property, item.value, _ = strings.Cut(name, "=")
			if strings.ContainsAny(f, "$`") {
				item.property, item.fate, item.odd = "", envDynamic, true
			}
		case strings.HasPrefix(f, "$"):
			item.fate = envElse
		case strings.ContainsAny(f, "$`"):
			item.fate, item.odd = envDynamic, true
		case strings.HasPrefix(f, "-Xm"), strings.HasPrefix(f, "-XX:MaxRAM"):
			item.fate = envMemory
		case strings.HasPrefix(f, "-javaagent"), strings.HasPrefix(f, "-agent"):
			item.fate, item.odd = envAgent, true
		case strings.HasPrefix(f, "-"):
			item.fate = envJava
		default:
			item.fate, item.odd = envNoFlag, true
		}
		items = append(items, item)
	}
	return items
}

func isVariable(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return word
}

// shellStatement is one statement of a shell script, as far as quotes, comments and continued lines go.
type shellStatement struct {
	line  int // on which it begins, from 1
	text  string
	words []string // without their quotes
}

// shellStatements splits a script at line ends and semicolons that are not quoted.
func shellStatements(text string) []shellStatement {
	var all []shellStatement
	var word, whole strings.Builder
	var words []string
	inWord, line, began := false, 1, 0
	var quote rune
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	endStatement := func() {
		endWord()
		if len(words) > 0 {
			all = append(all, shellStatement{began, whole.String(), words})
		}
		whole.Reset()
		words, began = nil, 0
	}
	runes := []rune(strings.ReplaceAll(text, "\r\n", "\n"))
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		next := rune(0)
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		if began == 0 && r != '\n' && r != ' ' && r != '\t' {
			began = line
		}
		switch {
		case r == '\\' && quote != '\'' && next == '\n': // continued
			i++
			line++
			continue
		case r == '\\' && quote == 0 && next != 0, r == '\\' && quote == '"' && strings.ContainsRune(`"\$`+"`", next):
			word.WriteRune(next)
			inWord = true
			i++
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
			if r == '\n' {
				line++
			}
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == '#' && !inWord:
			for i+1 < len(runes) && runes[i+1] != '\n' {
				i++
			}
			if len(words) == 0 {
				began = 0
			}
			continue
		case r == '\n' || r == ';':
			endStatement()
			if r == '\n' {
				line++
			}
			continue
		case r == ' ' || r == '\t':
			endWord()
		default:
			word.WriteRune(r)
			inWord = true
		}
		whole.WriteRune(r)
	}
	endStatement()
	return all
}
