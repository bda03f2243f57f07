package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
)

// importing is what import was asked for.
type importing struct {
	myID, dataDir string
	check         bool
}

func newImport() *cobra.Command {
	var i importing
	cmd := &cobra.Command{
		Use:   "import zoo.cfg",
		Short: "Print the zkd.toml that says the same as a zoo.cfg of ZooKeeper",
		Long: `Print the zkd.toml that says the same as a zoo.cfg of ZooKeeper, with an account of what became of each line of it.
The flags of Java in java.env and zookeeper-env.sh beside it, on Debian environment, are taken in, and accounted for, too.
Warnings go to standard error as well. Nothing is written; the data directory and its myid stay where they are.

Exit status: 0 it can be used, 77 a file may not be read, 78 it cannot be used as it is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.BoolVar(&i.check, "check", false, "print the account only")
	f.StringVar(&i.myID, "myid", "", "`file` with the number of this server, in place of myid in the data directory")
	f.StringVar(&i.dataDir, "data", "", "data `directory` for zkd, in place of that of the zoo.cfg")
	return cmd
}

func (i importing) run(cmd *cobra.Command, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return &daemon.Error{Code: codeOfUnreadable(err), Err: err}
	}
	if !config.IsZooCfg(file, text) {
		return daemon.Errorf(daemon.ExitConfig, "%s is no zoo.cfg: it does not end in .cfg or .properties and sets no key of ZooKeeper's", file)
	}
	host := thisHost()
	if host.Env, err = javaEnvs(filepath.Dir(file)); err != nil {
		return &daemon.Error{Code: codeOfUnreadable(err), Err: err}
	}
	if host.MyID = i.myID; i.myID != "" {
		if _, err := os.Stat(i.myID); err != nil {
			return &daemon.Error{Code: codeOfUnreadable(err), Err: err}
		}
	}
	host.DataDir = i.dataDir
	cfg, notices, err := host.Parse(file, text, os.ReadFile)
	if err == nil {
		err = daemon.Supported(cfg)
	}
	for _, n := range notices {
		if n.Severity == config.Warning {
			fmt.Fprintln(cmd.ErrOrStderr(), n)
		}
	}
	switch {
	case i.check:
		if wrong, ok := errors.AsType[config.Errors](err); ok { // they are what became of their lines
			for _, p := range wrong {
				notices = append(notices, config.Notice{Severity: config.Warning, Problem: p})
			}
		}
		fmt.Fprint(cmd.OutOrStdout(), config.ImportReport(file, text, cfg, notices, host.Env...))
	case err == nil:
		fmt.Fprint(cmd.OutOrStdout(), config.Imported(file, text, cfg, notices, host.Env...))
	}
	return err
}

// javaEnvs reads what ZooKeeper's scripts read beside the zoo.cfg.
func javaEnvs(dir string) (all []config.JavaEnv, err error) {
	for _, name := range config.JavaEnvNames() {
		name = filepath.Join(dir, name)
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			continue // as zkEnv.sh does
		}
		text, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			all = append(all, config.JavaEnv{Name: name, Text: text})
		}
	}
	return all, nil
}
