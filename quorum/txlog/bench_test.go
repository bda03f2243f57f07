package txlog

import (
	"encoding/binary"
	"os"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

const benchBytes = 200

// BenchmarkSync is one txn of 200 bytes appended and made durable.
func BenchmarkSync(b *testing.B) {
	l, _, err := Open(vfs.OS(), b.TempDir(), Options{PreallocBytes: 64 << 20})
	check(b, err)
	txn := payload(1, benchBytes)
	z := zk.Zxid(0)
	b.ReportAllocs()
	for b.Loop() {
		z++
		binary.BigEndian.PutUint64(txn[zxidOffset:], uint64(z))
		check(b, l.Append(z, txn))
		check(b, l.Sync())
	}
	check(b, l.Close())
}

// BenchmarkGrowingFile is what BenchmarkSync is measured against: write and fdatasync at the end of
// a file.
func BenchmarkGrowingFile(b *testing.B) {
	f, err := vfs.OS().Create(b.TempDir() + "/naive")
	check(b, err)
	txn := appendFrame(nil, payload(1, benchBytes))
	for b.Loop() {
		_, err := f.Write(txn)
		check(b, err)
		check(b, f.Datasync())
	}
	check(b, f.Close())
}

// BenchmarkAppend is the part of a write that happens in memory.
func BenchmarkAppend(b *testing.B) {
	l, _, err := Open(vfs.NewMem(), dir, Options{NoSync: true, Inline: true})
	check(b, err)
	txn := payload(1, benchBytes)
	z := zk.Zxid(0)
	b.ReportAllocs()
	for b.Loop() {
		z++
		binary.BigEndian.PutUint64(txn[zxidOffset:], uint64(z))
		check(b, l.Append(z, txn))
		if z%1000 == 0 {
			l.mu.Lock()
			l.pending[0].buf = l.pending[0].buf[:0]
			l.mu.Unlock()
		}
	}
}

// BenchmarkRead is the speed of recovery.
func BenchmarkRead(b *testing.B) {
	where := b.TempDir()
	file := fileHeader()
	const txns = 200000
	for z := zk.Zxid(1); z <= txns; z++ {
		file = appendFrame(file, payload(z, benchBytes))
	}
	check(b, os.WriteFile(where+"/log.1", file, 0o600))
	l, _, err := Open(vfs.OS(), where, Options{})
	check(b, err)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		r, err := l.Read(1)
		check(b, err)
		for range txns {
			if _, _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
		check(b, r.Close())
	}
	check(b, l.Close())
}
