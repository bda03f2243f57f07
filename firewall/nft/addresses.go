package nft

import (
	"context"
	"errors"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// WatchAddresses calls changed once when it has begun, and then whenever an interface or an address of the host may
// have changed, until ctx ends, with nil, or it cannot listen any more. It needs no capability.
func (n *Netfilter) WatchAddresses(ctx context.Context, changed func()) error {
	raw, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: n.Namespace, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR})
	if err != nil {
		return explain("watch addresses", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		if stop() {
			_ = raw.Close()
		}
	}()
	changed()
	for {
		_, err := raw.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS): // that is, there was more than the buffer holds
			return explain("watch addresses", err)
		}
		changed()
	}
}
