package metrics

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/stats"
)

// Source is the server that is measured.
type Source interface {
	Status() quorum.Status
	Stats() *stats.Server
}

// Build names the program, for zkd_build_info.
type Build struct {
	Version, Revision, GoVersion string
}

// Process is what the daemon around the server counts. The zero value is ready.
type Process struct {
	AdminListening stats.Gauge // addresses of the admin port that are listened on
	ReloadFailed   stats.Gauge // 1 while the last reload was refused
	ReloadedUnix   stats.Gauge // seconds: last successful load of the configuration
	// Firewall says how the rules for the ports are; ok is false, and it may be nil, where there are none.
	Firewall func() (st keeper.Status, ok bool)
}

// Handler returns what answers /metrics.
func Handler(src Source, build Build, proc *Process) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(src, build, proc),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		// OpenMetrics would append _total to every counter, also to ZooKeeper's.
		EnableOpenMetrics:   false,
		MaxRequestsInFlight: 4,
	})
}

// picture is the server at the moment of one scrape.
type picture struct {
	st    quorum.Status
	stats *stats.Server
	proc  *Process
	files openFiles
	now   time.Time
	// firewall is nil where there is none at all.
	firewall *keeper.Status
}

// metric is one row of the tables in zookeeper.go and zkd.go: a name, and how to fill it.
type metric struct {
	name, help string
	labels     []string
	when       func(*picture) bool // nil: always
	emit       func(p *picture, out func(prometheus.Metric, error), desc *prometheus.Desc)
}

type collector struct {
	src     Source
	build   Build
	proc    *Process
	files   func() openFiles
	now     func() time.Time
	metrics []metric
	descs   []*prometheus.Desc
}

func newCollector(src Source, build Build, proc *Process) *collector {
	c := &collector{src: src, build: build, proc: proc, files: countFiles, now: time.Now}
	c.metrics = slices.Concat(zookeeperMetrics(), ensembleMetrics(), trueZeros(), zkdMetrics(build), zkdEnsembleMetrics(), firewallMetrics())
	for _, m := range c.metrics {
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	p := &picture{st: c.src.Status(), stats: c.src.Stats(), proc: c.proc, files: c.files(), now: c.now()}
	if c.proc.Firewall != nil {
		if st, ok := c.proc.Firewall(); ok {
			p.firewall = &st
		}
	}
	for i, m := range c.metrics {
		if m.when != nil && !m.when(p) {
			continue
		}
		desc := c.descs[i]
		m.emit(p, func(metric prometheus.Metric, err error) {
			if err != nil {
				metric = prometheus.NewInvalidMetric(desc, err)
			}
			out <- metric
		}, desc)
	}
}

type value = func(*picture) float64

func number(t prometheus.ValueType, name, help string, v value) metric {
	return metric{name: name, help: help, emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
		out(prometheus.NewConstMetric(d, t, v(p)))
	}}
}

func gauge(name, help string, v value) metric {
	return number(prometheus.GaugeValue, name, help, v)
}

// counter exposes a Counter of the server under a name.
func counter(name, help string, of func(*stats.Server) *stats.Counter) metric {
	return number(prometheus.CounterValue, name, help, func(p *picture) float64 {
		return float64(of(p.stats).Load())
	})
}

// The quantiles of ZooKeeper's two kinds of summary.
var (
	basic    = []float64{0.5}
	advanced = []float64{0.5, 0.95, 0.99}
)

// summary exposes a Histogram as ZooKeeper's summaries are; scale turns its unit into that of the
// metric.
func summary(name, help string, quantiles []float64, scale float64, of func(*stats.Server) *stats.Histogram) metric {
	return summaryOf(name, help, quantiles, scale, func(p *picture) *stats.Histogram { return of(p.stats) })
}

func summaryOf(name, help string, quantiles []float64, scale float64, of func(*picture) *stats.Histogram) metric {
	return metric{name: name, help: help, emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
		out(constSummary(d, of(p), quantiles, scale))
	}}
}

func constSummary(d *prometheus.Desc, h *stats.Histogram, quantiles []float64, scale float64, labels ...string) (prometheus.Metric, error) {
	q := make(map[float64]float64, len(quantiles))
	for _, x := range quantiles {
		q[x] = h.Quantile(x) * scale
	}
	return prometheus.NewConstSummary(d, uint64(h.Count()), float64(h.Sum())*scale, q, labels...)
}

// durationBounds are powers of two of a microsecond, from 256 µs to 16.8 s: exactly the edges of
// stats.Histogram's buckets, so that no count is estimated.
var durationBounds = func() (bounds []int64) {
	for micros := int64(1) << 8; micros <= 1<<24; micros <<= 1 {
		bounds = append(bounds, micros)
	}
	return bounds
}()

// durations exposes a Histogram of microseconds as a histogram in seconds.
func durations(h *stats.Histogram) (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(durationBounds))
	for _, micros := range durationBounds {
		buckets[float64(micros)/1e6] = 0
	}
	h.Buckets(func(upper, n int64) {
		count += uint64(n)
		for _, micros := range durationBounds {
			if upper < micros {
				buckets[float64(micros)/1e6] += uint64(n)
			}
		}
	})
	return count, float64(h.Sum()) / 1e6, buckets
}
