package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newRoot returns the commands of the command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "zkctl [command]",
		Short: "A client of zkd and of ZooKeeper servers",
		Long: "zkctl runs one command against a server, or, without a command, reads commands at a prompt.\n" +
			"The commands are those of zkCli, in the same words, and some more.",
		Args:         cobra.ArbitraryArgs, // for our own words about an unknown command
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", args[0])
			}
			a.wantPrompt = true
			return nil
		},
	}
	f := root.PersistentFlags()
	f.StringSliceVar(&a.conn.servers, "server", nil, "`host:port,...` of the servers, tried in turn, perhaps with a chroot: host:port/app\n(default: those in "+defaultConfigFile+" if there is one, else "+defaultServer+")")
	f.StringVar(&a.conn.configFile, "config", "", "configuration `file` that names the servers: zkd.toml, or ZooKeeper's zoo.cfg")
	f.DurationVar(&a.conn.timeout, "timeout", 10*time.Second, "how long to wait for a server, and for each answer")
	f.DurationVar(&a.conn.sessionTimeout, "session-timeout", 30*time.Second, "how long the session outlives its last connection")
	f.StringArrayVar(&a.conn.auths, "auth", authsOf(os.Getenv("ZKCTL_AUTH")), "identity as `scheme:auth`, like digest:user:password; may be given again\n(default: $ZKCTL_AUTH, which no other user can see)")
	f.Lookup("auth").DefValue = "" // help must not show a secret
	f.BoolVar(&a.json, "json", false, "answer in JSON, an object a line")
	root.AddCommand(commands(a)...)
	root.AddCommand(newExport(a), newImport(a), newFourLetterWord(a))
	return root
}

// commands are those of the command line and of the prompt.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newCreate(a), newGet(a), newSet(a), newStat(a), newLs(a), newTree(a), newDelete(a), newDeleteAll(a),
		newGetACL(a), newSetACL(a), newAddAuth(a), newWhoAmI(a),
		newSetQuota(a), newListQuota(a), newDelQuota(a),
		newAddWatch(a), newRemoveWatches(a), newWatch(a),
		newGetEphemerals(a), newGetAllChildrenNumber(a), newSync(a),
		newConfig(a), newReconfig(a), newVersion(a),
	}
}

func authsOf(variable string) []string {
	if variable == "" {
		return nil
	}
	return strings.Split(variable, "\n")
}

// fromZkCli rewrites the options that zkCli has with one dash, so that its command lines work.
func fromZkCli(args []string) []string {
	long := map[string]string{"-server": "--server", "-add": "--add", "-remove": "--remove", "-members": "--members", "-file": "--file"}
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case arg == "-timeout" && i+1 < len(args): // milliseconds, of the session
			i++
			if n, err := strconv.ParseUint(args[i], 10, 31); err == nil {
				out = append(out, "--session-timeout", (time.Duration(n) * time.Millisecond).String())
				continue
			}
			out = append(out, "--session-timeout", args[i])
		case long[arg] != "":
			out = append(out, long[arg])
		default:
			out = append(out, arg)
		}
	}
	return out
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of the program", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			plain := "zkctl " + version
			if revision != "" {
				plain += " (" + revision + ")"
			}
			return a.emit(struct {
				Version  string `json:"version"`
				Revision string `json:"revision,omitempty"`
				Go       string `json:"go"`
			}{version, revision, runtime.Version()}, fmt.Sprintf("%s, %s\n", plain, runtime.Version()))
		},
	}
}
