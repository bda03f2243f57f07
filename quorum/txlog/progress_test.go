package txlog

import (
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// readings is what a progress was told.
type readings []int64

func (r *readings) tell(bytes int64) { *r = append(*r, bytes) }

// check checks that all of size bytes were told of, in pieces of which each is short even on a slow disk.
func (r *readings) check(t *testing.T, what string, size, piece int64) {
	t.Helper()
	at := int64(0)
	for _, bytes := range *r {
		if bytes < at || bytes-at > piece {
			t.Errorf("%s: from %d to %d bytes", what, at, bytes)
		}
		at = bytes
	}
	if at < size {
		t.Errorf("%s: told of %d bytes, %d were read", what, at, size)
	}
}

// What reads whole files says how far it is: Open of the last one, and a reader of what it passes over.
func TestWhoReadsAWholeFileTellsHowFarItIs(t *testing.T) {
	const (
		txns  = 40
		bytes = 100 << 10 // of each txn
		long  = 1 << 20   // the last one
	)
	disk := vfs.NewMem()
	l, _ := mustOpen(t, disk, small)
	defer l.Close()
	for z := zk.Zxid(1); z <= txns; z++ {
		check(t, l.Append(z, payload(z, bytes)))
	}
	check(t, l.Append(txns+1, payload(txns+1, long)))
	check(t, l.Sync())
	crashed := func() *vfs.Mem { return disk.CrashClone(1) } // what is above the mark is read again, and written
	for _, test := range []struct {
		name  string
		cut   int64 // off the end of the file
		bytes int64 // that Open reads at least
	}{
		{"whole", 0, txns*bytes + long},
		{"torn", 1000, txns*bytes + long - 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := crashed()
			if test.cut > 0 {
				b := content(t, disk, fileName(1))
				end := int64(len(fileHeader())) + txns*(bytes+frameSize) + long + frameSize
				put(t, disk, fileName(1), b[:end-test.cut])
			}
			var opened, read readings
			o := small
			o.Progress = opened.tell
			l, rec := mustOpen(t, disk, o)
			defer l.Close()
			opened.check(t, "Open", test.bytes, long+frameSize)
			told := len(opened)

			reader, err := l.Read(rec.Last)
			check(t, err)
			defer reader.Close()
			reader.TellProgress(read.tell)
			zxid, _, err := reader.Next()
			check(t, err)
			if zxid != rec.Last {
				t.Errorf("the reader begins at %v, want %v", zxid, rec.Last)
			}
			read.check(t, "one Next", (txns-1)*bytes, long+frameSize)
			if len(opened) != told {
				t.Error("Options.Progress is told of what a reader reads")
			}
		})
	}
}
