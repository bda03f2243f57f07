package keeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"zkd/firewall"
)

// usualPort is ZooKeeper's port for clients.
const usualPort = 2181

// maxTable is how long the name of a table may be, in bytes.
const maxTable = 31

// TableFor returns the name of the table of a server that listens there for clients: zkd, or zkd_2182 where
// the port is another one, since several servers on a host have different ports and each its own table.
func TableFor(clientListen []string) string { return tables(Config{ClientListen: clientListen})[0] }

// tables are the names that the table of a server may have: the configured one, or that of [TableFor] and, where
// another server on this host has that one, since it listens at another address, one with the own address in it.
func tables(cfg Config) []string {
	if cfg.Table != "" {
		return []string{cfg.Table}
	}
	list, err := listeners(cfg.ClientListen)
	if err != nil || len(list) == 0 {
		return []string{firewall.DefaultTable}
	}
	usual := firewall.DefaultTable
	if !slices.ContainsFunc(list, func(l listener) bool { return l.port == usualPort }) {
		usual = fmt.Sprintf("%s_%d", usual, slices.MinFunc(list, func(a, b listener) int { return cmp.Compare(a.port, b.port) }).port)
	}
	at := slices.IndexFunc(list, func(l listener) bool {
		a, err := netip.ParseAddr(l.host)
		return l.host != "" && (err != nil || !a.IsUnspecified())
	})
	if at < 0 {
		return []string{usual} // it listens everywhere: nobody else can have the port
	}
	own := usual + "_" + strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(list[at].host))
	if len(own) > maxTable {
		sum := fnv.New32a()
		sum.Write([]byte(list[at].host))
		own = fmt.Sprintf("%s_%08x", usual, sum.Sum32())
	}
	return []string{usual, own}
}

// Reader reads a table, as *nft.Netfilter does.
type Reader interface {
	Read(ctx context.Context, table string) (firewall.State, error)
}

// TableInForce returns the name of the table that a server with that configuration has, or would make next to those of
// the other servers on this host.
func TableInForce(ctx context.Context, r Reader, cfg Config) string {
	names := tables(cfg)
	if len(names) == 1 {
		return names[0]
	}
	if s, err := r.Read(ctx, names[1]); err == nil && s.Exists {
		return names[1]
	}
	s, err := r.Read(ctx, names[0])
	list, _ := listeners(cfg.ClientListen)
	own := slices.ContainsFunc(list, func(l listener) bool {
		a, err := netip.ParseAddr(l.host)
		return err != nil || a.IsLoopback() || s.Ruleset.Listens(netip.AddrPortFrom(a, l.port))
	})
	if err != nil || !s.Exists || own {
		return names[0]
	}
	return names[1]
}

// ClaimTable takes the name of a table for this process, until release is called or the process ends. taken says that
// another process in this network namespace has it; release is nil then. The claim is an abstract socket: those are of
// a network namespace, as the tables are, and go with their process, however that ends.
func ClaimTable(name string) (release func(), taken bool) {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: "@zkd/firewall/" + name})
	if err != nil {
		return func() {}, errors.Is(err, syscall.EADDRINUSE)
	}
	return func() { _ = c.Close() }, false
}

// named returns cfg with the name of its table, which is claimed. The caller gives up the other claims with
// keepClaim when it is clear which configuration is followed.
//
// A name that is taken is used all the same where there is no other: any user of the host can take names, and must not
// keep the rules away by that.
func (k *Keeper) named(cfg Config) Config {
	names := tables(cfg)
	for _, name := range names {
		_, held := k.claims[name]
		if held {
			cfg.Table = name
			return cfg
		}
	}
	for _, name := range names {
		release, taken := k.deps.Claim(name)
		if !taken {
			k.claims[name] = release
			cfg.Table = name
			return cfg
		}
	}
	cfg.Table = names[len(names)-1]
	if k.sharing != cfg.Table {
		k.sharing = cfg.Table
		k.log.Error("another server on this host has the same table of firewall rules: give each its own by firewall.table", zap.String("table", cfg.Table))
	}
	return cfg
}

// keepClaim gives up the claims of all tables but one.
func (k *Keeper) keepClaim(table string) {
	for name, release := range k.claims {
		if name != table {
			release()
			delete(k.claims, name)
		}
	}
}

// removeLeftovers removes tables that an earlier run has left and this one does not use: one under the own address,
// and, where nothing is to be in force, each that no other server has.
func (k *Keeper) removeLeftovers(ctx context.Context, cfg Config) {
	names := tables(cfg)
	if k.cfg.Mode != Off {
		names = slices.DeleteFunc(names[len(names)-1:], func(name string) bool { return name == k.cfg.Table })
	}
	for _, name := range names {
		release, taken := func() {}, false
		if k.claims[name] == nil {
			release, taken = k.deps.Claim(name)
		}
		if !taken {
			k.removeLeftover(ctx, name)
			release()
		}
	}
}
