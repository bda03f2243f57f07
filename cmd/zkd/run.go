package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/daemon/doctor/gather"
	"zkd/daemon/sd"
	"zkd/quorum"
)

const defaultConfigFile = "/etc/zkd/zkd.toml"

// overrides are the flags of run that outweigh the configuration.
type overrides struct {
	dataDir, clientAddr, adminAddr, logLevel, firewall string
}

// apply returns cfg with the flags that were given, checked again as a whole.
func (o overrides) apply(cfg config.Config) (config.Config, error) {
	if o.dataDir != "" {
		cfg.DataDir = o.dataDir
	}
	if o.clientAddr != "" {
		cfg.Client.Listen = []string{o.clientAddr}
	}
	if o.adminAddr != "" {
		cfg.Admin.Listen = []string{o.adminAddr}
	}
	if o.logLevel != "" {
		cfg.Log.Level = o.logLevel
	}
	if o.firewall != "" {
		cfg.Firewall.Mode = o.firewall
	}
	return cfg, cfg.Validate()
}

func newRun() *cobra.Command {
	var file string
	var o overrides
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve, in the foreground, until a signal ends it",
		Long: "Serve in the foreground. SIGTERM and SIGINT stop the server, SIGHUP reads its configuration again.\n\n" +
			"The configuration is a zkd.toml or an unchanged zoo.cfg of ZooKeeper. Without one, zkd is a standalone\n" +
			"server on loopback that keeps its data in " + dataDirWords + ".",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (config.Config, []config.Notice, error) {
				cfg, notices, err := loadConfig(file)
				if err != nil {
					return cfg, notices, err
				}
				cfg, err = o.apply(cfg)
				return cfg, notices, err
			}
			signals := make(chan os.Signal, 4)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			defer signal.Stop(signals)
			deps := daemon.Deps{
				Start:      startQuorum,
				Bindable:   daemon.Bindable,
				Firewall:   daemon.Netfilter,
				Build:      daemon.BuildOf(version),
				ConfigFile: file,
				Signals:    signals, Notifier: sd.FromEnvironment(),
			}
			cfg, notices, err := daemon.LoadAwaiting(cmd.Context(), deps, load)
			if errors.Is(err, daemon.ErrStopRequested) {
				return nil
			}
			if err != nil {
				return err
			}
			deps.Notices = notices
			if file != "" {
				deps.Reload = load
			}
			if err := daemon.Run(cmd.Context(), cfg, deps); err != nil {
				return saidError{err} // its log has it
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `file`: zkd.toml, or ZooKeeper's zoo.cfg")
	f.StringVar(&o.dataDir, "data-dir", "", "`directory` of the data, in place of the configured one")
	f.StringVar(&o.clientAddr, "client", "", "`host:port` for clients, in place of the configured ones")
	f.StringVar(&o.adminAddr, "admin", "", "`host:port` for the admin HTTP port, in place of the configured ones")
	f.StringVar(&o.logLevel, "log-level", "", "least severe `level` to log: debug, info, warn or error")
	f.StringVar(&o.firewall, "firewall", "", "`mode` of the firewall, in place of the configured one: auto, required or off")
	return cmd
}

// startQuorum starts the real server.
func startQuorum(c quorum.Config, progress func(string)) (daemon.Member, error) {
	s, err := quorum.Start(c, progress)
	if err != nil {
		return nil, err // not s: a nil *Server in an interface is not nil
	}
	return s, nil
}

// loadConfig reads file, or returns the built-in configuration for "".
func loadConfig(file string) (config.Config, []config.Notice, error) {
	if file == "" {
		dir, err := standaloneDataDir()
		return config.StandaloneDefault(dir), nil, err
	}
	cfg, notices, err := thisHost().Load(file, os.ReadFile)
	if err != nil && cfg.DataDir == "" { // the file itself could not be read
		return cfg, notices, &daemon.Error{Code: codeOfUnreadable(err), Err: err}
	}
	return cfg, notices, err
}

// lookupTimeout bounds all look-ups of names that one reading of a configuration makes.
const lookupTimeout = 5 * time.Second

// thisHost is what the configuration can ask of this host. Addresses that cannot be read are not known.
func thisHost() config.Host {
	var host config.Host
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			host.Addresses = append(host.Addresses, p.Addr())
		}
	}
	var deadline time.Time
	host.Lookup = func(name string) []netip.Addr {
		if deadline.IsZero() {
			deadline = time.Now().Add(lookupTimeout)
		}
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		return found
	}
	return host
}

// codeOfUnreadable tells a configuration that may not be read from one that is not there.
func codeOfUnreadable(err error) int {
	if os.IsPermission(err) || daemon.ExitCode(err) == daemon.ExitPermission {
		return daemon.ExitPermission
	}
	return daemon.ExitConfig
}

const dataDirWords = "$STATE_DIRECTORY, or /var/lib/zkd for root, or\n$XDG_STATE_HOME/zkd, ~/.local/state/zkd by default"

// standaloneDataDir is where a server keeps its data that nobody has configured.
func standaloneDataDir() (string, error) {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" { // systemd's StateDirectory=
		return dir, nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/zkd", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "zkd"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", daemon.Errorf(daemon.ExitConfig, "no directory for the data: %w; give --data-dir", err)
	}
	return filepath.Join(home, ".local", "state", "zkd"), nil
}

func newCheckConfig() *cobra.Command {
	var file string
	var quiet, show bool
	cmd := &cobra.Command{
		Use:   "check-config [file]",
		Short: "Check a configuration and say everything that is wrong with it",
		Long: "Check a configuration and say everything that is wrong with it, a line for each: file, line, column, key, value, what is\n" +
			"wrong and what to do. With --print, print the value of every key and where it comes from.\n\n" +
			"Exit status: 0 it is right, 77 it may not be read, 78 it is wrong.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				file = args[0]
			}
			cfg, notices, err := loadConfig(file)
			if err == nil {
				err = daemon.Supported(cfg)
				if r, ok := gather.PortRange(); ok {
					notices = append(notices, cfg.Taken(r)...)
				}
			}
			notes := cmd.OutOrStdout()
			if show { // what is printed may be read by a program
				notes = cmd.ErrOrStderr()
			}
			for _, n := range notices {
				if !quiet {
					fmt.Fprintln(notes, n)
				}
			}
			if err != nil {
				return err
			}
			switch {
			case show:
				for _, s := range cfg.Explain() {
					fmt.Fprintf(cmd.OutOrStdout(), "%s = %s # %s\n", s.Key, s.Value, s.Source)
				}
			case !quiet:
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfigFile, "configuration `file`: zkd.toml, or ZooKeeper's zoo.cfg")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "say nothing but errors")
	cmd.Flags().BoolVar(&show, "print", false, "print the value of every key and where it comes from; secrets are hidden")
	return cmd
}
