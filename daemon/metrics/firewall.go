package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// firewallMetrics are about the rules for zkd's own ports.
func firewallMetrics() []metric {
	active := gauge("zkd_firewall_active", "1 while the rules that keep strangers from the ports are in force.",
		func(p *picture) float64 { return truth(p.firewall.Active) })
	putBack := number(prometheus.CounterValue, "zkd_firewall_put_back_total", "How often somebody changed or removed the rules and they were put back.",
		func(p *picture) float64 { return float64(p.firewall.PutBack) })
	foreign := gauge("zkd_firewall_foreign_findings", "Rules of other programs that surely shut ports of zkd.",
		func(p *picture) float64 {
			n := 0
			for _, f := range p.firewall.Foreign {
				if f.Certain {
					n++
				}
			}
			return float64(n)
		})
	refused := metric{
		name: "zkd_firewall_refused_packets_total", help: "Packets that the rules refused, by port, its use and who sent them.",
		labels: []string{"port", "use", "source"},
		emit: func(p *picture, out func(prometheus.Metric, error), d *prometheus.Desc) {
			for _, r := range p.firewall.Refused {
				out(prometheus.NewConstMetric(d, prometheus.CounterValue, float64(r.Packets), strconv.Itoa(int(r.Port)), r.Use, string(r.Source)))
			}
		},
	}
	list := []metric{active, putBack, foreign, refused}
	for i := range list {
		list[i].when = func(p *picture) bool { return p.firewall != nil }
	}
	return list
}
