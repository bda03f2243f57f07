package nft

import (
	"context"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"zkd/firewall/netlab"
)

// Whatever somebody does to the table is told of.
func TestWatchHearsOfTheTable(t *testing.T) {
	ns := netlab.New(t)
	n := &Netfilter{Namespace: ns.FD()}
	for _, command := range []string{
		"flush ruleset", "delete table inet zkd", "add element inet zkd members4 { 10.7.7.7 }", "flush set inet zkd members4",
		"insert rule inet zkd input drop", "add chain inet zkd x", "add set inet zkd s { type ipv4_addr; }",
	} {
		apply(t, n, build(t, policy()))
		ctx, cancel := context.WithCancel(t.Context())
		heard := make(chan struct{}, 1000)
		ended := make(chan error, 1)
		go func() { ended <- n.Watch(ctx, "zkd", func() { heard <- struct{}{} }) }()
		<-heard // it listens, and what was before is not heard
		ns.Nft(command)
		<-heard
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestOnlyTheOwnTableConcernsUs(t *testing.T) {
	message := func(kind int, family byte, table string) netlink.Message {
		attrs, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_TABLE_NAME, Data: []byte(table + "\x00")}})
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind)},
			Data: append([]byte{family, 0, 0, 0}, attrs...)}
	}
	conntrack := message(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "zkd")
	conntrack.Header.Type = unix.NFNL_SUBSYS_CTNETLINK<<8 | unix.NFT_MSG_NEWRULE
	for name, test := range map[string]struct {
		m    netlink.Message
		want bool
	}{
		"the table":             {message(unix.NFT_MSG_DELTABLE, unix.NFPROTO_INET, "zkd"), true},
		"a rule in it":          {message(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "zkd"), true},
		"another table":         {message(unix.NFT_MSG_NEWRULE, unix.NFPROTO_INET, "zkd_b"), false},
		"one of another family": {message(unix.NFT_MSG_DELTABLE, unix.NFPROTO_IPV4, "zkd"), false},
		"a new generation":      {message(unix.NFT_MSG_NEWGEN, unix.NFPROTO_INET, "zkd"), false},
		"another subsystem":     {conntrack, false},
		"nothing":               {netlink.Message{Header: conntrack.Header}, false},
	} {
		if got := concerns(test.m, "zkd"); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever becomes of an address or an interface is told of.
func TestWatchAddressesHearsOfThem(t *testing.T) {
	ns := netlab.New(t)
	n := &Netfilter{Namespace: ns.FD()}
	ns.Link("lan0", netlab.New(t), "far")
	for _, command := range []string{
		"address add 10.1.0.1/24 dev lan0", "-6 address add fd00::1/64 dev lan0 nodad", "link set lan0 down", "link set lan0 up", "address del 10.1.0.1/24 dev lan0",
		"link del lan0",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		heard := make(chan struct{}, 1000)
		ended := make(chan error, 1)
		go func() { ended <- n.WatchAddresses(ctx, func() { heard <- struct{}{} }) }()
		<-heard
		ns.Run("ip", strings.Fields(command)...)
		<-heard
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
