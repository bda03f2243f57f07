package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"zkd/daemon"
	"zkd/daemon/config"
	"zkd/daemon/socket"
)

// operators is how a command finds the server of this host.
type operators struct{ config, socket string }

func (o *operators) addFlags(commands ...*cobra.Command) {
	for _, c := range commands {
		c.Flags().StringVar(&o.config, "config", "", "configuration `file` of the server (default "+defaultConfigFile+" if there is one)")
		c.Flags().StringVar(&o.socket, "socket", "", "`path` of the server's socket, in place of the configured one")
	}
}

// client returns a client of the server's socket.
func (o *operators) client() (*socket.Client, error) {
	path := o.socket
	if path == "" {
		cfg, err := hostConfig(o.config)
		if err != nil {
			return nil, err
		}
		if path = cfg.SocketPath(); path == "" {
			return nil, daemon.Errorf(daemon.ExitFailure, `the configuration turns the operators' socket off: admin.socket = "off"`)
		}
	}
	return socket.NewClient(path), nil
}

// hostConfig is the configuration of the server on this host: file, or the usual file if there is one, or what a
// server without a configuration has.
func hostConfig(file string) (config.Config, error) {
	if file == "" {
		if _, err := os.Stat(defaultConfigFile); err == nil {
			file = defaultConfigFile
		}
	}
	cfg, _, err := loadConfig(file)
	return cfg, err
}

// explain gives an error of the socket its exit code, and says what it means.
func explain(err error) error {
	if answer, ok := errors.AsType[*socket.Error](err); ok {
		code := map[int]int{http.StatusForbidden: daemon.ExitPermission, http.StatusServiceUnavailable: daemon.ExitNoQuorum}[answer.Code]
		return &daemon.Error{Code: cmp.Or(code, daemon.ExitFailure), Err: err}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return daemon.Errorf(daemon.ExitNotRunning, "no server answers (%w): see zkd status, or name its socket by --config or --socket", err)
	case errors.Is(err, fs.ErrPermission):
		return daemon.Errorf(daemon.ExitPermission, "%w: be root, the user of the server, or a member of its group", err)
	}
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
