package admin

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"zkd/daemon/admin/page"
	"zkd/quorum"
)

// viewOf says a report in the words of the page.
func viewOf(r Report, now time.Time, plots []page.Plot) page.View {
	v := page.View{
		Level: levelOf(r), Time: now.UTC().Format("2006-01-02 15:04:05 UTC"), Minutes: courseMinutes, Plots: plots,
		Recovery: r.Recovery, Firewall: firewallView(r.Firewall), Details: detailsOf(r, now),
	}
	mode := strings.ToUpper(r.Mode[:min(1, len(r.Mode))]) + r.Mode[min(1, len(r.Mode)):]
	v.Headline = mode + ", serving"
	if !r.Serving {
		v.Headline, v.Sentence = mode+", not serving", r.NotServing
	} else if r.Ensemble != nil {
		v.Sentence = r.Ensemble.Summary
	}
	v.Ensemble = ensembleView(r, v.Sentence)
	v.Title = fmt.Sprintf("zkd %d: %s", r.ID, strings.ToLower(v.Headline))
	v.Facts = []page.Fact{
		{Name: "Server", Value: fmt.Sprint(r.ID)},
		{Name: "Epoch", Value: fmt.Sprint(r.Epoch)},
		{Name: "Zxid", Value: r.Zxid},
		{Name: mode + " for", Value: span(now.Sub(r.Since))},
		{Name: "Running for", Value: span(now.Sub(r.Started))},
		{Name: "Connections", Value: fmt.Sprint(r.Clients.Connections)},
		{Name: "Sessions", Value: fmt.Sprint(r.Clients.Sessions)},
		{Name: "Znodes", Value: fmt.Sprint(r.Tree.Znodes)},
	}
	for _, p := range r.Problems {
		v.Problems = append(v.Problems, page.Problem{Level: page.Level(p.Severity), Code: p.Code, Text: p.Text, Fix: p.Fix})
	}
	for _, path := range []string{"/status", "/status?format=text", "/readyz?verbose", "/livez?verbose", "/metrics", "/commands", "/version"} {
		v.Links = append(v.Links, page.Link{Path: path, Text: path})
	}
	return v
}

// levelOf is the worst that is known: problems are sorted by severity.
func levelOf(r Report) page.Level {
	switch {
	case !r.Serving, len(r.Problems) > 0 && r.Problems[0].Severity == "error":
		return page.Error
	case len(r.Problems) > 0:
		return page.Warning
	default:
		return page.Good
	}
}

// ensembleView is nil for a server that stands alone. said is what stands above it.
func ensembleView(r Report, said string) *page.Ensemble {
	if r.Ensemble == nil {
		return nil
	}
	v := &page.Ensemble{}
	for _, line := range []string{r.Ensemble.Summary, r.Ensemble.Sync} {
		if line != "" && !strings.Contains(said, line) {
			v.Sentences = append(v.Sentences, line)
		}
	}
	for _, m := range r.Ensemble.Members {
		leads := m.ID == r.Ensemble.Leader
		member := page.Member{ID: m.ID, Self: m.Self, Observer: m.Observer, Leader: leads, Role: m.Role,
			Epoch: count(m.Epoch), Zxid: cmp.Or(m.Zxid, "?"), Lag: lagText(m.Lag, leads), Reach: reachOf(m)}
		member.Level, member.State = stateOf(r, m, strings.Replace(member.Lag, " behind", plural(m.Lag, " transaction")+" behind", 1))
		for _, p := range []struct {
			name string
			PortReport
		}{{"election", m.Election}, {"peer", m.Peer}, {"client", m.Client}} {
			reach, text := portText(p.PortReport, m.Self, p.name)
			member.Ports = append(member.Ports, page.Port{Name: p.name, Address: p.Address, Reach: reach, Text: text})
		}
		v.Members = append(v.Members, member)
	}
	return v
}

// lagText says by how many transactions a member is behind; "" of a leader and where it is not known.
func lagText(lag int64, leads bool) string {
	switch {
	case leads || lag < 0:
		return ""
	case lag == 0:
		return "up to date"
	default:
		return fmt.Sprintf("%d behind", lag)
	}
}

