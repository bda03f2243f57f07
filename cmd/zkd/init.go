package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/quorum/zk"
)

// initiation is what zkd init is told.
type initiation struct {
	file, dataDir   string
	id              int
	client, servers []string
}

func newInit() *cobra.Command {
	var i initiation
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration with comments, the data directory, and the number of the server in it",
		Long: `Write a configuration with comments, make the data directory, and for a member of an ensemble write its number to
data_dir/myid. What is there already stays: a configuration is replaced only if it is the one that the package ships, and
a myid with another number ends the command before anything is written. At the end it says what to run next.

  zkd init --server 1=192.0.2.10 --server 2=192.0.2.11 --server 3=192.0.2.12

is the same on all three hosts: each finds its own address in the list.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			did, err := i.run()
			for _, line := range did {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.file, "config", defaultConfigFile, "configuration `file` to write")
	f.StringVar(&i.dataDir, "data-dir", config.Default().DataDir, "`directory` of the data")
	f.IntVar(&i.id, "id", 0, "`number` of this server, 1 to 254; without it the server is the one with an address of this host")
	f.StringArrayVar(&i.servers, "server", nil, "member of the ensemble as `N=host` or N=host:peer port:election port; once for each")
	f.StringArrayVar(&i.client, "client", nil, "`host:port` for clients; once for each")
	return cmd
}

// run does it and returns a line for each thing done. It looks at everything before it writes anything.
func (i initiation) run() (did []string, err error) {
	dir, err := filepath.Abs(i.dataDir)
	if err != nil {
		return nil, err
	}
	cfg, text, err := i.configuration(dir)
	if err != nil {
		return nil, err
	}
	myid := filepath.Join(dir, "myid")
	replace, err := i.mayWrite()
	if err != nil {
		return nil, err
	}

	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return did, err
		}
		did = append(did, "made "+dir)
	}
	if len(cfg.Servers) > 0 || i.id != 0 {
		err := writeNew(myid, strconv.FormatInt(int64(cfg.ID), 10)+"\n", false)
		switch {
		case errors.Is(err, fs.ErrExist): // with this number
			did = append(did, fmt.Sprintf("kept %s: %d", myid, cfg.ID))
		case err != nil:
			return did, err
		default:
			did = append(did, fmt.Sprintf("wrote %s: %d", myid, cfg.ID))
		}
	}
	if err := os.MkdirAll(filepath.Dir(i.file), 0o755); err != nil {
		return did, err
	}
	// Last: who finds it finds the rest.
	if err := writeNew(i.file, text, replace); err != nil {
		return did, err
	}
	return append(append(did, "wrote "+i.file), i.next(cfg.Servers)...), nil
}

// next are the commands that make a server of what was written, here and on the hosts of the other members, a line each.
// It restarts, for the server of the package's own configuration may be running.
func (i initiation) next(servers []config.Server) []string {
	status, start := "zkd status", "zkd run --config "+quoted(i.file)
	if i.file != defaultConfigFile {
		status += " --config " + quoted(i.file)
	}
	if unit := i.unit(); unit != "" {
		start = fmt.Sprintf("systemctl enable %s && systemctl restart %[1]s", unit)
	}
	if len(servers) < 2 {
		return []string{"next:", "  " + start, "  " + status}
	}
	voters := 0
	for _, s := range servers {
		if !s.Observer {
			voters++
		}
	}
	hosts, number, enough := fmt.Sprintf("each of the other %d hosts", len(servers)-1), "", fmt.Sprintf("%d of %d run", voters/2+1, voters)
	if len(servers) == 2 {
		hosts = "the other host"
	}
	if i.id != 0 {
		number = " and the --id of that host"
	}
	if voters == 2 {
		enough = "both run"
	}
	return []string{"next, on this host:", "  " + start, "  " + status,
		fmt.Sprintf("then on %s: zkd init with the same --server options%s, and these two commands; clients are served as soon as %s", hosts, number, enough)}
}

// unit is what systemd calls the server of the file, "" if it knows none.
func (i initiation) unit() string {
	name, ok := strings.CutSuffix(filepath.Base(i.file), ".toml")
	switch {
	case i.file == defaultConfigFile:
		return "zkd"
	case ok && filepath.Dir(i.file) == filepath.Dir(defaultConfigFile):
		return "zkd@" + name
	}
	return ""
}

// quoted makes one word of a file's name for a shell.
func quoted(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("-_./@", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return name
}

// configuration makes the text and checks it, as if myid were written already.
func (i initiation) configuration(dir string) (config.Config, string, error) {
	want := config.Init{DataDir: dir, Client: i.client, Servers: i.servers, Self: i.id}
	read := func(name string) ([]byte, error) {
		given := strconv.Itoa(i.id)
		text, err := os.ReadFile(name)
		if i.id == 0 || name != filepath.Join(dir, "myid") {
			return text, err
		}
		if line, _, _ := strings.Cut(string(text), "\n"); err == nil && strings.TrimSpace(line) != given {
			return nil, daemon.Errorf(daemon.ExitConfig, "%s says %q, and --id says %s", name, strings.TrimSpace(line), given)
		}
		return []byte(given), nil
	}
	if i.id != 0 { // else the reason would come to light as a file that cannot be read
		if _, err := read(filepath.Join(dir, "myid")); err != nil {
			return config.Config{}, "", err
		}
		if id := zk.ServerID(i.id); id < zk.MinServerID || id > zk.MaxServerID {
			return config.Config{}, "", daemon.Errorf(daemon.ExitConfig, "--id %d: must be from %d to %d", i.id, zk.MinServerID, zk.MaxServerID)
		}
	}
	for _, s := range i.servers {
		if _, _, ok := strings.Cut(s, "="); !ok {
			return config.Config{}, "", daemon.Errorf(daemon.ExitConfig, "--server %s: must be N=host", s)
		}
	}
	cfg, _, err := thisHost().Parse("zkd.toml", []byte(want.Text()), read)
	if err == nil && i.id == 0 { // now it is known who listens
		want.Self = int(cfg.ID)
		cfg, _, err = thisHost().Parse("zkd.toml", []byte(want.Text()), read)
	}
	if err == nil {
		err = daemon.Supported(cfg)
	}
	if wrong, ok := errors.AsType[config.Errors](err); ok && i.id == 0 {
		for n := range wrong {
			if wrong[n].Key == "id" {
				wrong[n].Fix = "give --id"
			}
		}
	}
	return cfg, want.Text(), err
}

// mayWrite reports whether the configuration has to be replaced, which only the one that the package ships may be.
func (i initiation) mayWrite() (replace bool, err error) {
	text, err := os.ReadFile(i.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case string(text) == (config.Init{}).Text():
		return true, nil
	}
	return false, daemon.Errorf(daemon.ExitFailure, "%s is there already; remove it, or name another file with --config", i.file)
}

// writeNew writes a file as a whole or not at all, and to disk. Without replace it must not exist.
func writeNew(name, text string, replace bool) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if replace {
		return os.Rename(f.Name(), name)
	}
	return os.Link(f.Name(), name) // fails where name exists
}
