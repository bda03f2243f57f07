package admin

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"zkd/quorum"
	"zkd/quorum/stats"
)

// Schema is the version of [Report]. Fields are added without a new version, never changed or
// removed.
const Schema = 1

// Report is the document that /status answers. Zxids and digests are text because JSON's readers
// round numbers of that size.
type Report struct {
	Schema     int       `json:"schema" doc:"Version of this document; fields may be added, none changes or goes."`
	Version    string    `json:"version" doc:"Version of zkd."`
	Time       time.Time `json:"time" doc:"When this was found out, by the clock of this host."`
	ID         int64     `json:"id" doc:"Number of this server in its ensemble, 1 to 254."`
	Mode       string    `json:"mode" doc:"standalone, leader, follower, observer or looking."`
	Serving    bool      `json:"serving" doc:"Whether clients get answers."`
	NotServing string    `json:"not_serving" doc:"Why not, in a sentence; empty while serving."`
	Since      time.Time `json:"since" doc:"When the server took its mode."`
	Started    time.Time `json:"started" doc:"When the server started."`

	Epoch      int64  `json:"epoch" doc:"Reign of the leader that the history is of."`
	Zxid       string `json:"zxid" doc:"Last transaction applied, as 0x and hex."`
	LoggedZxid string `json:"logged_zxid" doc:"Last transaction durable in the log, as 0x and hex."`
	Digest     string `json:"digest" doc:"Digest (version 2) of the tree at zxid, decimal: equal on all members at an equal zxid."`

	Ensemble *EnsembleReport `json:"ensemble" doc:"The ensemble as this server sees it; null for a server that stands alone."`

	Firewall *FirewallReport `json:"firewall" doc:"The rules for the ports; null where there is no firewall at all."`

	Clients  ClientsReport `json:"clients" doc:"The client port."`
	Tree     TreeReport    `json:"tree" doc:"What is stored."`
	Storage  StorageReport `json:"storage" doc:"The disk."`
	Admin    []string      `json:"admin_addresses" doc:"Where this port listens."`
	Systemd  SystemdReport `json:"systemd" doc:"The service manager."`
	Recovery []string      `json:"recovery" doc:"What was repaired at start, a sentence each."`
	Problems []Problem     `json:"problems" doc:"What an operator should know, worst first."`
}

// ClientsReport is about the client port.
type ClientsReport struct {
	Addresses   []string  `json:"addresses" doc:"Where clients connect."`
	Connections int       `json:"connections" doc:"Open connections."`
	Sessions    int       `json:"sessions" doc:"Sessions, connected or not."`
	Outstanding int       `json:"outstanding_requests" doc:"Requests taken in and not answered."`
	Reads       Durations `json:"reads" doc:"Time to answer a read."`
	Writes      Durations `json:"writes" doc:"Time to answer a write."`
}

// TreeReport is about the znodes.
type TreeReport struct {
	Znodes       int   `json:"znodes" doc:"As ZooKeeper's znode_count: the root counts twice."`
	DataBytes    int64 `json:"data_bytes" doc:"Length of all paths and data, as approximate_data_size."`
	Ephemerals   int   `json:"ephemerals" doc:"Ephemeral znodes."`
	Watches      int   `json:"watches" doc:"Watches set on this server."`
	WatchedPaths int   `json:"watched_paths" doc:"Paths with a watch."`
}

// StorageReport is about the disk.
type StorageReport struct {
	DataDir   string          `json:"data_dir" doc:"Where snapshots are."`
	LogDir    string          `json:"log_dir" doc:"Where the transaction log is."`
	FreeBytes int64           `json:"free_bytes" doc:"Room left below log_dir."`
	Full      bool            `json:"full" doc:"Whether writes are refused because the disk is nearly full."`
	Fsync     Durations       `json:"fsync" doc:"Time of one sync of the log."`
	Snapshot  *SnapshotReport `json:"snapshot" doc:"The newest snapshot; null if there is none."`
}

// SnapshotReport is about the newest snapshot on disk.
type SnapshotReport struct {
	Zxid       string    `json:"zxid" doc:"Last transaction in it, as 0x and hex."`
	Time       time.Time `json:"time" doc:"When it was complete."`
	Bytes      int64     `json:"bytes" doc:"Its size; 0 if not known."`
	InProgress bool      `json:"in_progress" doc:"Whether the next one is being written."`
}

