// Command zkctl is a client of zkd and of every server that speaks ZooKeeper's protocol: the commands of
// zkCli, one on the command line or many at a prompt, in the same words where scripts depend on them.
//
// This package reads flags, turns errors into words and exit codes, and does what a command does with
// the session that quorum/client keeps. Its rooms: text renders, archive is the format of an export,
// shell is the prompt.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is that of the release; the Makefile has the linker set it.
var version = "0.0.0-dev"

func main() {
	os.Exit(run())
}

// run is main with deferred calls. A signal ends what runs, and the session with it; the next one ends the
// process. At the prompt an interrupt is for the command that runs.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// execute runs one command line and returns the exit code of the process.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := newApp(stdin, stdout, stderr)
	defer a.conn.close()
	interruptible, stop := signal.NotifyContext(ctx, os.Interrupt)
	context.AfterFunc(interruptible, stop)
	code := a.runLine(interruptible, newRoot(a), fromZkCli(args))
	stop()
	if code == exitOK && a.wantPrompt {
		return a.runPrompt(ctx)
	}
	return code
}
