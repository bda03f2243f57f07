package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// input is the data that a command writes: an argument, or what --from names.
type input struct {
	from   string
	base64 bool
}

func (in *input) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.from, "from", "", "`file` with the data, - for standard input")
	cmd.Flags().BoolVarP(&in.base64, "base64", "b", false, "the data is given in base64")
}

// read returns the data; nil is none. argument is nil where there is none.
func (in *input) read(stdin io.Reader, argument *string) (data []byte, err error) {
	switch {
	case in.from != "" && argument != nil:
		return nil, usagef("data is given twice: as an argument and by --from")
	case in.from == "-":
		data, err = io.ReadAll(stdin)
	case in.from != "":
		data, err = os.ReadFile(in.from)
	case argument == nil:
		return nil, nil
	default:
		data = []byte(*argument)
	}
	if err != nil || !in.base64 {
		return data, err
	}
	decoded, err := base64.StdEncoding.DecodeString(string(data))
	if err != nil {
		return nil, usagef("data is no base64: %w", err)
	}
	return decoded, nil
}

// first returns a pointer to the first argument, or nil.
func first(args []string) *string {
	if len(args) == 0 {
		return nil
	}
	return &args[0]
}

func newCreate(a *app) *cobra.Command {
	var sequential, ephemeral, container bool
	var ttl string
	var in input
	check := func(path string) error {
		if sequential { // the server appends a number, so that the name may be empty
			path += "1"
		}
		return checkPath(path)
	}
	cmd := newCheckedCommand(a, "create [-s] [-e] [-c] [-t ttl] path [data] [acl]", "Create a znode", cobra.RangeArgs(1, 3), check,
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			mode, ttlMillis, err := createMode(sequential, ephemeral, container, ttl)
			if err != nil {
				return err
			}
			argument, acl := first(rest), proto.OpenACL
			if in.from != "" && len(rest) == 1 { // the data is in the file, so this is the ACL
				argument, rest = nil, []string{"", rest[0]}
			}
			if len(rest) == 2 {
				if acl, err = text.ParseACL(rest[1]); err != nil {
					return &codedError{code: exitUsage, err: err}
				}
			}
			data, err := in.read(a.stdin, argument)
			if err != nil {
				return err
			}
			created, stat, err := c.Create(ctx, path, data, acl, mode, ttlMillis)
			if err != nil {
				return err
			}
			return a.emit(nodeJSON{Path: created, Stat: jsonStat(stat)}, "Created "+created+"\n")
		})
	f := cmd.Flags()
	f.BoolVarP(&sequential, "sequential", "s", false, "append a number to the name")
	f.BoolVarP(&ephemeral, "ephemeral", "e", false, "the node goes with this session")
	f.BoolVarP(&container, "container", "c", false, "the node goes with its last child")
	f.StringVarP(&ttl, "ttl", "t", "", "the node goes this many `milliseconds` after its last change if it has no children")
	in.flags(cmd)
	return cmd
}

// createMode puts the flags of create together.
func createMode(sequential, ephemeral, container bool, ttl string) (mode zk.CreateMode, ttlMillis int64, err error) {
	if container && (sequential || ephemeral) {
		return 0, 0, theirsf(exitUsage, "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.")
	}
	if ttl != "" {
		if ttlMillis, err = parseInt(ttl, "-t argument must be a long value"); err != nil {
			return 0, 0, err
		}
		switch {
		case ephemeral:
			return 0, 0, theirsf(exitUsage, "TTLs cannot be used with Ephemeral znodes")
		case container:
			return 0, 0, theirsf(exitUsage, "TTLs cannot be used with Container znodes")
		case ttlMillis <= 0 || ttlMillis > zk.MaxTTLMillis:
			return 0, 0, theirsf(exitUsage, "ttl must be positive and cannot be larger than: %d", zk.MaxTTLMillis)
		case sequential:
			return zk.ModePersistentSequentialTTL, ttlMillis, nil
		}
		return zk.ModePersistentTTL, ttlMillis, nil
	}
	switch {
	case container:
		return zk.ModeContainer, 0, nil
	case ephemeral && sequential:
		return zk.ModeEphemeralSequential, 0, nil
	case ephemeral:
		return zk.ModeEphemeral, 0, nil
	case sequential:
		return zk.ModePersistentSequential, 0, nil
	}
	return zk.ModePersistent, 0, nil
}