// plural is noun, or its plural, behind a number.
func plural(n int64, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// reachOf says whether servers of the ensemble can connect to m, whatever clients can.
func reachOf(m MemberReport) page.Reach {
	switch {
	case m.Self:
		return page.OwnServer
	case m.Election.Known && !m.Election.OK, m.Peer.Known && !m.Peer.OK:
		return page.Shut
	case m.Election.Known || m.Peer.Known:
		return page.Reached
	default:
		return page.NotKnown
	}
}

// stateOf is how m is, as far as it is known here, and that in words.
func stateOf(r Report, m MemberReport, lag string) (page.Level, string) {
	client := ""
	if m.Client.Known && !m.Client.OK && !m.Self {
		client = "its client port does not answer"
	}
	switch {
	case m.Self && !r.Serving:
		return page.Error, "not serving"
	case m.Self:
		return page.Good, cmp.Or(lag, "serving")
	case reachOf(m) == page.Shut && client != "":
		return page.Error, "cannot be reached"
	case reachOf(m) == page.Shut:
		return page.Warning, "other members' way to it is shut"
	case m.Role == string(quorum.Looking):
		return page.Error, "looking for a leader"
	case r.Mode == string(quorum.Leader) && !m.Synced:
		return page.Warning, "does not follow yet"
	case client != "":
		return page.Warning, client
	case m.Role == "" && reachOf(m) == page.Reached:
		return page.Warning, "can be reached; nothing else is known"
	case m.Role == "":
		return page.Warning, "nothing is known of it"
	default:
		return page.Good, cmp.Or(lag, "can be reached")
	}
}

func portText(p PortReport, self bool, name string) (page.Reach, string) {
	switch {
	case p.Address == "":
		return page.NotKnown, "address not known"
	case !p.Known && self:
		return page.OwnServer, "" // nobody connects to himself
	case !p.Known && name == "peer":
		return page.NotKnown, "not in use" // only a leader listens there
	case !p.Known:
		return page.NotKnown, "not tried"
	case p.OK:
		return page.Reached, "reached"
	default:
		return page.Shut, cmp.Or(p.Class, "failed")
	}
}

func firewallView(r *FirewallReport) *page.Firewall {
	if r == nil {
		return nil
	}
	v := &page.Firewall{Level: page.Good, Verdict: fmt.Sprintf("The rules are in force: table inet %s.", r.Table)}
	switch {
	case r.Active:
		v.Rules = firewallRules(r)
	case r.Mode == "off":
		v.Verdict = "There are no rules" + because(r.Reason)
	default:
		v.Level, v.Verdict = page.Warning, "The rules are not in force"+because(r.Reason)
		if r.Mode == "required" {
			v.Level = page.Error
		}
	}
	for _, c := range r.Refused {
		v.Refused = append(v.Refused, page.Refused{Port: fmt.Sprint(c.Port), Use: c.Use, Source: c.Source,
			Packets: fmt.Sprint(c.Packets), Bytes: byteText(c.Bytes)})
	}
	v.Facts = []page.Fact{{Name: "Mode", Value: r.Mode}}
	if r.Active {
		v.Facts = append(v.Facts, page.Fact{Name: "Put back after others changed them", Value: fmt.Sprint(r.PutBack, plural(r.PutBack, " time"))})
	}
	if r.ForeignError != "" {
		v.Facts = append(v.Facts, page.Fact{Name: "Rules of other programs", Value: "could not be read: " + r.ForeignError})
	}
	for _, f := range r.Foreign {
		where := f.Table + ", chain " + f.Chain
		if f.Rule > 0 {
			where += fmt.Sprintf(", rule %d", f.Rule)
		}
		v.Foreign = append(v.Foreign, page.Foreign{Where: where, Text: f.Text, Certain: f.Certain, Fix: f.Fix, Keep: f.Keep})
	}
	return v
}

func because(reason string) string {
	if reason == "" {
		return "."
	}
	return ": " + reason + "."
}

// firewallRules is who may reach what while the rules are in force.
func firewallRules(r *FirewallReport) []page.Rule {
	rules := []page.Rule{{Who: "this host", From: "loopback and its own addresses", May: "every port: let in"}}
	for _, m := range r.Members {
		from := strings.Join(m.Addresses, ", ")
		if m.Error != "" {
			from = strings.TrimPrefix(from+"; "+m.Error, "; ")
		}
		rules = append(rules, page.Rule{Who: "server " + m.Name, From: from, May: "peer and election ports: let in"})
	}
	chosen := "subnets of the addresses that the client port listens on"
	if r.ClientsConfigured {
		chosen = "by the configuration"
	}
	if len(r.Clients) > 0 {
		rules = append(rules, page.Rule{Who: "clients", From: strings.Join(r.Clients, ", ") + " (" + chosen + ")", May: "client port: let in"})
	}
	var packets int64
	for _, c := range r.Refused {
		packets += c.Packets
	}
	return append(rules, page.Rule{Who: "everybody else", From: "anywhere",
		May: fmt.Sprintf("refused; with what others sent to ports that are not for them, %d%s so far", packets, plural(packets, " packet"))})
}

func detailsOf(r Report, now time.Time) []page.Group {
	snapshot := "none yet"
	if s := r.Storage.Snapshot; s != nil {
		snapshot = fmt.Sprintf("%s, %s ago", s.Zxid, span(now.Sub(s.Time)))
		if s.Bytes > 0 {
			snapshot += ", " + byteText(s.Bytes)
		}
		if s.InProgress {
			snapshot += "; the next is being written"
		}
	}
	free := byteText(r.Storage.FreeBytes)
	if r.Storage.Full {
		free += ": writes are refused"
	}
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	return []page.Group{
		{Title: "Clients", Facts: []page.Fact{
			{Name: "Addresses", Value: cmp.Or(strings.Join(r.Clients.Addresses, ", "), "none")},
			{Name: "Watches", Value: fmt.Sprintf("%d on %d paths", r.Tree.Watches, r.Tree.WatchedPaths)},
			{Name: "Reads since the start", Value: durationsText(r.Clients.Reads)},
			{Name: "Writes since the start", Value: durationsText(r.Clients.Writes)},
		}},
		{Title: "Data", Facts: []page.Fact{
			{Name: "Paths and data", Value: byteText(r.Tree.DataBytes)},
			{Name: "Ephemeral znodes", Value: fmt.Sprint(r.Tree.Ephemerals)},
			{Name: "Durable in the log", Value: r.LoggedZxid},
			{Name: "Digest", Value: r.Digest},
		}},
		{Title: "Storage", Facts: []page.Fact{
			{Name: "Snapshots", Value: r.Storage.DataDir},
			{Name: "Log", Value: r.Storage.LogDir},
			{Name: "Room left", Value: free},
			{Name: "Newest snapshot", Value: snapshot},
			{Name: "Syncs of the log since the start", Value: durationsText(r.Storage.Fsync)},
		}},
		{Title: "Program", Facts: []page.Fact{
			{Name: "Version", Value: r.Version},
			{Name: "Started", Value: r.Started.Format("2006-01-02 15:04:05 UTC")},
			{Name: "This port", Value: cmp.Or(strings.Join(r.Admin, ", "), "none")},
			{Name: "Tells systemd", Value: yes(r.Systemd.Notify)},
			{Name: "Watchdog", Value: yes(r.Systemd.Watchdog)},
		}},
	}
}

func durationsText(d Durations) string {
	if d.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("%d; half at most %g ms, 99 of 100 at most %g ms, longest %g ms", d.Count, d.P50, d.P99, d.Max)
}

// byteText has a binary unit and three digits that count.
func byteText(n int64) string {
	x, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if x < 1024 {
			break
		}
		x, unit = x/1024, next
	}
	if unit == "B" || x >= 100 {
		return fmt.Sprintf("%.0f %s", x, unit)
	}
	return fmt.Sprintf("%.1f %s", x, unit)
}

// span is a length of time in its two largest units.
func span(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 60*60:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 24*60*60:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
	}
}
