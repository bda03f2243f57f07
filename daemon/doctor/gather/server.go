package gather

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/daemon/doctor"
	"zkd/daemon/probe"
	"zkd/firewall"
	"zkd/firewall/foreign"
	"zkd/firewall/keeper"
	"zkd/firewall/nft"
	"zkd/quorum/zk"
)

const maxReportBytes = 4 << 20

// server asks the server on this host: on its socket, on its admin port, and with srvr.
func (g *gatherer) server(ctx context.Context) {
	if g.f.ConfigError != "" {
		return
	}
	cfg := g.f.Config
	if r, ok := ask(ctx, cfg, g.f.NoID, g.o.Timeout); ok {
		g.said = &r
		g.f.Config.ID, g.f.NoID = zk.ServerID(r.ID), false
		s := doctor.Server{Answers: true, Serving: r.Serving, Reason: r.NotServing, Version: r.Version, Told: true}
		s.Unguarded = r.Firewall != nil && !r.Firewall.Active
		s.Guarded = r.Firewall != nil && r.Firewall.Active
		for _, p := range r.Problems {
			s.Problems = append(s.Problems, doctor.Finding{Code: p.Code, Severity: doctor.Severity(p.Severity), Text: p.Text, Fix: p.Fix})
		}
		if e := r.Ensemble; e != nil {
			if s.Leads = e.Leader == r.ID; s.Leads && !r.Time.IsZero() {
				s.LeadsMillis = r.Time.Sub(r.Since).Milliseconds()
			}
			for _, m := range e.Members {
				if !m.Self {
					s.Links = append(s.Links, doctor.Link{ID: zk.ServerID(m.ID), Election: m.Election.OK, Class: m.Election.Class, Follows: m.Synced})
				}
			}
		}
		g.f.Server = s
		return
	}
	a := probe.Ask(ctx, probe.Target{Client: cfg.Client.Listen, Timeout: g.o.Timeout})
	g.f.Server = doctor.Server{Answers: a.State == probe.Serving || a.State == probe.NotServing, Serving: a.State == probe.Serving, Reason: a.Reason}
	if g.f.Server.Answers {
		g.unseen("problems that the server knows of itself", "neither its socket nor its admin port answers here")
	}
}

// ask asks the server of a configuration for its /status, on its socket and its admin port. ok is false where none
// answers, or one with another number, unless anyID.
func ask(ctx context.Context, cfg config.Config, anyID bool, timeout time.Duration) (r admin.Report, ok bool) {
	var networks [][2]string
	if path := cfg.SocketPath(); path != "" {
		networks = append(networks, [2]string{"unix", path})
	}
	if cfg.Admin.Enabled {
		for _, a := range cfg.Admin.Listen {
			networks = append(networks, [2]string{"tcp", admin.Loopback(a)})
		}
	}
	for _, n := range networks {
		r, err := report(ctx, n[0], n[1], timeout)
		if err == nil && (anyID || r.ID == int64(cfg.ID)) {
			return r, true
		}
	}
	return r, false
}

// AsServed returns cfg as far as the server that runs with it, if one answers within timeout a question, has its ports:
// the rules leave an address of the admin port out that it cannot have, since who has it is another program.
func AsServed(ctx context.Context, cfg config.Config, timeout time.Duration) config.Config {
	if r, ok := ask(ctx, cfg, false, timeout); ok {
		return asServed(cfg, r)
	}
	return cfg
}

func asServed(cfg config.Config, r admin.Report) config.Config {
	if cfg.Admin.Enabled && len(r.Admin) < len(cfg.Admin.Listen) {
		cfg.Admin.Listen = r.Admin
	}
	return cfg
}

// report asks for /status.
func report(ctx context.Context, network, addr string, timeout time.Duration) (r admin.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/status", nil)
	if err != nil {
		return r, err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReportBytes)).Decode(&r); err != nil || r.Schema == 0 {
		return r, errors.Join(err, fmt.Errorf("%s: no answer of a server", addr))
	}
	return r, nil
}

// firewall looks at the rules, its own and those of others, as zkd firewall check and the server do.
func (g *gatherer) firewall(ctx context.Context) {
	cfg := g.f.Config
	if g.said != nil {
		cfg = asServed(cfg, *g.said)
	}
	planner := keeper.Planner{Resolver: net.DefaultResolver, Interfaces: keeper.SystemInterfaces}
	rules := daemon.FirewallConfig(cfg)
	rules.Table = keeper.TableInForce(ctx, new(nft.Netfilter), rules)
	plan, err := planner.Plan(ctx, rules)
	if err != nil {
		g.unseen("firewall", err.Error())
		return
	}
	if daemon.WantsRules(cfg) {
		g.strangers(plan.Ruleset)
	}
	n := new(nft.Netfilter)
	view, err := n.Foreign(ctx)
	if err != nil {
		why := err.Error()
		if errors.Is(err, firewall.ErrPermission) {
			why = firewall.ErrPermission.Error() + ": run this as root"
		}
		g.unseen("rules of firewalls", why)
		return
	}
	st := keeper.Status{Mode: keeper.Auto, Active: true, NoClients: plan.NoClients, Foreign: foreign.Check(view, plan.Flows())}
	switch {
	case g.said != nil && g.said.Firewall != nil:
		believe(&st, *g.said.Firewall)
	case g.f.Server.Answers && daemon.WantsRules(cfg):
		st.Mode = keeper.Mode(cfg.Firewall.Mode)
		st.Active, st.Reason = inForce(ctx, n, plan.Ruleset)
	}
	found := &doctor.Firewall{}
	for _, p := range admin.FirewallProblems(st) {
		if p.Code == "Z104" {
			p.Fix = fixOfRules
		}
		found.Problems = append(found.Problems, doctor.Finding{Code: p.Code, Severity: doctor.Severity(p.Severity), Text: p.Text, Fix: p.Fix})
	}
	if st.Mode != keeper.Off && st.Active {
		found.Refused = refused(ctx, n, plan.Ruleset, plan.Policy)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Firewall = found
}

// fixOfRules is what to do about rules that are not in force. Without rules the ports are open to everybody, so that to
// want none is the last thing to do.
const fixOfRules = "run: zkd firewall diff, and reload the server if its configuration has changed; what it needs for its rules is in FIREWALL in zkd(8); " +
	`only where something else keeps strangers out, write mode = "off" in [firewall]`

// believe takes in what the running server says of its rules, which knows what it listens on. One that wants none has
// no problem with them, and those of others are looked at all the same.
func believe(st *keeper.Status, said admin.FirewallReport) {
	if mode := keeper.Mode(said.Mode); mode != keeper.Off {
		st.Mode, st.Active, st.Reason = mode, said.Active, said.Reason
	}
}

// strangers marks who is connected that rules, which may not be in force, are to keep out.
func (g *gatherer) strangers(rules firewall.Ruleset) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, in := range g.f.Inbound {
		through, _ := rules.Judge(firewall.Packet{Source: in.From, Dest: in.To, Port: in.Port})
		g.f.Inbound[i].Stranger = !through
	}
}

// inForce reports whether the rules are in force, or why they are not.
func inForce(ctx context.Context, n *nft.Netfilter, want firewall.Ruleset) (bool, string) {
	state, err := n.Read(ctx, want.Table)
	switch {
	case err != nil:
		return false, err.Error()
	case !state.Exists:
		return false, "there is no table inet " + want.Table
	case !firewall.Wider(want, state.Ruleset):
		return false, "table inet " + want.Table + " is not what the configuration asks for: zkd firewall diff"
	}
	return true, ""
}
