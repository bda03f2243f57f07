// Command zkbench compares zkd with Apache ZooKeeper on this machine and prints the ratios as a
// Markdown table.
//
//	zkbench [--quick] [--zkd BINARY] [--apache CLASSPATH] [--only NAME,...]
//
// It starts both servers itself, on loopback and with the same ordinary zoo.cfg, and runs each
// workload on them in turn, round by round, so that a disturbance of the machine meets both. Servers
// stay up between the rounds: a JVM is slow until it is warm. The generator shares the processors with
// the server, so the server's CPU time per operation says as much as operations per second.
//
// Every reply is verified. The exit status is 1 if any was wrong or a server failed, 2 for wrong
// arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// debianJars are the class path of Debian's libzookeeper-java.
var debianJars = []string{"/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar"}

// options are the flags.
type options struct {
	zkd, apache, java, heap string
	self                    string // this program
	dir                     string
	only                    []string
	rounds                  int
	warmup, duration        time.Duration
	snapshotTime            time.Duration // of sets under snapshots
	znodes, sessions        int
}

// wants reports whether the part called name was asked for.
func (o *options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

// partNames are what --only takes.
func partNames() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	for _, part := range capacityParts {
		names = append(names, part.name)
	}
	return names
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == echoArgument {
		if err := serveEcho(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "zkbench:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "zkbench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = bench(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "zkbench:", err)
		os.Exit(1)
	}
}

// parse reads the command line. Its defaults come from what is there.
func parse(args []string, stderr io.Writer) (options, error) {
	self, err := os.Executable()
	if err != nil {
		return options{}, err
	}
	o := options{self: self}
	flags := flag.NewFlagSet("zkbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	isQuick := flags.Bool("quick", false, "one short round with a tenth of the znodes and sessions")
	flags.StringVar(&o.zkd, "zkd", "./bin/zkd", "the zkd binary, empty for none")
	flags.StringVar(&o.apache, "apache", debianClassPath(), "class path of Apache ZooKeeper, empty for none")
	flags.StringVar(&o.java, "java", "java", "launcher of the JVM")
	flags.StringVar(&o.heap, "heap", "1000m", "heap of the JVM; 1000m is that of zkServer.sh")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "directory for the servers' data: its disk is measured")
	only := flags.String("only", "", "parts to run, comma-separated: "+strings.Join(partNames(), ","))
	flags.IntVar(&o.rounds, "rounds", 3, "runs of each workload on each server")
	flags.DurationVar(&o.warmup, "warmup", 2*time.Second, "time before each run that is not counted")
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "counted time of each run")
	flags.DurationVar(&o.snapshotTime, "snapshot-time", 30*time.Second, "time of the sets under snapshots")
	flags.IntVar(&o.znodes, "znodes", 1_000_000, "znodes to hold")
	flags.IntVar(&o.sessions, "sessions", 10_000, "idle sessions to hold")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *isQuick {
		if err := applyQuick(flags); err != nil {
			return o, err
		}
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	return o, o.validate(flags.Args())
}

// quick is what --quick puts in the place of the defaults.
var quick = map[string]string{
	"rounds": "1", "warmup": "1s", "duration": "2s", "snapshot-time": "10s", "znodes": "100000", "sessions": "1000",
}

// applyQuick sets the flags that were not given.
func applyQuick(flags *flag.FlagSet) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range quick {
		if given[name] {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) validate(rest []string) error {
	var errs []error
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	for _, name := range o.only {
		if names := partNames(); !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("--only: %q is none of %s", name, strings.Join(names, ", ")))
		}
	}
	if o.rounds < 1 || o.warmup < 0 || o.duration < 100*time.Millisecond || o.snapshotTime < time.Second {
		errs = append(errs, errors.New("there must be a round at least, of 100ms at least, and a second of snapshots"))
	}
	if o.znodes < fillConns || o.znodes%fillConns != 0 || o.sessions < 1 {
		errs = append(errs, fmt.Errorf("znodes must be a multiple of %d, and there must be a session", fillConns))
	}
	if o.zkd == "" && o.apache == "" {
		errs = append(errs, errors.New("there is nothing to measure: neither zkd nor Apache ZooKeeper"))
	}
	if o.zkd != "" {
		if path, err := exec.LookPath(o.zkd); err != nil {
			errs = append(errs, fmt.Errorf("--zkd: %w (make build makes bin/zkd)", err))
		} else if o.zkd, err = filepath.Abs(path); err != nil {
			errs = append(errs, err)
		}
	}
	if o.apache != "" {
		if _, err := exec.LookPath(o.java); err != nil {
			errs = append(errs, fmt.Errorf("--java: %w (Apache ZooKeeper needs it; --apache '' leaves that out)", err))
		}
	}
	return errors.Join(errs...)
}

// debianClassPath is the class path of Debian's package, empty where it is not installed.
func debianClassPath() string {
	for _, jar := range debianJars {
		if _, err := os.Stat(jar); err != nil {
			return ""
		}
	}
	return strings.Join(debianJars, string(os.PathListSeparator))
}

// bench runs all that o asks for and prints the report, also that of a benchmark which was cut short.
func bench(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "zkbench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := suite{options: o, dir: dir, progress: stderr}
	r, err := s.run(ctx)
	if err == nil && len(r.failures) > 0 {
		err = fmt.Errorf("%d measurements failed", len(r.failures))
	}
	return errors.Join(err, r.write(stdout))
}
