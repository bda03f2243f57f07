package keeper

import (
	"zkd/firewall"
	"zkd/firewall/foreign"
)

// Status is how the firewall is, for people and metrics. Lists are never nil.
type Status struct {
	Mode Mode `json:"mode"`
	// Active says that the rules are in force. If not, Reason says why.
	Active bool   `json:"active"`
	Reason string `json:"reason,omitempty"`
	Table  string `json:"table"`
	// Members and Clients are the sources in force, or that would be.
	Members []MemberStatus `json:"members"`
	Clients []string       `json:"clients"`
	// ClientsConfigured is false where the clients are the subnets of the listen addresses.
	ClientsConfigured bool `json:"clients_configured"`
	// NoClients says that the server listens to other hosts and that none of them may come: no subnets were found.
	NoClients bool `json:"no_clients,omitempty"`
	// Unresolved are names that have never had an address.
	Unresolved []string `json:"unresolved,omitempty"`
	// Refused counts refused packets since the start of the process, as of the last look.
	Refused []firewall.Refused `json:"refused"`
	// PutBack is how often somebody changed or removed the rules and they were put back.
	PutBack uint64 `json:"put_back"`
	// Foreign are the rules of other programs that shut ports of zkd; ForeignError says why they could not be read.
	Foreign      []foreign.Finding `json:"foreign"`
	ForeignError string            `json:"foreign_error,omitempty"`
}

// publish makes the status from what the keeper knows; k.mu is held.
func (k *Keeper) publish() {
	s := &Status{
		Mode: k.cfg.Mode, Active: k.active, Reason: k.reason, Table: k.cfg.Table, PutBack: k.putBack,
		Members: append([]MemberStatus{}, k.plan.Members...), Clients: []string{}, ClientsConfigured: k.plan.ClientsConfigured,
		NoClients: k.plan.NoClients, Unresolved: k.plan.Unresolved,
		Refused: k.tally.Refused(), Foreign: append([]foreign.Finding{}, k.foreign...), ForeignError: k.foreignError,
	}
	if v4, v6, err := firewall.Merge(k.plan.Policy.Clients); err == nil {
		for _, r := range append(v4, v6...) {
			s.Clients = append(s.Clients, r.String())
		}
	}
	k.status.Store(s)
}

// Status returns the latest status. It never waits. The lists in it are not to be changed.
func (k *Keeper) Status() Status { return *k.status.Load() }
