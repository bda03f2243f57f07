package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/proto"
)

func newSync(a *app) *cobra.Command {
	return newPathCommand(a, "sync path", "Wait until the server has caught up with the ensemble", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			if err := c.Sync(ctx, path); err != nil {
				return err
			}
			return a.emit(nodeJSON{Path: path}, "Sync is OK\n")
		})
}

func newGetEphemerals(a *app) *cobra.Command {
	return newCommand(a, "getEphemerals [path]", "List the ephemeral znodes of this session", cobra.MaximumNArgs(1),
		func(ctx context.Context, args []string) error {
			prefix := "/"
			if len(args) == 1 {
				prefix = args[0]
			}
			if err := checkPath(prefix); err != nil {
				return err
			}
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			paths, err := c.Ephemerals(ctx, prefix)
			if err != nil {
				return err
			}
			if paths == nil {
				paths = []string{}
			}
			return a.emit(struct {
				Ephemerals []string `json:"ephemerals"`
			}{paths}, text.List(paths))
		})
}

func newGetAllChildrenNumber(a *app) *cobra.Command {
	return newPathCommand(a, "getAllChildrenNumber path", "Count the znodes below a path", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			n, err := c.AllChildrenNumber(ctx, path)
			if err != nil {
				return err
			}
			return a.emit(struct {
				Path  string `json:"path"`
				Count int32  `json:"count"`
			}{path, n}, fmt.Sprintf("%d\n", n))
		})
}

func newConfig(a *app) *cobra.Command {
	var clients, watch, withStat bool
	cmd := newCommand(a, "config [-c] [-w] [-s]", "Print the membership of the ensemble", cobra.ArbitraryArgs,
		func(ctx context.Context, _ []string) error {
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			data, stat, err := c.Configuration(ctx, watch)
			if err != nil {
				return err
			}
			plain := string(data)
			if clients {
				plain = clientConfig(plain)
			}
			return a.emitConfig(plain, stat, withStat)
		})
	f := cmd.Flags()
	f.BoolVarP(&clients, "clients", "c", false, "print version and client ports only")
	f.BoolVarP(&watch, "watch", "w", false, "watch it for one change")
	f.BoolVarP(&withStat, "stat", "s", false, "print the stat as well")
	return cmd
}

func (a *app) emitConfig(config string, stat proto.Stat, withStat bool) error {
	plain := config + "\n"
	if withStat {
		plain += text.Stat(stat, time.Local)
	}
	return a.emit(struct {
		Config string    `json:"config"`
		Stat   *statJSON `json:"stat"`
	}{config, jsonStat(stat)}, plain)
}

// clientConfig reduces a membership to "version host:port,host:port", the connection string of its clients.
// Source: ConfigUtils.getClientConfigStr.
func clientConfig(config string) string {
	var ports []string
	version := ""
	for line := range strings.Lines(config) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "version" {
			version = value
		}
		member, at, ok := strings.Cut(value, ";")
		if !strings.HasPrefix(key, "server.") || !ok {
			continue
		}
		host, port, err := net.SplitHostPort(at)
		if err != nil { // a port alone
			host, port = "", at
		}
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			host = memberHost(member)
		}
		ports = append(ports, net.JoinHostPort(host, port))
	}
	return version + " " + strings.Join(ports, ",")
}

// memberHost is the host in "host:port:port:role", or in the first of several with bars between them.
func memberHost(member string) string {
	if inner, ok := strings.CutPrefix(member, "["); ok {
		host, _, _ := strings.Cut(inner, "]")
		return host
	}
	host, _, _ := strings.Cut(member, ":")
	return host
}

func newReconfig(a *app) *cobra.Command {
	var add, remove, members []string
	var file, from string
	var withStat bool
	cmd := newCommand(a, "reconfig [-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | "+
		"[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]", "Change the membership of the ensemble", cobra.NoArgs,
		func(ctx context.Context, _ []string) error {
			version := int64(-1)
			if from != "" {
				n, err := strconv.ParseInt(from, 16, 64)
				if err != nil {
					return usagef("version %q is no hexadecimal number", from)
				}
				version = n
			}
			if file != "" {
				listed, err := membersOf(file)
				if err != nil {
					return err
				}
				members = append(members, listed...)
			}
			switch {
			case len(members) > 0 && len(add)+len(remove) > 0:
				return theirsf(exitUsage, "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)")
			case len(members)+len(add)+len(remove) == 0:
				return usagef("no change is given")
			}
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			config, stat, err := c.Reconfig(ctx, strings.Join(add, ","), strings.Join(remove, ","), strings.Join(members, ","), version)
			if err != nil {
				return err
			}
			if !a.json {
				a.printf("Committed new configuration:\n")
			}
			return a.emitConfig(string(config), stat, withStat)
		})
	f := cmd.Flags()
	f.StringSliceVar(&add, "add", nil, "`members` that join or change: server.id=host:port:port[:role];[host:]port,...")
	f.StringSliceVar(&remove, "remove", nil, "`ids` of members that leave")
	f.StringSliceVar(&members, "members", nil, "all `members` of the new ensemble")
	f.StringVar(&file, "file", "", "`file` with all members of the new ensemble, a line each")
	f.StringVarP(&from, "version", "v", "", "change only if the membership has this `version`, in hexadecimal")
	f.BoolVarP(&withStat, "stat", "s", false, "print the stat as well")
	return cmd
}

// membersOf reads the lines server.N=... of a file.
func membersOf(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reconfig: %w", err)
	}
	var members []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "server.") {
			members = append(members, line)
		}
	}
	if len(members) == 0 {
		return nil, failf(exitConfig, "reconfig: %s has no line server.N=", file)
	}
	return members, nil
}

func newFourLetterWord(a *app) *cobra.Command {
	return newCommand(a, "4lw word", "Send a four-letter word and print the answer", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			if len(args[0]) != 4 {
				return usagef("%q has not four letters", args[0])
			}
			servers, _, err := a.conn.targets()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, a.conn.timeout)
			defer cancel()
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", servers[0])
			if err != nil {
				return &codedError{code: exitUnavailable, err: err}
			}
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			if _, err := io.WriteString(conn, args[0]); err != nil {
				return &codedError{code: exitUnavailable, err: err}
			}
			answer, err := io.ReadAll(conn)
			if err != nil {
				return &codedError{code: exitUnavailable, err: err}
			}
			plain := string(answer)
			if !strings.HasSuffix(plain, "\n") && plain != "" {
				plain += "\n"
			}
			return a.emit(struct {
				Word   string `json:"word"`
				Answer string `json:"answer"`
			}{args[0], string(answer)}, plain)
		})
}
