package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/admin"
	"zkd/daemon/config"
	"zkd/quorum/restore"
	"zkd/quorum/vfs"
)

// stoppedTarget is the data of the server of a configuration, which nobody serves from.
func stoppedTarget(ctx context.Context, cfg config.Config) (restore.Target, error) {
	t := restore.Target{FS: vfs.OS(), DataDir: cfg.DataDir, LogDir: cfg.LogDir, MaxPayload: maxPayload(cfg)}
	if err := stopped(ctx, cfg); err != nil {
		return t, err
	}
	var err error
	t.Adopt, err = ownerOf(cfg.DataDir)
	return t, err
}

func runResync(cmd *cobra.Command, cfg config.Config) error {
	if len(cfg.Servers) < 2 {
		where := cfg.DataDir
		if cfg.LogDir != "" && cfg.LogDir != cfg.DataDir {
			where = "--snapshots " + cfg.DataDir + " " + cfg.LogDir
		}
		return daemon.Errorf(daemon.ExitFailure, "this server stands alone: nobody could give its data back, and nothing was changed. "+
			"Restore a backup with 'zkd snapshot restore', or see with 'zkd log repair %s' what would be lost from the first damage on, "+
			"and give that up with --give-up", where)
	}
	t, err := stoppedTarget(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	res, err := t.Resync()
	out := cmd.OutOrStdout()
	for _, name := range res.Aside {
		fmt.Fprintln(out, "set aside:", name)
	}
	if errors.Is(err, vfs.ErrLocked) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w; mend that and run this again: until then the server does not start, or knows that data is missing", err)
	}
	fmt.Fprintf(out, "server %d had reached zxid %v at least; it goes on from epoch %d\n", cfg.ID, res.Reached, res.Accepted)
	fmt.Fprintln(out, "now start it: it neither stands for election nor votes before a leader whom the others elected has given it their data")
	_, down := others(cmd.Context(), cfg)
	for _, server := range down {
		fmt.Fprintln(out, "does not answer:", server)
	}
	fmt.Fprintln(out, "as long as the others have no quorum without it, nothing comes of that: do this to no second member before zkd status says that it follows")
	fmt.Fprintln(out, "then the files zkd.cut.* may go")
	return nil
}

func runAcceptLoss(cmd *cobra.Command, cfg config.Config, yes bool) error {
	t, err := stoppedTarget(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr())
	loss, err := t.Loss(p.read)
	p.done()
	out := cmd.OutOrStdout()
	switch {
	case errors.Is(err, restore.ErrNoLoss):
		fmt.Fprintln(out, err)
		return nil
	case err != nil:
		return fmt.Errorf("%w; nothing was changed", err)
	}
	printLoss(out, cfg, loss)
	if len(cfg.Servers) > 1 {
		up, down := others(cmd.Context(), cfg)
		for _, server := range up {
			fmt.Fprintln(out, "answers:", server)
		}
		for _, server := range down {
			fmt.Fprintln(out, "does not answer:", server)
		}
	}
	if !yes && !confirmed(cmd.InOrStdin(), out) {
		return daemon.Errorf(daemon.ExitFailure, "the loss is not accepted: nothing was changed")
	}
	if loss, err = t.AcceptLoss(p.read); err != nil {
		return fmt.Errorf("%w; the loss is still known: run this again", err)
	}
	fmt.Fprintf(out, "accepted: this server may stand for election with what it holds, up to zxid %v of epoch %d\n", loss.Held, loss.Held.Epoch())
	return nil
}

// printLoss says what is given up, and what to look at before.
func printLoss(out io.Writer, cfg config.Config, loss restore.Loss) {
	fmt.Fprintf(out, "server %d holds everything up to zxid %v, of epoch %d\n", cfg.ID, loss.Held, loss.Held.Epoch())
	if loss.Mark > loss.Held {
		fmt.Fprintf(out, "it once held what is behind that, up to zxid %v: what of it was acknowledged and no other member holds is given up for good\n", loss.Mark)
	} else {
		fmt.Fprintln(out, "its data was set aside by zkd log repair --resync: what is back may be less than was acknowledged")
	}
	if len(cfg.Servers) < 2 {
		fmt.Fprintln(out, "nobody else holds it: restore a backup that reaches further, if there is one")
		return
	}
	fmt.Fprint(out, `look first:
  - a quorum of the other members gives all of it back by itself: start them, and this one as it is
  - the members whose logs reach furthest are to stand: run this on each that has lost something, and answer no;
    zkd status shows the zxid of the others
  - accept the loss on no more members than a quorum needs: what none of these holds is lost, whoever else holds it
`)
}

// confirmed asks, and reports whether the answer was yes.
func confirmed(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "give it up? yes or no: ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil { // nobody is there
		fmt.Fprintln(out)
	}
	return strings.TrimSpace(answer) == "yes"
}

// stopped returns an error if the server of a configuration answers. zkd has a lock; a server of ZooKeeper's has
// none, but its port answers.
func stopped(ctx context.Context, cfg config.Config) error {
	for _, addr := range cfg.Client.Listen {
		if answers(ctx, admin.Loopback(addr)) {
			return daemon.Errorf(daemon.ExitBusy, "a server answers on %s: stop it first", addr)
		}
	}
	return nil
}

// others says which of the other members answer on their election port, and which do not.
func others(ctx context.Context, cfg config.Config) (up, down []string) {
	for _, s := range cfg.Servers {
		if s.ID == cfg.ID {
			continue
		}
		at := slices.IndexFunc(s.Addresses, func(a config.PeerAddress) bool { return answers(ctx, electionPort(a)) })
		text := fmt.Sprintf("server %d (%s)", s.ID, electionPort(s.Addresses[max(at, 0)]))
		if at >= 0 {
			up = append(up, text)
		} else {
			down = append(down, text)
		}
	}
	return up, down
}

func electionPort(a config.PeerAddress) string {
	return net.JoinHostPort(a.Host, strconv.Itoa(a.ElectionPort))
}
