package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
)

// app is what a command works with. At the prompt each line gets a copy with its own flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	json           bool
	conn           *connection
	prompt         *prompt // nil on the command line
	wantPrompt     bool    // the command line had no command
	began          bool    // the line was right, and its command runs
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{stdin: stdin, stdout: stdout, stderr: stderr, conn: &connection{stderr: stderr}}
}

// runLine runs one line and returns its exit code.
func (a *app) runLine(ctx context.Context, root *cobra.Command, args []string) int {
	a.began = false
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		a.hear()
		return exitOK
	}
	var coded *codedError
	if !a.began && !errors.As(err, &coded) { // the line itself was wrong
		err = &codedError{code: exitUsage, err: err}
	}
	if told := (errReported{}); errors.As(err, &told) {
		return told.code
	}
	a.hear()
	report(a.stderr, err, a.json)
	if code := exitCode(err); code != exitUsage || a.json {
		return code
	}
	if cmd != root {
		fmt.Fprintf(a.stderr, "usage: %s\n", cmd.Use)
	} else {
		fmt.Fprintln(a.stderr, "zkctl: see help, or zkctl(1)")
	}
	return exitUsage
}

// client returns the session, opened if there is none.
func (a *app) client(ctx context.Context) (*client.Client, error) {
	if a.prompt != nil && a.conn.closed {
		return nil, theirsf(exitUnavailable, "Not connected")
	}
	return a.conn.open(ctx)
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

// hear waits at the prompt until the events are printed that the server sent before its answer, so that the same
// lines from a pipe print the same in the same order.
func (a *app) hear() {
	if a.prompt != nil && a.conn.current != nil {
		a.conn.current.Flush()
	}
}

// emit writes the answer of a command: v as a line of JSON if that was asked for, else plain.
func (a *app) emit(v any, plain string) error {
	a.hear()
	return a.write(v, plain)
}

// write is emit for who prints the events.
func (a *app) write(v any, plain string) error {
	if !a.json {
		_, err := io.WriteString(a.stdout, plain)
		return err
	}
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", line)
	return err
}

// newCommand makes a command of a usage line in zkCli's form, whose first argument is a path if it has one.
func newCommand(a *app, use, short string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args, DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.began = true
			return run(cmd.Context(), args)
		},
	}
}

// checkPath is text.CheckPath with an exit code.
func checkPath(path string) error {
	if err := text.CheckPath(path); err != nil {
		return theirsf(exitUsage, "%w", err)
	}
	return nil
}

// newPathCommand is newCommand for commands whose first argument is the path of a znode, which the shell
// completes. run gets the session and the path apart from the other arguments.
func newPathCommand(a *app, use, short string, args cobra.PositionalArgs,
	run func(ctx context.Context, c *client.Client, path string, rest []string) error) *cobra.Command {
	return newCheckedCommand(a, use, short, args, checkPath, run)
}

// newCheckedCommand is newPathCommand with a check of the path that is the command's own.
func newCheckedCommand(a *app, use, short string, args cobra.PositionalArgs, check func(path string) error,
	run func(ctx context.Context, c *client.Client, path string, rest []string) error) *cobra.Command {
	cmd := newCommand(a, use, short, args, func(ctx context.Context, args []string) error {
		if err := check(args[0]); err != nil {
			return err
		}
		c, err := a.client(ctx)
		if err != nil {
			return err
		}
		return run(ctx, c, args[0], args[1:])
	})
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.conn.complete(cmd.Context(), toComplete), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	return cmd
}
