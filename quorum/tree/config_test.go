package tree

import "testing"

func TestTheConfigurationCanBeReadAndIsNotInTheDigest(t *testing.T) {
	tree := New(Options{})
	digest, bytes := tree.Digest(), tree.DataBytes()
	tree.SetConfig([]byte("server.1=h:1:2"), 5, 1000)
	id, ok := tree.Find("/zookeeper/config")
	if !ok || string(tree.Data(id)) != "server.1=h:1:2" {
		t.Fatalf("found %v: %q", ok, tree.Data(id))
	}
	if s := tree.Stat(id); s.Mzxid != 5 || s.MtimeMillis != 1000 || s.Version != -1 {
		t.Errorf("stat %+v", s)
	}
	if tree.Digest() != digest {
		t.Error("the digest changed")
	}
	if got := tree.DataBytes(); got != bytes+14 {
		t.Errorf("%d bytes, before %d", got, bytes)
	}
}
