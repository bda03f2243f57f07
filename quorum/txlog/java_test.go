package txlog

import (
	"errors"
	"slices"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Logs as ZooKeeper leaves them.
func TestTxnsThatZooKeeperLoggedAgainAreSkipped(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]byte
		last  zk.Zxid
	}{
		"in the same file":        {map[string][]byte{"log.1": image(9, 1, 2, 3, 4, 2, 3, 4, 5)}, 5},
		"in the next file":        {map[string][]byte{"log.1": image(9, 1, 2, 3, 4), "log.3": image(9, 3, 4, 5)}, 5},
		"twice":                   {map[string][]byte{"log.1": image(9, 1, 2, 3), "log.2": image(9, 2, 3, 2, 3, 4)}, 4},
		"and killed in between":   {map[string][]byte{"log.1": image(9, 1, 2, 3, 4), "log.3": image(9, 3)}, 4},
		"over two files":          {map[string][]byte{"log.1": image(9, 1, 2), "log.3": image(9, 3, 4), "log.4": image(9, 4, 3, 4, 1, 5)}, 5},
		"with a torn file before": {map[string][]byte{"log.1": image(9, 1, 2, 3, 4)[:700], "log.4": image(9, 4, 5)}, 5},
	} {
		m := vfs.NewMem()
		for file, b := range c.files {
			put(t, m, file, b)
		}
		l, rec, err := Open(m, dir, small)
		if err != nil || rec.Last != c.last {
			t.Errorf("%s: recovery %+v, %v", name, rec, err)
			continue
		}
		expect(t, l, 1, c.last)
		for to := c.last - 1; to >= 3; to-- {
			check(t, l.Truncate(to))
			expect(t, l, 1, to)
		}
		add(t, l, l.Last()+1, l.Last()+3)
		check(t, l.Close())
		l, rec = mustOpen(t, m, small)
		expect(t, l, 1, rec.Last)
	}
}

func TestTheSameZxidWithOtherContentsIsDamage(t *testing.T) {
	other := func(z zk.Zxid) []byte { return appendFrame(nil, payload(z, sizeOf(z)+1)) }
	for name, files := range map[string]map[string][]byte{
		"in the same file":   {"log.1": append(image(0, 1, 2, 3), other(2)...)},
		"in the next file":   {"log.1": image(9, 1, 2, 3), "log.2": append(append(fileHeader(), other(2)...), image(0, 3, 4)[headerBytes:]...)},
		"before the history": {"log.5": image(9, 5, 6, 2)},
	} {
		m := vfs.NewMem()
		for file, b := range files {
			put(t, m, file, b)
		}
		l, _, err := Open(m, dir, small)
		if err == nil {
			_, err = readFrom(t, l, 1)
		}
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ZooKeeper does not cut a torn tail: it goes on in the next file.
func TestATornTailInAnOlderFileLosesNothingIfTheNextGoesOn(t *testing.T) {
	torn := image(0, 1, 2, 3, 4)
	torn = torn[:len(torn)-20]
	m := vfs.NewMem()
	put(t, m, "log.1", append(torn, make([]byte, 1000)...))
	put(t, m, "log.4", image(1000, 4, 5))
	l, _ := mustOpen(t, m, small)
	expect(t, l, 1, 5)

	m = vfs.NewMem()
	put(t, m, "log.1", torn)
	put(t, m, "log.5", image(1000, 5))
	l, _ = mustOpen(t, m, small)
	var corrupt *CorruptError
	if got, err := readFrom(t, l, 1); !errors.As(err, &corrupt) || !slices.Equal(got, sequence(1, 3)) {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestNamesThatAreNoLogsArePassedOver(t *testing.T) {
	m := vfs.NewMem()
	put(t, m, "log.1", image(10, 1, 2))
	for _, name := range []string{"log.5.bak", "log.", "log.xyz", "log.0005", "log.-3", "snapshot.7", "acceptedEpoch", "zkd.next", "logs.9"} {
		put(t, m, name, image(10, 5))
	}
	l, rec := mustOpen(t, m, small)
	if rec.Last != 2 || len(rec.EmptyFilesRemoved) != 0 {
		t.Errorf("recovery %+v", rec)
	}
	expect(t, l, 1, 2)
	add(t, l, 3, 4)
	expect(t, l, 1, 4)
}

func TestEpochsFollowEachOther(t *testing.T) {
	m := vfs.NewMem()
	put(t, m, "log.100000001", image(5000, 0x100000001, 0x100000002))
	put(t, m, "log.300000001", image(5000, 0x300000001, 0x300000002, 0x500000001))
	l, rec := mustOpen(t, m, small)
	if rec.Last != 0x500000001 {
		t.Errorf("recovery %+v", rec)
	}
	if got, err := readFrom(t, l, 0x100000002); err != nil || len(got) != 4 {
		t.Errorf("read %v, %v", got, err)
	}
}
