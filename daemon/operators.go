package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/daemon/admin"
	"zkd/daemon/metrics"
	"zkd/daemon/probe"
	"zkd/daemon/socket"
)

// openForOperators opens the admin port and the operators' socket. The member works without either: an error is one
// of a port that must be there by the configuration, or of a socket that another server has.
func (d *process) openForOperators(ctx context.Context, rooms *sync.WaitGroup, member Member, watchdog, stuckAfter time.Duration) error {
	b := d.deps.Build
	logDir := d.cfg.LogDir
	if logDir == "" {
		logDir = d.cfg.DataDir
	}
	port := admin.New(admin.Options{
		Source: member, Clients: member, Asker: new(probe.Members), Firewall: d.guard.status,
		Info: admin.Info{Version: b.Version, Revision: b.Revision, GoVersion: b.GoVersion,
			DataDir: d.cfg.DataDir, LogDir: logDir, Notify: d.deps.Notifier.Enabled(), Watchdog: watchdog > 0},
		Addrs: d.cfg.Admin.Listen, Names: d.cfg.Admin.HostNames,
		Metrics:   metrics.Handler(member, metrics.Build{Version: b.Version, Revision: b.Revision, GoVersion: b.GoVersion}, &d.counts),
		Listening: &d.counts.AdminListening, StuckAfter: stuckAfter, Logger: d.log.Named("admin"),
	})
	operators, err := d.openSocket(member, port)
	if err != nil {
		return err
	}
	if d.cfg.Admin.Enabled {
		if err := port.Open(ctx); err != nil && d.cfg.Admin.Required {
			port.Close()
			if operators != nil {
				operators.Close()
			}
			return err
		}
		rooms.Go(func() { port.Run(ctx) })
		d.admin = adminPort{bound: port.Addrs}
	}
	if operators != nil {
		rooms.Go(func() { operators.Run(ctx) })
	}
	return nil
}

// openSocket returns nil where there is to be no socket, or it cannot be had.
func (d *process) openSocket(member Member, port *admin.Server) (*socket.Server, error) {
	path := d.cfg.SocketPath()
	if path == "" {
		return nil, nil
	}
	s, err := socket.Open(socket.Options{Path: path, Source: member, SnapshotDir: filepath.Join(d.cfg.DataDir, "version-2"),
		Fallback: port.LocalHandler(), SetLevel: d.setLevel, Reload: d.askReload, Logger: d.log.Named("socket")})
	if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		d.log.Warn("no operators' socket: commands such as zkd session will not work", zap.Error(err))
		return nil, nil
	}
	return s, err
}
