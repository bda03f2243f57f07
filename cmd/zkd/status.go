package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/daemon/probe"
)

func newStatus() *cobra.Command {
	var file string
	var look statusLook
	var watch bool
	var interval time.Duration
	t := &look.target
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what the server on this host does, in the words of zkServer.sh status",
		Long: "Ask the server on this host how it is: its admin port first, then, with the word srvr, its client port.\n" +
			"A member of an ensemble also says how the others are; where it does not answer, they are asked.\n\n" +
			"With --json, say it as one JSON document: verdict, exit code, reason, the ports that were asked, the other\n" +
			"members where they were, and the document of /status where the admin port answers. With --watch, say it again\n" +
			"and again until interrupted; each document is one line then.\n\n" +
			"Exit status, with --watch that of the last answer: 0 it serves, 3 it does not run, 4 it runs and does not serve,\n" +
			"1 this could not be found out.",
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("interval") && !watch {
				return errors.New("--interval is for --watch")
			}
			if interval < minInterval {
				return fmt.Errorf("--interval %v: must be at least %v", interval, minInterval)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(t.Admin) == 0 && len(t.Client) == 0 {
				cfg, err := statusConfig(file)
				if err != nil {
					return err
				}
				t.Client, t.Others = cfg.Client.Listen, daemon.OtherClients(cfg)
				if cfg.Admin.Enabled {
					t.Admin = cfg.Admin.Listen
				}
			}
			if watch {
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				return look.watch(ctx, cmd.OutOrStdout(), interval)
			}
			return look.once(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `file` that names the ports (default "+defaultConfigFile+" if there is one)")
	f.StringSliceVar(&t.Admin, "admin", nil, "`host:port` of the admin port, in place of the configured ones")
	f.StringSliceVar(&t.Client, "client", nil, "`host:port` of the client port, in place of the configured ones")
	f.DurationVar(&t.Timeout, "timeout", 5*time.Second, "how long each port may take to answer")
	f.BoolVar(&look.asJSON, "json", false, "print JSON")
	f.BoolVar(&watch, "watch", false, "repeat until interrupted")
	f.DurationVar(&interval, "interval", 2*time.Second, "how often, with --watch")
	return cmd
}

// statusLook is how zkd status looks, and says what it sees.
type statusLook struct {
	target probe.Target
	asJSON bool
}

// once looks once.
func (l *statusLook) once(ctx context.Context, out io.Writer) error {
	a := probe.Ask(ctx, l.target)
	err := verdict(a)
	if l.asJSON {
		if printErr := printJSON(out, a.Document(daemon.ExitCode(err))); printErr != nil {
			return printErr
		}
		return said(err)
	}
	fmt.Fprint(out, a.Text)
	switch a.State {
	case probe.NotServing: // the text says why
		return said(err)
	case probe.NotRunning:
		return fmt.Errorf("%w\nzkd: systemctl start zkd starts it; zkd doctor looks for what is wrong", err)
	case probe.Unknown:
		return fmt.Errorf("%w\nzkd: zkd doctor looks for what is wrong", err)
	}
	return err
}

// verdict is nil for a server that serves, and for others an error with the exit code.
func verdict(a probe.Answer) error {
	switch a.State {
	case probe.Serving:
		return nil
	case probe.NotServing:
		return daemon.Errorf(daemon.ExitNoQuorum, "%s", a.Reason)
	case probe.NotRunning:
		return daemon.Errorf(daemon.ExitNotRunning, "%s", a.Reason)
	default:
		return daemon.Errorf(daemon.ExitFailure, "%s", a.Reason)
	}
}

// said marks an error, if there is one, as told already.
func said(err error) error {
	if err == nil {
		return nil
	}
	return saidError{err}
}

// statusConfig finds out which ports to ask: those of the file, or of the usual file if there is one,
// or the built-in ones.
func statusConfig(file string) (config.Config, error) {
	if file == "" {
		if _, err := os.Stat(defaultConfigFile); errors.Is(err, fs.ErrNotExist) {
			return config.Default(), nil
		}
		file = defaultConfigFile
	}
	cfg, _, err := loadConfig(file)
	return cfg, err
}
