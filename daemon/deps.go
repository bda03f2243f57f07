package daemon

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"

	"go.uber.org/zap"

	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/daemon/sd"
	"zkd/daemon/socket"
	"zkd/firewall/keeper"
	"zkd/quorum"
	"zkd/quorum/stats"
)

// Member is a running server, as *quorum.Server is one.
type Member interface {
	Status() quorum.Status
	Stats() *stats.Server
	WatchSummary() (conns, paths, watches int)
	FourLetter(word string) (answer string, ok bool)
	socket.Source
	admin.Clients
	// Stop closes the client port, syncs the log and returns when nothing is left running, or with
	// an error when ctx ends first.
	Stop(ctx context.Context) error
	// Done is closed when the server ended by itself; Err then says why.
	Done() <-chan struct{}
	Err() error
}

// Deps is what Run needs beside the configuration.
type Deps struct {
	// Start starts the server; it returns when its data is recovered, which for a member of an ensemble
	// is before it serves. Meanwhile progress hears, from any goroutine, how far recovery is.
	Start func(c quorum.Config, progress func(text string)) (Member, error)
	Build Build
	// Bindable says what the host lacks of the addresses and names to listen on, with an error that a wait may cure;
	// nil for a host that lacks nothing.
	Bindable func(ctx context.Context, addrs []string) error
	// Firewall puts rules in force before the ports are opened; nil for none at all. Its errors end the start.
	Firewall func(ctx context.Context, cfg keeper.Config, log *zap.Logger) (Firewall, error)
	// ConfigFile is where the configuration came from, "" for the built-in one. Notices are what
	// reading it brought up.
	ConfigFile string
	Notices    []config.Notice
	// Reload reads the configuration again; nil when there is nothing to read.
	Reload func() (config.Config, []config.Notice, error)
	// Signals that the process receives: SIGTERM and SIGINT stop it, SIGHUP reloads.
	Signals <-chan os.Signal
	// Notifier tells systemd; nil tells nobody.
	Notifier *sd.Notifier
	// Logger in place of the one that the configuration describes; nil outside tests.
	Logger *zap.Logger
}

// Build names the program.
type Build struct {
	Version   string // "0.1.0"
	Revision  string // of the source, "" if not known
	GoVersion string
}

// BuildOf returns the Build of this program, whose version the linker set.
func BuildOf(version string) Build {
	b := Build{Version: version, GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
	}
	return b
}
