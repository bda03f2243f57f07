package nft

import (
	"context"
	"errors"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch calls changed once when it has begun, and then whenever something in the table may have changed,
// also by this process, until ctx ends or it cannot listen any more. It returns nil only at the end of ctx.
//
// The monitor of the library is not used: it reads whole rules of everybody, and its filters let through
// what they should not. Here only the kind of a message and the table that it names are looked at.
func (n *Netfilter) Watch(ctx context.Context, tableName string, changed func()) error {
	raw, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: n.Namespace, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	if err != nil {
		return explain("watch", err)
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
			continue
		case err != nil:
			return explain("watch", err)
		}
		for _, m := range messages {
			if concerns(m, tableName) {
				changed()
				break
			}
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
