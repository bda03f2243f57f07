package metrics

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"zkd/firewall"
	"zkd/firewall/foreign"
	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/stats"
	"zkd/quorum/zk"
)

var update = flag.Bool("update", false, "write the golden files anew")

type fake struct {
	st quorum.Status
	s  stats.Server
	fw *keeper.Status
}

func (f *fake) firewall() (st keeper.Status, ok bool) {
	if f.fw == nil {
		return st, false
	}
	return *f.fw, true
}

func (f *fake) Status() quorum.Status { return f.st }
func (f *fake) Stats() *stats.Server  { return &f.s }

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func standalone() *fake {
	f := &fake{st: quorum.Status{
		ID: 1, Role: quorum.Standalone, Serving: true, Since: start, Started: start,
		Epoch: 3, LastZxid: 0x300000007, LoggedZxid: 0x300000007, Znodes: 9, DataBytes: 321, Watches: 4, WatchedPaths: 3,
		Ephemerals: 2, Sessions: 5, Connections: 6, Outstanding: 1, SnapshotZxid: 0x300000001, SnapshotTime: start.Add(time.Minute),
	}}
	f.s.PacketsReceived.Add(100)
	f.s.PacketsSent.Add(101)
	for _, micros := range []int64{100, 511, 512, 2000, 30_000_000} {
		f.s.FsyncMicros.Observe(micros)
		f.s.Latency.Observe(micros)
	}
	f.s.WriteLatency.Observe(1500)
	f.s.OpsByType[zk.OpGetData].Add(17)
	f.s.SessionsExpired.Add(2)
	f.s.SnapshotBytes.Set(4096)
	f.s.StartupTxns.Set(12)
	return f
}

// guarded is a server with a firewall.
func guarded() *fake {
	f := standalone()
	f.fw = &keeper.Status{Active: true, PutBack: 3,
		Refused: []firewall.Refused{{Port: 2181, Use: "client", Source: firewall.Stranger, Packets: 12, Bytes: 720},
			{Port: 3888, Use: "election", Source: firewall.Client, Packets: 1, Bytes: 60}},
		Foreign: []foreign.Finding{{Certain: true}, {}}}
	return f
}

// scrape returns the text exposition of the server's own metrics.
func scrape(t *testing.T, f *fake) string {
	t.Helper()
	c := newCollector(f, Build{Version: "1.2.3", Revision: "abc", GoVersion: "go1.26"}, &Process{Firewall: f.firewall})
	c.now = func() time.Time { return start.Add(time.Hour) }
	c.files = func() openFiles { return openFiles{open: 12, limit: 1024} }
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	return get(t, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
}

func get(t *testing.T, h http.Handler) string {
	t.Helper()
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0, text/plain")
	h.ServeHTTP(rec, req)
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, body)
	}
	return string(body)
}

func TestExpositionIsAsInTheGoldenFiles(t *testing.T) {
	for name, f := range map[string]*fake{"standalone": standalone(), "leader": leader(), "follower": follower(), "observer": observer(), "guarded": guarded()} {
		t.Run(name, func(t *testing.T) {
			got := []byte(scrape(t, f))
			golden := "testdata/" + name + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("exposition differs from %s; -update writes it anew, then read the diff\n%s", golden, got)
			}
		})
	}
}

func TestAFreshServerHasEveryMetricToo(t *testing.T) {
	text := scrape(t, &fake{st: quorum.Status{Role: quorum.Standalone}})
	for _, want := range []string{"fsynctime_count 0", "znode_count 0", "zkd_serving 0", `fsynctime{quantile="0.5"} NaN`} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no line %q", want)
		}
	}
	if strings.Contains(text, "zkd_snapshot_age_seconds") {
		t.Error("the age of a snapshot that does not exist is exposed")
	}
}

func TestNewNamesFollowTheRulesOfPrometheus(t *testing.T) {
	typeLine := regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	for _, m := range typeLine.FindAllStringSubmatch(scrape(t, leader()), -1) {
		name, kind := m[1], m[2]
		if strings.HasPrefix(name, "zk_") {
			t.Errorf("%s: ZooKeeper's Prometheus names have no zk_ prefix", name)
		}
		if isNew := strings.HasPrefix(name, "zkd_"); isNew && (kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: _total is for new counters", name, kind)
		} else if !isNew && strings.HasSuffix(name, "_total") {
			t.Errorf("%s: ZooKeeper 3.9 exposes counters under the bare name", name)
		}
	}
}

func TestHistogramBoundsCountExactly(t *testing.T) {
	var h stats.Histogram
	for micros := int64(1); micros < 1<<20; micros += 37 {
		h.Observe(micros)
	}
	_, _, buckets := durations(&h)
	for _, bound := range durationBounds {
		var want uint64
		for micros := int64(1); micros < min(bound, 1<<20); micros += 37 {
			want++
		}
		if got := buckets[float64(bound)/1e6]; got != want {
			t.Errorf("le %d µs: %d, want %d", bound, got, want)
		}
	}
}

func TestHandlerAddsTheRuntimeAndKeepsBareCounters(t *testing.T) {
	text := get(t, Handler(standalone(), Build{}, &Process{}))
	for _, want := range []string{"\ngo_goroutines ", "\nprocess_start_time_seconds ", "\ncommit_count 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if f := countFiles(); f.open == 0 || f.limit == 0 {
		t.Errorf("countFiles() = %+v", f)
	}
}