// SystemdReport is about the service manager.
type SystemdReport struct {
	Notify   bool `json:"notify" doc:"Whether readiness is reported."`
	Watchdog bool `json:"watchdog" doc:"Whether the unit is watched."`
}

// Durations sums up a histogram, in milliseconds.
type Durations struct {
	Count int64   `json:"count" doc:"How many were measured."`
	Avg   float64 `json:"avg_ms" doc:"Mean, in milliseconds."`
	P50   float64 `json:"p50_ms" doc:"Half are at most this, in milliseconds."`
	P99   float64 `json:"p99_ms" doc:"99 of 100 are at most this, in milliseconds."`
	Max   float64 `json:"max_ms" doc:"Longest, in milliseconds."`
}

// Problem is one thing that an operator should know.
type Problem struct {
	Code     string `json:"code" doc:"Z and three digits: the same in the log and in zkd(8)."`
	Severity string `json:"severity" doc:"error or warning."`
	Text     string `json:"text" doc:"What is wrong, in a sentence."`
	Fix      string `json:"fix" doc:"What to do about it."`
}

func durationsOf(h *stats.Histogram) Durations {
	d := Durations{Count: h.Count(), Avg: millis(h.Avg()), Max: millis(float64(h.Max()))}
	if d.Count > 0 {
		d.P50, d.P99 = millis(h.Quantile(0.5)), millis(h.Quantile(0.99))
	}
	return d
}

// millis turns microseconds into milliseconds with three digits.
func millis(micros float64) float64 { return math.Round(micros) / 1000 }

// report takes a picture of the server, and asks the other members of its ensemble.
func (s *Server) report(ctx context.Context) Report {
	st, n := s.o.Source.Status(), s.o.Source.Stats()
	var ensemble *EnsembleReport
	var members heard
	if st.Ensemble != nil {
		members = s.askMembers(ctx, st)
		ensemble = ensembleReport(st, members)
	}
	firewall, firewallProblems := s.firewall()
	r := Report{
		Schema: Schema, Version: s.o.Info.Version, Time: s.now().UTC(), ID: int64(st.ID),
		Mode: string(st.Role), Serving: st.Serving, NotServing: WhyNotServing(st),
		Since: st.Since.UTC(), Started: st.Started.UTC(),
		Epoch: int64(st.Epoch), Zxid: st.LastZxid.String(), LoggedZxid: st.LoggedZxid.String(),
		Digest: fmt.Sprint(st.Digest), Ensemble: ensemble, Firewall: firewall,
		Clients: ClientsReport{
			Addresses: append([]string{}, st.ClientAddrs...), Connections: st.Connections, Sessions: st.Sessions,
			Outstanding: st.Outstanding, Reads: durationsOf(&n.ReadLatency), Writes: durationsOf(&n.WriteLatency),
		},
		Tree: TreeReport{Znodes: st.Znodes, DataBytes: st.DataBytes, Ephemerals: st.Ephemerals,
			Watches: st.Watches, WatchedPaths: st.WatchedPaths},
		Storage: StorageReport{DataDir: s.o.Info.DataDir, LogDir: s.o.Info.LogDir,
			FreeBytes: n.DiskFreeBytes.Load(), Full: st.ReadOnlyDisk, Fsync: durationsOf(&n.FsyncMicros)},
		Admin:    s.Addrs(),
		Systemd:  SystemdReport{Notify: s.o.Info.Notify, Watchdog: s.o.Info.Watchdog},
		Recovery: append([]string{}, st.RecoveryNotes...),
		Problems: append(problems(st, n, s.o.Info, s.now(), s.o.StuckAfter), slices.Concat(ensembleProblems(st, ensemble, members.shut), firewallProblems)...),
	}
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return strings.Compare(a.Severity, b.Severity) })
	if !st.SnapshotTime.IsZero() {
		r.Storage.Snapshot = &SnapshotReport{Zxid: st.SnapshotZxid.String(), Time: st.SnapshotTime.UTC(),
			Bytes: n.SnapshotBytes.Load(), InProgress: st.SnapshotBusy}
	}
	return r
}

