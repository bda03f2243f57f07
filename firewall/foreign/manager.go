package foreign

import (
	"fmt"
	"slices"
	"strings"
)

// Manager is a program that makes rules.
type Manager string

const (
	Firewalld      Manager = "firewalld"
	UFW            Manager = "ufw"
	IptablesNFT    Manager = "iptables-nft"
	IptablesLegacy Manager = "iptables-legacy"
	Docker         Manager = "Docker"
	Kubernetes     Manager = "Kubernetes"
	NftablesUnit   Manager = "nftables.service" // /etc/nftables.conf
	OtherNftables  Manager = "nftables"         // somebody
)

// manager guesses who made the rule from the names of tables and chains.
func manager(v View, via Via) Manager {
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(via.Chain, p) })
	}
	switch {
	case via.Table == "firewalld":
		return Firewalld
	case strings.HasPrefix(via.Table, "docker") || has("DOCKER"):
		return Docker
	case has("KUBE-", "cali-", "CILIUM"):
		return Kubernetes
	case !isIptables(via):
		if slices.Contains(v.Configured, via.Family+" "+via.Table) {
			return NftablesUnit
		}
		return OtherNftables
	}
	prefix := "ufw"
	if via.Family == "ip6" {
		prefix = "ufw6"
	}
	for _, c := range v.Chains {
		if c.Family == via.Family && c.Table == via.Table && strings.HasPrefix(c.Name, prefix+"-") {
			return UFW
		}
	}
	return IptablesNFT
}

// isIptables reports whether the table has the names that iptables gives.
func isIptables(via Via) bool {
	return via.Family != "inet" && slices.Contains([]string{"filter", "mangle", "raw", "security"}, via.Table) && strings.ToUpper(via.Base) == via.Base
}

// need is what a command has to let through, of one family.
type need struct {
	loopback, out bool
	v6            bool
	peers         []string
	ports         []uint16
}

// needs unites flows that differ in their peer only.
func needs(flows []Flow) []need {
	var list []need
	for _, f := range flows {
		n := need{loopback: f.Loopback, out: f.Out, v6: f.Own.Unmap().Is6(), ports: f.Ports}
		if f.Loopback {
			n.ports = nil // all of loopback: shutting some of it is never meant
		}
		at := slices.IndexFunc(list, func(m need) bool {
			return m.loopback == n.loopback && m.out == n.out && m.v6 == n.v6 && slices.Equal(m.ports, n.ports)
		})
		if at < 0 {
			at = len(list)
			list = append(list, n)
		}
		if !f.Loopback && !slices.Contains(list[at].peers, address(f.Peer)) {
			list[at].peers = append(list[at].peers, address(f.Peer))
		}
	}
	return list
}

// fix returns the commands of the manager that let the flows through, and what makes them last.
func fix(m Manager, o found) (commands []string, keep string) {
	list := needs(o.flows)
	switch m {
	case Firewalld:
		return firewalld(list, o.via.Chain), ""
	case UFW:
		for _, n := range list {
			commands = append(commands, ufw(n, o.via.Hook)...)
		}
		return dedupe(commands), ""
	case NftablesUnit, OtherNftables:
		return nft(list, o.via)
	}
	if !isIptables(o.via) { // Docker and Kubernetes have tables of nftables too
		return nft(list, o.via)
	}
	for _, n := range list {
		program := "iptables"
		if n.v6 {
			program = "ip6tables"
		}
		commands = append(commands, iptables(program, n, o.via))
	}
	return commands, "netfilter-persistent save"
}

