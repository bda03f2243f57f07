package snap

import (
	"cmp"
	"fmt"
	"path"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// flat is a tree of a root and children with 100 bytes each, made up on the way.
type flat int

func (flat) Zxid() zk.Zxid  { return 1 }
func (flat) Digest() uint64 { return 1 }

func (flat) Sessions(func(zk.SessionID, int32) error) error { return nil }
func (flat) ACLs(func(int64, []proto.ACL) error) error      { return nil }
func (n flat) Nodes(f func(path, data []byte, aclID int64, stat *proto.StatPersisted) error) error {
	stat := proto.StatPersisted{}
	if err := f(nil, nil, OpenACLID, &stat); err != nil {
		return err
	}
	data, name := noise(100), make([]byte, 0, 32)
	for i := range int(n) {
		stat.Czxid = zk.Zxid(i)
		name = fmt.Appendf(name[:0], "/node-%08d", i)
		if err := f(name, data, OpenACLID, &stat); err != nil {
			return err
		}
	}
	return nil
}

// counting is a sink that keeps nothing.
type counting struct{ nodes int }

func (*counting) Session(zk.SessionID, int32)  {}
func (*counting) ACL(int64, []proto.ACL) error { return nil }
func (c *counting) Node(_, _ []byte, _ int64, _ *proto.StatPersisted) error {
	c.nodes++
	return nil
}

const benchNodes = 200_000

func BenchmarkSave(b *testing.B) {
	for _, c := range compressions {
		b.Run(string(cmp.Or(c, "plain")), func(b *testing.B) {
			dir := b.TempDir()
			b.ReportAllocs()
			for b.Loop() {
				info, err := Save(vfs.OS(), dir, flat(benchNodes), Options{Compression: c})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(info.PlainBytes)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, c := range compressions {
		b.Run(string(cmp.Or(c, "plain")), func(b *testing.B) {
			dir := b.TempDir()
			info, err := Save(vfs.OS(), dir, flat(benchNodes), Options{Compression: c})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(info.PlainBytes)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := LoadInto(vfs.OS(), path.Join(dir, info.Name), &counting{}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