// problems finds what an operator should know, worst first.
func problems(st quorum.Status, n *stats.Server, info Info, now time.Time, stuckAfter time.Duration) []Problem {
	all := []Problem{}
	add := func(code, severity, text, fix string) { all = append(all, Problem{code, severity, text, fix}) }
	if st.ReadOnlyDisk {
		add("Z401", "error", fmt.Sprintf("writes are refused: %d MiB are left below %s", n.DiskFreeBytes.Load()>>20, info.LogDir),
			"free space there, or move the log to another disk; writes go on by themselves")
	}
	if st.ForgotWrites != "" {
		fix := "look at the disk: it lost data that it had said to be durable; restore a backup if clients miss writes: zkd snapshot restore"
		if st.Ensemble != nil {
			fix = "it takes what is missing from the others, when a quorum of them is there: see DAMAGED OR LOST DATA in zkd(8); unless somebody set the data aside, look at the disk"
		}
		add("Z403", "error", st.ForgotWrites, fix)
	}
	if n.LogReadErrors.Load() > 0 {
		add("Z403", "warning", "a part of the log of this server cannot be read: members that need it are sent snapshots instead",
			"run: zkd log verify, which names it; then, while a quorum of the others serves, stop this server and run: zkd log repair --resync")
	}
	if err := Alive(st, now, stuckAfter); err != nil {
		add("Z404", "error", strings.ReplaceAll(err.Error(), "\n", "; "), "run: journalctl -u zkd -n 50, and look at the disk: iotop -oP; under systemd the watchdog starts the server again")
	}
	if slow, all := n.FsyncSlow.Load(), n.FsyncMicros.Count(); slow > 0 {
		add("Z402", "warning", fmt.Sprintf("%d of %d syncs of the log took too long: each write of a client waits for one", slow, all),
			"give the log a disk of its own (log_dir), or find who else writes to this one: iotop -oP")
	}
	if errs := n.SnapshotErrors.Load(); errs > 0 {
		add("Z405", "warning", fmt.Sprintf("%d snapshots could not be written", errs), "run: journalctl -u zkd -g snapshot, which says why; the transaction log grows until one succeeds")
	}
	if n := n.DigestMismatches.Load(); n > 0 {
		add("Z406", "error", fmt.Sprintf("the data of this server was %d times not what a transaction says that it must be: it and the leader disagree", n),
			"keep copies of the data directories of both; then, while a quorum of the others serves, stop this server and run: zkd log repair --resync")
	}
	return all
}

// Text says the state in the words of zkServer.sh status, which scripts search for "Mode: ".
func (r *Report) Text() string {
	host, port := "localhost", ""
	if len(r.Clients.Addresses) > 0 {
		h, p, err := net.SplitHostPort(r.Clients.Addresses[0])
		if err == nil {
			port = p
			if ip, err := netip.ParseAddr(h); err != nil || !ip.IsUnspecified() {
				host = h
			}
		}
	}
	first := fmt.Sprintf("Client port found: %s. Client address: %s. Client SSL: false.\n", port, host)
	mode := "Mode: " + r.Mode + "\n"
	if !r.Serving {
		mode = "Not serving: " + r.NotServing + "\n"
	}
	outage, said := r.outage()
	return first + mode + r.Ensemble.sentences(r.NotServing) + outage + r.Ensemble.table() + r.Firewall.text() + r.troubles(said)
}

// troubles are the errors, and the warnings of network and firewall, that the lines before them do not hold, each with
// what to do below it; said are problems that they hold. Other warnings are told by the JSON document, by metrics and by
// the log.
func (r *Report) troubles(said []Problem) string {
	var b strings.Builder
	for _, p := range r.Problems {
		if slices.Contains(said, p) || p.Code == "Z106" || p.Code == "Z107" { // which are the lines before
			continue
		}
		if p.Severity == "error" || strings.HasPrefix(p.Code, "Z3") || slices.Contains([]string{"Z101", "Z102", "Z103", "Z104", "Z109"}, p.Code) {
			fmt.Fprintf(&b, "%s %s: %s\n  -> %s\n", p.Code, p.Severity, p.Text, p.Fix)
		}
	}
	return b.String()
}
