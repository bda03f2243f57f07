package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/shell"
	"zkd/quorum/client"
)

// prompt is the state of an interactive use: lines from a terminal, or from a pipe.
type prompt struct {
	a       *app
	console *shell.Console
	history shell.History
	status  int // of the last command
	over    bool
}

// runPrompt reads and runs lines until quit or the end of the input, and returns the exit code of the last one.
func (a *app) runPrompt(ctx context.Context) int {
	p := &prompt{a: a}
	var names []string
	for _, cmd := range p.root(a).Commands() {
		names = append(names, cmd.Name())
	}
	p.console = shell.NewConsole(a.stdin, a.stdout, &p.history, shell.Completer{
		Commands: names, Paths: func(prefix string) []string { return a.conn.complete(ctx, prefix) },
	})
	a.prompt, a.stdout = p, p.console
	if p.console.Terminal() {
		a.stderr, a.conn.stderr = p.console, p.console
	}
	defer a.conn.listen(func(e client.Event) {
		if a.conn.watchesPrinted() {
			fmt.Fprint(p.console, a.eventText(e))
		}
	})()
	defer a.conn.close()
	if _, err := a.conn.open(ctx); err != nil {
		report(a.stderr, err, a.json)
		if !p.console.Terminal() {
			a.conn.listen(nil) // there is no session whose end could be news
			return exitCode(err)
		}
	}
	for !p.over && ctx.Err() == nil {
		line, err := p.console.ReadLine(p.text())
		if err != nil { // the end, by Ctrl-D for one
			break
		}
		p.runText(ctx, line)
	}
	return p.status
}

// text is ZooKeeper's prompt.
func (p *prompt) text() string {
	server, state := "", "CLOSED"
	if c := p.a.conn.current; c != nil {
		server, state = c.Server(), "CONNECTING"
		if c.Connected() {
			state = "CONNECTED"
		}
	}
	return fmt.Sprintf("[zk: %s(%s) %d] ", server, state, p.history.Next())
}

// runText runs what was typed. An interrupt ends the command and not the prompt.
func (p *prompt) runText(ctx context.Context, line string) {
	words, err := shell.Split(line)
	if err != nil {
		report(p.a.stderr, &codedError{code: exitUsage, err: err}, p.a.json)
		p.status = exitUsage
		return
	}
	if len(words) == 0 {
		return
	}
	p.history.Add(line)
	p.runWords(ctx, words)
}

func (p *prompt) runWords(ctx context.Context, words []string) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	a := *p.a // with the flags of this line
	status := a.runLine(ctx, p.root(&a), fromZkCli(words))
	if !p.over { // quit keeps that of the line before
		p.status = status
	}
}

// root returns the commands of the prompt for one line.
func (p *prompt) root(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: "zkctl", Args: cobra.ArbitraryArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(_ *cobra.Command, args []string) error { return usagef("unknown command %q", args[0]) },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&a.json, "json", a.json, "answer in JSON")
	root.AddCommand(commands(a)...)
	root.AddCommand(
		newCommand(a, "history", "List the last lines with their numbers", cobra.ArbitraryArgs, p.listHistory(a)),
		newCommand(a, "redo cmdno", "Run a line again", cobra.ExactArgs(1), p.redo),
		newCommand(a, "printwatches on|off", "Say whether events are printed, or change that", cobra.MaximumNArgs(1), p.printWatches(a)),
		newCommand(a, "connect host:port", "Open a session with other servers", cobra.ExactArgs(1), p.connect),
		newCommand(a, "close", "End the session", cobra.NoArgs, func(context.Context, []string) error {
			p.a.conn.close()
			p.a.conn.closed = true
			return nil
		}),
	)
	quit := newCommand(a, "quit", "End the session and the prompt", cobra.NoArgs, func(context.Context, []string) error {
		p.over = true
		return nil
	})
	quit.Aliases = []string{"exit"}
	root.AddCommand(quit)
	return root
}

// shown is how many lines history lists. Source: ZooKeeperMain.
const shown = 11

func (p *prompt) listHistory(a *app) func(context.Context, []string) error {
	return func(context.Context, []string) error {
		for number := max(0, p.history.Next()-shown); number < p.history.Next(); number++ {
			line, _ := p.history.Line(number) // remembered: shown is below the bound
			entry := struct {
				Number int    `json:"number"`
				Line   string `json:"line"`
			}{number, line}
			if err := a.emit(entry, fmt.Sprintf("%d - %s\n", number, line)); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p *prompt) redo(ctx context.Context, args []string) error {
	number, err := strconv.Atoi(args[0])
	if err != nil {
		return usagef("%q is no number of a line", args[0])
	}
	line, ok := p.history.Line(number)
	if !ok {
		return theirsf(exitUsage, "Command index out of range")
	}
	words, err := shell.Split(line)
	if err != nil {
		return err // it was split when it was typed
	}
	if words[0] == "redo" {
		return theirsf(exitUsage, "No redoing redos")
	}
	p.runWords(ctx, words)
	if p.status != exitOK {
		return errReported{p.status}
	}
	return nil
}

// errReported is the failure of a line that has been told already.
type errReported struct{ code int }

func (e errReported) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func (p *prompt) printWatches(a *app) func(context.Context, []string) error {
	return func(_ context.Context, args []string) error {
		if len(args) == 0 {
			state := map[bool]string{true: "on", false: "off"}[a.conn.watchesPrinted()]
			return a.emit(map[string]string{"printwatches": state}, "printwatches is "+state+"\n")
		}
		switch args[0] {
		case "on", "off":
			a.conn.setPrintWatches(args[0] == "on")
			return nil
		}
		return usagef("printwatches takes on or off")
	}
}

// connect ends the session and opens one with other servers.
func (p *prompt) connect(ctx context.Context, args []string) error {
	if _, _, err := parseServers(args[0]); err != nil {
		return err
	}
	conn := p.a.conn
	conn.close()
	conn.servers = strings.Split(args[0], ",")
	conn.closed, conn.added = false, nil
	_, err := conn.open(ctx)
	return err
}
