package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/client"
	"zkd/quorum/proto"
)

func newGetACL(a *app) *cobra.Command {
	var withStat bool
	cmd := newPathCommand(a, "getAcl [-s] path", "Print who may do what with a znode", cobra.ExactArgs(1),
		func(ctx context.Context, c *client.Client, path string, _ []string) error {
			acl, stat, err := c.GetACL(ctx, path)
			if err != nil {
				return err
			}
			plain := text.ACL(acl)
			if withStat {
				plain += text.Stat(stat, time.Local)
			}
			return a.emit(nodeJSON{Path: path, ACL: jsonACL(acl), Stat: jsonStat(stat)}, plain)
		})
	cmd.Flags().BoolVarP(&withStat, "stat", "s", false, "print the stat as well")
	return cmd
}

func newSetACL(a *app) *cobra.Command {
	var withStat, recursive bool
	var expected string
	cmd := newPathCommand(a, "setAcl [-s] [-v version] [-R] path acl", "Say who may do what with a znode", cobra.ExactArgs(2),
		func(ctx context.Context, c *client.Client, path string, rest []string) error {
			acl, err := text.ParseACL(rest[0])
			if err != nil {
				return &codedError{code: exitUsage, err: err}
			}
			v, err := parseVersion(expected)
			if err != nil {
				return err
			}
			set := func(path string) error {
				stat, err := c.SetACL(ctx, path, acl, v)
				if err != nil {
					return err
				}
				plain := ""
				if withStat {
					plain = text.Stat(stat, time.Local)
				}
				return a.emit(nodeJSON{Path: path, Stat: jsonStat(stat)}, plain)
			}
			if !recursive {
				return set(path)
			}
			var paths []string // first, for the new ACL may keep us from looking further down
			err = walk(ctx, c, path, nil, func(n *found) error {
				paths = append(paths, n.path)
				return nil
			})
			for i := 0; err == nil && i < len(paths); i++ {
				err = set(paths[i])
			}
			return err
		})
	f := cmd.Flags()
	f.BoolVarP(&withStat, "stat", "s", false, "print the stat")
	f.StringVarP(&expected, "version", "v", "", "write only if the ACL has this `version`")
	f.BoolVarP(&recursive, "recursive", "R", false, "write it to all nodes below, too")
	return cmd
}

func newAddAuth(a *app) *cobra.Command {
	return newCommand(a, "addauth scheme auth", "Add an identity to the session", cobra.RangeArgs(1, 2),
		func(ctx context.Context, args []string) error {
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			secret := ""
			if len(args) == 2 {
				secret = args[1]
			}
			if err := c.AddAuth(ctx, args[0], []byte(secret)); err != nil {
				return err
			}
			a.conn.added = append(a.conn.added, args[0]+":"+secret)
			return nil
		})
}

func newWhoAmI(a *app) *cobra.Command {
	return newCommand(a, "whoami", "Print the identities of the session", cobra.ArbitraryArgs,
		func(ctx context.Context, _ []string) error {
			c, err := a.client(ctx)
			if err != nil {
				return err
			}
			infos, err := c.WhoAmI(ctx)
			if err != nil {
				return err
			}
			return a.emit(jsonIdentities(infos), text.Identities(infos))
		})
}

type identitiesJSON struct {
	Identities []identityJSON `json:"identities"`
}

type identityJSON struct {
	Scheme string `json:"scheme"`
	User   string `json:"user"`
}

func jsonIdentities(infos []proto.ClientInfo) identitiesJSON {
	out := identitiesJSON{make([]identityJSON, len(infos))}
	for i, info := range infos {
		out.Identities[i] = identityJSON{info.Scheme, info.User}
	}
	return out
}
