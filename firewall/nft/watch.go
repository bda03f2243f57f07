package nft

import (
	"context"
	"errors"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch calls changed once when it has begun, and then whenever something in the table may have changed,
// also by this process, until ctx ends or it cannot listen any more. It returns nil only at the end of ctx.
//
// The monitor of the library is not used: it reads whole rules of everybody, and its filters let through
// what they should not. Here only the kind of a message and the table that it names are looked at.
func (n *Netfilter) Watch(ctx context.Context, tableName string, changed func()) error {
	err := n.follow(ctx, unix.NETLINK_NETFILTER, 1<<(unix.NFNLGRP_NFTABLES-1), changed,
		func(m netlink.Message) bool { return concerns(m, tableName) })
	return explain("watch", err)
}

// WatchAddresses calls changed once when it has begun, and then whenever an interface or an address of the host may
// have changed, until ctx ends, with nil, or it cannot listen any more. It needs no capability.
func (n *Netfilter) WatchAddresses(ctx context.Context, changed func()) error {
	err := n.follow(ctx, unix.NETLINK_ROUTE, unix.RTMGRP_LINK|unix.RTMGRP_IPV4_IFADDR|unix.RTMGRP_IPV6_IFADDR, changed,
		func(netlink.Message) bool { return true })
	return explain("watch addresses", err)
}

// follow calls changed once when it listens to groups of a netlink family, and then for whatever comes with a message that
// matters. It returns nil only at the end of ctx.
func (n *Netfilter) follow(ctx context.Context, family int, groups uint32, changed func(), matters func(netlink.Message) bool) error {
	raw, err := netlink.Dial(family, &netlink.Config{NetNS: n.Namespace, Groups: groups})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		if stop() {
			_ = raw.Close()
		}
	}()
	changed()
	for {
		messages, err := raw.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS): // there was more than the buffer holds
			changed()
		case err != nil:
			return err
		case slices.ContainsFunc(messages, matters):
			changed()
		}
	}
}

// concerns reports whether a message is about the table. The name of the table is attribute 1 of every kind
// of message but that of the generation, which names none.
func concerns(m netlink.Message, tableName string) bool {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || m.Header.Type&0xff == unix.NFT_MSG_NEWGEN || len(m.Data) < 4 ||
		m.Data[0] != unix.NFPROTO_INET {
		return false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	if err != nil {
		return false
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return ad.String() == tableName
		}
	}
	return false
}
