package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/daemon/probe"
	"zkd/quorum"
)

// The goals of zkd wait, beside the roles.
const (
	forQuorum = "quorum"
	forInSync = "in-sync"
)

// goals are all that --for takes.
var goals = []string{forQuorum, forInSync, string(quorum.Standalone), string(quorum.Leader), string(quorum.Follower), string(quorum.Observer)}

// lookEvery is how often zkd wait asks.
const lookEvery = 500 * time.Millisecond

func newWait() *cobra.Command {
	var file, goal string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until the server on this host serves, or its ensemble is complete",
		Long: "Wait until the server on this host is as it should be, and say how it is then. What to wait for:\n\n" +
			"  quorum    clients get answers (the default)\n" +
			"  in-sync   that, and every member of the ensemble serves: between two servers of an upgrade\n" +
			"  standalone, leader, follower, observer\n" +
			"            that, and this is the role of the server\n\n" +
			"Exit status: 0 it is so, 3 the server does not run, 4 it runs and is not so, 1 this could not be found out.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown argument %q", args[0])
			}
			if !slices.Contains(goals, goal) {
				return fmt.Errorf("--for %s: must be one of %s", goal, strings.Join(goals, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := statusConfig(file)
			if err != nil {
				return err
			}
			w := waiter{goal: goal, target: probe.Target{Client: cfg.Client.Listen, Others: daemon.OtherClients(cfg), Timeout: 5 * time.Second}}
			if cfg.Admin.Enabled {
				w.target.Admin = cfg.Admin.Listen
			}
			answer, err := w.wait(cmd.Context(), timeout)
			if err == nil {
				fmt.Fprint(cmd.OutOrStdout(), answer)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `file` that names the ports (default "+defaultConfigFile+" if there is one)")
	f.StringVar(&goal, "for", forQuorum, "`what` to wait for: "+strings.Join(goals, ", "))
	f.DurationVar(&timeout, "timeout", time.Minute, "how long to wait; 0s looks once")
	return cmd
}

// waiter looks at one server until it is as it should be.
type waiter struct {
	goal   string
	target probe.Target
}

// wait looks every half a second and returns the server's words for its state, or how it was at last as
// an error with an exit code.
func (w *waiter) wait(ctx context.Context, timeout time.Duration) (string, error) {
	deadline := time.Now().Add(timeout)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		text, err := w.look(ctx)
		if err == nil || !time.Now().Add(lookEvery).Before(deadline) {
			return text, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", err
		}
	}
}

// look asks once.
func (w *waiter) look(ctx context.Context) (string, error) {
	a := probe.Ask(ctx, w.target)
	switch a.State {
	case probe.Serving:
	case probe.NotServing:
		return "", daemon.Errorf(daemon.ExitNoQuorum, "%s", a.Reason)
	case probe.NotRunning:
		return "", daemon.Errorf(daemon.ExitNotRunning, "%s", a.Reason)
	default:
		return "", daemon.Errorf(daemon.ExitFailure, "%s", a.Reason)
	}
	switch w.goal {
	case forQuorum:
		return a.Text, nil
	case forInSync:
		r, err := w.report(ctx)
		if err != nil {
			return "", err
		}
		if why := notInSync(r); why != "" {
			return "", daemon.Errorf(daemon.ExitNoQuorum, "not in sync: %s", why)
		}
		return r.Text(), nil
	default:
		if !strings.Contains(a.Text, "Mode: "+w.goal+"\n") {
			return "", daemon.Errorf(daemon.ExitNoQuorum, "not %s: %s", w.goal, strings.ReplaceAll(strings.TrimSpace(a.Text), "\n", "; "))
		}
		return a.Text, nil
	}
}

const maxReportBytes = 1 << 20

// report asks the admin port for the whole state. What members are doing is told nowhere else.
func (w *waiter) report(ctx context.Context) (r admin.Report, err error) {
	if len(w.target.Admin) == 0 {
		return r, daemon.Errorf(daemon.ExitFailure, "whether members are in sync is told by the admin port, which the configuration turns off")
	}
	for _, addr := range w.target.Admin {
		if r, err = fetchReport(ctx, admin.Loopback(addr), w.target.Timeout); err == nil {
			return r, nil
		}
	}
	return r, daemon.Errorf(daemon.ExitFailure, "the admin port does not tell the state: %w", err)
}

func fetchReport(ctx context.Context, addr string, timeout time.Duration) (r admin.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/status", nil)
	if err != nil {
		return r, err
	}
	// No proxy of the environment's: this is a port of this host.
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return r, fmt.Errorf("%s: %s", addr, resp.Status)
	}
	return r, json.NewDecoder(io.LimitReader(resp.Body, maxReportBytes)).Decode(&r)
}

// notInSync says which members do not serve; "" if all do. A member that serves has the history of the
// leader up to what is under way.
func notInSync(r admin.Report) string {
	if r.Ensemble == nil {
		return "" // alone
	}
	var missing []string
	for _, m := range r.Ensemble.Members {
		switch role := quorum.Role(m.Role); {
		case m.Self:
		case role == "":
			missing = append(missing, fmt.Sprintf("server %d is not known to serve", m.ID))
		case role == quorum.Looking:
			missing = append(missing, fmt.Sprintf("server %d does not serve", m.ID))
		case r.Mode == string(quorum.Leader) && !m.Synced:
			missing = append(missing, fmt.Sprintf("server %d does not have this leader's history yet", m.ID))
		}
	}
	return strings.Join(missing, ", ")
}