func dedupe(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// outgoing reports whether the packets that ended were leaving: the hook says it, not the flow, whose answers go the other way.
func outgoing(via Via) bool { return via.Hook == Output }

// sides says from which side the rule sees what is the port of the server.
func (n need) sides(via Via) (peer, port string) {
	peer, port = "source", "destination"
	if outgoing(via) {
		peer = "destination"
	}
	if n.out != outgoing(via) {
		port = "source" // it is an answer
	}
	return peer, port
}

func iptables(program string, n need, via Via) string {
	table := ""
	if via.Table != "filter" {
		table = "-t " + via.Table + " "
	}
	if n.loopback {
		side := "-i"
		if outgoing(via) {
			side = "-o"
		}
		return fmt.Sprintf("%s %s-I %s %s lo -j ACCEPT", program, table, via.Base, side)
	}
	peer, port := n.sides(via)
	return fmt.Sprintf("%s %s-I %s -p tcp --%s %s -m multiport --%s-ports %s -j ACCEPT",
		program, table, via.Base, peer, strings.Join(n.peers, ","), port, joinPorts(n.ports, ","))
}

func ufw(n need, hook Hook) []string {
	if n.loopback {
		if hook == Output {
			return []string{"ufw allow out on lo"}
		}
		return []string{"ufw allow in on lo"}
	}
	var list []string
	for _, p := range n.peers {
		if n.out {
			list = append(list, fmt.Sprintf("ufw allow out proto tcp to %s port %s", p, joinPorts(n.ports, ",")))
		} else {
			list = append(list, fmt.Sprintf("ufw allow proto tcp from %s to any port %s", p, joinPorts(n.ports, ",")))
		}
	}
	return list
}

func firewalld(list []need, chain string) []string {
	var rules []string
	zone := "" // the default one
	if name, ok := strings.CutPrefix(chain, "filter_IN_"); ok {
		for _, part := range []string{"_pre", "_log", "_deny", "_allow", "_post"} {
			name = strings.TrimSuffix(name, part)
		}
		zone = "--zone=" + name + " "
	}
	for _, n := range list {
		family := "ipv4"
		if n.v6 {
			family = "ipv6"
		}
		if n.loopback {
			rules = append(rules, "firewall-cmd --permanent --zone=trusted --add-interface=lo")
			continue
		}
		if n.out { // only a policy of the administrator's own shuts what goes out
			rules = append(rules, "firewall-cmd --list-all-policies")
			continue
		}
		for _, peer := range n.peers {
			for _, port := range n.ports {
				rules = append(rules, fmt.Sprintf(`firewall-cmd --permanent %s--add-rich-rule='rule family="%s" source address="%s" port port="%d" protocol="tcp" accept'`,
					zone, family, peer, port))
			}
		}
	}
	return append(dedupe(rules), "firewall-cmd --reload")
}

func nft(list []need, via Via) (commands []string, keep string) {
	for _, n := range list {
		rule := `iifname "lo" accept`
		switch {
		case n.loopback && outgoing(via):
			rule = `oifname "lo" accept`
		case !n.loopback:
			family := "ip"
			if n.v6 {
				family = "ip6"
			}
			peer, port := n.sides(via)
			rule = fmt.Sprintf("%s %saddr { %s } tcp %sport { %s } accept", family, peer[:1], strings.Join(n.peers, ", "), port[:1], joinPorts(n.ports, ", "))
		}
		commands = append(commands, fmt.Sprintf("nft 'insert rule %s %s %s %s'", via.Family, via.Table, via.Base, rule))
	}
	return dedupe(commands), fmt.Sprintf("write these rules at the top of chain %s of table %s %s where it is made, most often /etc/nftables.conf", via.Base, via.Family, via.Table)
}

// legacy makes a finding of tables that are not part of nftables: their rules apply all the same.
func legacy(v View) []Finding {
	var list []Finding
	for _, l := range []struct {
		program string
		tables  []string
	}{{"iptables-legacy", v.Legacy4}, {"ip6tables-legacy", v.Legacy6}} {
		if !slices.Contains(l.tables, "filter") {
			continue
		}
		list = append(list, Finding{
			Manager: IptablesLegacy, Table: l.program + " filter", Chain: "INPUT", Blocked: []string{},
			Text: fmt.Sprintf("%s has a filter table, whose rules cannot be read from here: look whether they let zkd's ports through", l.program),
			Fix:  []string{l.program + " -S INPUT", l.program + " -I INPUT -i lo -j ACCEPT"},
			Keep: "the second command lets loopback through, and is needed only if the first shows no such rule",
		})
	}
	return list
}
