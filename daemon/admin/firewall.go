package admin

import (
	"fmt"
	"strings"

	"zkd/firewall/keeper"
)

// FirewallReport is how the rules for zkd's own ports are.
type FirewallReport struct {
	Mode   string `json:"mode" doc:"auto, required or off; off also where every port is on loopback."`
	Active bool   `json:"active" doc:"Whether the rules are in force."`
	Reason string `json:"reason" doc:"Why they are not, in a sentence; empty while they are."`
	Table  string `json:"table" doc:"Table of family inet that holds them."`

	Clients           []string            `json:"clients" doc:"Addresses that may reach the client port."`
	ClientsConfigured bool                `json:"clients_configured" doc:"Whether the configuration names them; else they are the subnets of the addresses that the port listens on."`
	Members           []FirewallMember    `json:"members" doc:"Those that may reach the peer and the election port."`
	Refused           []FirewallRefused   `json:"refused" doc:"Packets refused since the server started, a few seconds old."`
	PutBack           int64               `json:"put_back" doc:"How often somebody changed or removed the rules and they were put back."`
	Foreign           []FirewallForeigner `json:"foreign" doc:"Rules of other programs that shut zkd's ports."`
	ForeignError      string              `json:"foreign_error" doc:"Why those could not be read; empty if they could."`
}

// FirewallMember is a member of the ensemble as the rules know it.
type FirewallMember struct {
	Name      string   `json:"name" doc:"Its number in the ensemble."`
	Addresses []string `json:"addresses" doc:"Addresses and subnets from which it may come."`
	Error     string   `json:"error" doc:"Why its name has no address now; those that it had before stay."`
}

// FirewallRefused counts what was refused at one port.
type FirewallRefused struct {
	Port    int    `json:"port" doc:"Number of the port."`
	Use     string `json:"use" doc:"client, peer, election, peer and election, or admin."`
	Source  string `json:"source" doc:"Who sent the packets: member, client, admin or stranger."`
	Packets int64  `json:"packets" doc:"How many."`
	Bytes   int64  `json:"bytes" doc:"Their length."`
}

// FirewallForeigner is a rule of another program.
type FirewallForeigner struct {
	Manager  string   `json:"manager" doc:"The program that most likely made it."`
	Table    string   `json:"table" doc:"Family and name of its table."`
	Chain    string   `json:"chain" doc:"Its chain."`
	Rule     int      `json:"rule" doc:"Its place there, from 1; 0 is the policy of the chain."`
	Certain  bool     `json:"certain" doc:"Whether packets surely end there."`
	Loopback bool     `json:"loopback" doc:"Whether it keeps this host from reaching itself."`
	Blocked  []string `json:"blocked" doc:"What it keeps out."`
	Text     string   `json:"text" doc:"All that in a sentence."`
	Fix      []string `json:"fix" doc:"Commands that let the traffic through."`
	Keep     string   `json:"keep" doc:"What makes that last over a restart."`
}

// firewall is nil where the process has no firewall at all.
func (s *Server) firewall() (*FirewallReport, []Problem) {
	if s.o.Firewall == nil {
		return nil, nil
	}
	st, ok := s.o.Firewall()
	if !ok {
		return nil, nil
	}
	r := &FirewallReport{
		Mode: string(st.Mode), Active: st.Active, Reason: st.Reason, Table: st.Table,
		Clients: append([]string{}, st.Clients...), ClientsConfigured: st.ClientsConfigured,
		Members: []FirewallMember{}, Refused: []FirewallRefused{}, Foreign: []FirewallForeigner{},
		PutBack: int64(st.PutBack), ForeignError: st.ForeignError,
	}
	for _, m := range st.Members {
		r.Members = append(r.Members, FirewallMember{m.Name, append([]string{}, m.Addresses...), m.Error})
	}
	for _, c := range st.Refused {
		r.Refused = append(r.Refused, FirewallRefused{int(c.Port), c.Use, string(c.Source), int64(c.Packets), int64(c.Bytes)})
	}
	for _, f := range st.Foreign {
		r.Foreign = append(r.Foreign, FirewallForeigner{Manager: string(f.Manager), Table: f.Table, Chain: f.Chain, Rule: f.Rule, Certain: f.Certain,
			Loopback: f.Loopback, Blocked: append([]string{}, f.Blocked...), Text: f.Text, Fix: append([]string{}, f.Fix...), Keep: f.Keep})
	}
	return r, FirewallProblems(st)
}

// FirewallProblems finds what an operator should know of the rules, worst first.
func FirewallProblems(st keeper.Status) []Problem {
	var all []Problem
	add := func(code, severity, text, fix string) { all = append(all, Problem{code, severity, text, fix}) }
	if st.Mode == keeper.Off {
		return nil
	}
	if !st.Active {
		severity := "warning"
		if st.Mode == keeper.Required {
			severity = "error"
		}
		add("Z104", severity, "the rules that keep strangers from the ports are not in force: "+st.Reason,
			`see FIREWALL in zkd(8); write mode = "off" in [firewall] where something else keeps strangers out`)
	}
	if st.NoClients {
		add("Z109", "warning", "no other host may reach the client port: the addresses that it listens on are in no subnet", "name the clients in [firewall]")
	}
	for _, f := range st.Foreign {
		if !f.Certain {
			continue
		}
		code := "Z102"
		if f.Loopback {
			code = "Z101"
		}
		fix := "let the traffic through there"
		if len(f.Fix) > 0 {
			fix = "run: " + strings.Join(f.Fix, "; ")
		}
		if f.Keep != "" {
			fix += "; to keep it: " + f.Keep
		}
		add(code, "warning", f.Text, fix)
	}
	if len(st.Unresolved) > 0 {
		add("Z302", "warning", "no address is known of "+strings.Join(st.Unresolved, ", "), "correct the name, or the resolver of this host; until then who has it is a stranger")
	}
	return all
}

// text is the firewall in a line for people; "" where there is none.
func (r *FirewallReport) text() string {
	if r == nil || !r.Active {
		return ""
	}
	clients := "nobody else"
	if len(r.Clients) > 0 {
		clients = strings.Join(r.Clients, ", ")
	}
	var packets int64
	for _, c := range r.Refused {
		packets += c.Packets
	}
	return fmt.Sprintf("Firewall: table inet %s is in force; clients come from this host and %s; %d packets refused\n", r.Table, clients, packets)
}
