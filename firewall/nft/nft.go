package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"zkd/firewall"
)

// Netfilter is the nftables of one network namespace. Its methods can be called from several goroutines.
type Netfilter struct {
	// Namespace is a file descriptor of the network namespace, 0 for that of the process. Tests use it:
	// changing namespaces is forbidden to a sandboxed unit.
	Namespace int
}

// Buffers of the netlink socket in bytes: answers to a batch queue up in the one, a batch must fit into the other.
const (
	readBuffer  = 16 << 20
	writeBuffer = 8 << 20
)

// longest is how long one exchange with the kernel may take where the context has no end. Without it a
// lost acknowledgement would be waited for forever.
const longest = 10 * time.Second

// conn is one open connection.
type conn struct {
	*nftables.Conn
	raw *netlink.Conn
}

// dial opens a connection that ends with ctx, and finds out whether there is anything to talk to: errors
// of later calls are less clear.
func (n *Netfilter) dial(ctx context.Context) (*conn, error) {
	deadline, ok := ctx.Deadline()
	if limit := time.Now().Add(longest); !ok || limit.Before(deadline) {
		deadline = limit
	}
	c := &conn{}
	var err error
	c.Conn, err = nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(n.Namespace), nftables.WithSockOptions(
		func(raw *netlink.Conn) error {
			c.raw = raw
			// Without these only large sets suffer, and then say so.
			_ = raw.SetReadBuffer(readBuffer)
			_ = raw.SetWriteBuffer(writeBuffer)
			return raw.SetDeadline(deadline)
		}))
	if err == nil {
		if _, err = c.ListTablesOfFamily(nftables.TableFamilyINet); err != nil {
			_ = c.CloseLasting()
		}
	}
	if err != nil {
		return nil, explain("open", err)
	}
	return c, nil
}

func (c *conn) close() { _ = c.CloseLasting() }

// explain adds what an error of the system means.
func explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("nftables: %s: %w (%w)", doing, firewall.ErrPermission, err)
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("nftables: %s: %w (%w)", doing, firewall.ErrUnsupported, err)
	}
	return fmt.Errorf("nftables: %s: %w", doing, err)
}

func table(name string) *nftables.Table {
	return &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
}

// Apply makes rs the whole content of its table, whether there is one or not. Counters begin at 0.
func (n *Netfilter) Apply(ctx context.Context, rs firewall.Ruleset) error {
	c, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	t := table(rs.Table)
	// Deleting what is not there is an error, adding what is there is none.
	c.AddTable(t)
	c.DelTable(t)
	c.AddTable(t)
	sets, err := c.addSets(t, rs.Sets)
	if err != nil {
		return explain("write sets of table "+rs.Table, err)
	}
	chains := make(map[string]*nftables.Chain)
	for _, ch := range rs.Chains { // all of them before the rules that jump to them
		chains[ch.Name] = c.AddChain(newChain(t, ch))
	}
	for _, ch := range rs.Chains {
		for _, r := range ch.Rules {
			exprs, err := encode(r, sets)
			if err != nil {
				return fmt.Errorf("nftables: chain %s: %w", ch.Name, err)
			}
			c.AddRule(&nftables.Rule{Table: t, Chain: chains[ch.Name], Exprs: exprs, UserData: commentData(r.Comment)})
		}
	}
	return explain("apply table "+rs.Table, c.Flush())
}

// UpdateSets replaces the elements of sets that are already in the table, all of them at once. No
// counter changes, and no packet sees a set half filled.
func (n *Netfilter) UpdateSets(ctx context.Context, tableName string, sets []firewall.Set) error {
	if len(sets) == 0 {
		return nil
	}
	c, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	for _, s := range sets {
		set := newSet(table(tableName), s)
		c.FlushSet(set)
		if err := c.addElements(set, s); err != nil {
			return explain("write set "+s.Name, err)
		}
	}
	return explain("update sets of table "+tableName, c.Flush())
}

// Tables returns the names of all tables that are zkd's, of this server and of others on the host.
func (n *Netfilter) Tables(ctx context.Context) (names []string, err error) {
	c, err := n.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, explain("list tables", err)
	}
	for _, t := range tables {
		if firewall.IsOwnTable(t.Name) {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove removes the table. It is no error if there is none.
func (n *Netfilter) Remove(ctx context.Context, tableName string) error {
	c, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	c.AddTable(table(tableName))
	c.DelTable(table(tableName))
	return explain("remove table "+tableName, c.Flush())
}