func newGet(a *app) *cobra.Command {
	var withStat, watch, asBase64, asHex, raw bool
	cmd := newPathCommand(a, "get [-s] [-w] [-b] [-x] path", "Print the data of a znode", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			watch = a.oldWatch("get [-s] [-w]", rest) || watch
			data, stat, err := c.Get(ctx, path, watch)
			if err != nil {
				return err
			}
			d := jsonData(data)
			var plain string
			switch {
			case raw:
				plain = string(data)
			case data == nil:
				plain = "null\n"
			case asBase64:
				plain = base64.StdEncoding.EncodeToString(data) + "\n"
			case asHex:
				plain = text.Hexdump(data)
			default:
				plain = string(data) + "\n"
			}
			if withStat {
				plain += text.Stat(stat, time.Local)
			}
			return a.emit(nodeJSON{Path: path, dataJSON: &d, Stat: jsonStat(stat)}, plain)
		})
	f := cmd.Flags()
	f.BoolVarP(&withStat, "stat", "s", false, "print the stat as well")
	f.BoolVarP(&watch, "watch", "w", false, "watch the node for one change")
	f.BoolVarP(&asBase64, "base64", "b", false, "print the data in base64")
	f.BoolVarP(&asHex, "hex", "x", false, "print the data as a hexadecimal dump")
	f.BoolVar(&raw, "raw", false, "print the data as it is, without a line feed behind it")
	return cmd
}

func newSet(a *app) *cobra.Command {
	var withStat bool
	var expected string
	var in input
	cmd := newPathCommand(a, "set path data [-s] [-v version] [-b]", "Write the data of a znode", cobra.RangeArgs(1, 3),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			if len(rest) == 0 && in.from == "" {
				return usagef("no data: give it as an argument or by --from")
			}
			if len(rest) == 2 {
				a.old("set path data [version]", "set [-s] [-v version] path data")
				rest, expected = rest[:1], rest[1]
			}
			v, err := parseVersion(expected)
			if err != nil {
				return err
			}
			data, err := in.read(a.stdin, first(rest))
			if err != nil {
				return err
			}
			stat, err := c.Set(ctx, path, data, v)
			if err != nil {
				return err
			}
			plain := ""
			if withStat {
				plain = text.Stat(stat, time.Local)
			}
			return a.emit(nodeJSON{Path: path, Stat: jsonStat(stat)}, plain)
		})
	cmd.Flags().BoolVarP(&withStat, "stat", "s", false, "print the stat")
	cmd.Flags().StringVarP(&expected, "version", "v", "", "write only if the data has this `version`")
	in.flags(cmd)
	return cmd
}

func newStat(a *app) *cobra.Command {
	var watch bool
	cmd := newPathCommand(a, "stat [-w] path", "Print the stat of a znode", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			watch = a.oldWatch("stat [-w]", rest) || watch
			stat, err := c.Exists(ctx, path, watch)
			if err != nil {
				return err
			}
			return a.emit(nodeJSON{Path: path, Stat: jsonStat(stat)}, text.Stat(stat, time.Local))
		})
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "watch the node for one change, also one that is not there")
	return cmd
}

func newDelete(a *app) *cobra.Command {
	var expected string
	cmd := newPathCommand(a, "delete [-v version] path", "Remove a znode without children", cobra.RangeArgs(1, 2),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			if len(rest) == 1 {
				a.old("delete path [version]", "delete [-v version] path")
				expected = rest[0]
			}
			v, err := parseVersion(expected)
			if err != nil {
				return err
			}
			if err := c.Delete(ctx, path, v); err != nil {
				return err
			}
			return a.emit(deletedJSON{path, 1}, "")
		})
	cmd.Flags().StringVarP(&expected, "version", "v", "", "remove only if the data has this `version`")
	return cmd
}

type deletedJSON struct {
	Path    string `json:"path"`
	Deleted int    `json:"deleted"`
}

// old tells about a form that ZooKeeper's command line had before options.
func (a *app) old(form, now string) {
	fmt.Fprintf(a.stderr, "'%s' has been deprecated. Please use '%s' instead.\n", form, now)
}

// oldWatch reports whether rest has the word that once asked for a watch.
func (a *app) oldWatch(now string, rest []string) bool {
	if len(rest) == 0 {
		return false
	}
	var verb string
	fmt.Sscan(now, &verb)
	a.old(verb+" path [watch]", now+" path")
	return true
}
