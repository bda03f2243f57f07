package snap

import (
	"os"
	"path"
	"testing"

	"zkd/quorum/tree"
	"zkd/quorum/vfs"
)

// The tree is what is saved and loaded in service.
var (
	_ Source = (*tree.View)(nil)
	_ Sink   = (*tree.Loader)(nil)
)

func TestTreeTakesOverARecordedSnapshotAndGivesItBack(t *testing.T) {
	for _, dir := range recordings {
		loader, info, _, err := Load(vfs.OS(), dir, func() *tree.Loader {
			return tree.NewLoader(tree.Options{ExtendedTypes: true})
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := loader.Finish(info.Zxid)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Digest() != info.Digest {
			t.Errorf("%s: the tree has the digest %#x, the snapshot %#x", dir, loaded.Digest(), info.Digest)
		}
		view := loaded.Freeze()
		disk := vfs.NewMem()
		_, err = Save(disk, "/", view, Options{Compression: Snappy})
		view.Release()
		if err != nil {
			t.Fatal(err)
		}
		again, _, _, err := Load(disk, "/", newState, nil)
		if err != nil {
			t.Fatal(err)
		}
		listing, err := os.ReadFile(path.Join(dir, "listing.txt"))
		if err != nil {
			t.Fatal(err)
		}
		if got := again.listing(); got != string(listing) {
			t.Errorf("%s: got\n%s\nlisted\n%s", dir, got, listing)
		}
	}
}
