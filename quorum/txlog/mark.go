package txlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// mark says how far the log was known to be durable when it was written. Everything before it was
// on the disk, so damage there is no torn tail; and a log that ends before it has lost something.
//
// The file zkd.mark has two slots, at 0 and 4096, which are overwritten in turn: a torn write loses
// the newer one only. A slot:
//
//	magic    4  "ZKDM"
//	version  4  1
//	seq      8  the valid slot with the higher one counts
//	flags    4  1: a zkd has the log open, or crashed with it open; 2: see GiveUp
//	file     8  zxid in the name of the file that was written last, 0 for none
//	offset   8  where its durable records end
//	zxid     8  of the last durable record
//	crc      4  CRC-32 (IEEE) of the 44 bytes before
type mark struct {
	open    bool
	givenUp bool
	file    zk.Zxid
	offset  int64
	zxid    zk.Zxid
}

// MarkName is the name of the mark's file.
const MarkName = "zkd.mark"

const (
	markMagic   = 0x5A4B444D
	markVersion = 1
	markBytes   = 48
	markSlot    = 4096
	markOpen    = 1
	markGivenUp = 2
)

func (m mark) encode(seq uint64) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, markBytes), markMagic)
	b = binary.BigEndian.AppendUint32(b, markVersion)
	b = binary.BigEndian.AppendUint64(b, seq)
	flags := uint32(0)
	if m.open {
		flags = markOpen
	}
	if m.givenUp {
		flags |= markGivenUp
	}
	b = binary.BigEndian.AppendUint32(b, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(m.file))
	b = binary.BigEndian.AppendUint64(b, uint64(m.offset))
	b = binary.BigEndian.AppendUint64(b, uint64(m.zxid))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func decodeMark(b []byte) (m mark, seq uint64, ok bool) {
	if len(b) < markBytes || binary.BigEndian.Uint32(b) != markMagic ||
		binary.BigEndian.Uint32(b[4:]) != markVersion ||
		binary.BigEndian.Uint32(b[44:]) != crc32.ChecksumIEEE(b[:44]) {
		return mark{}, 0, false
	}
	return mark{
		open:    binary.BigEndian.Uint32(b[16:])&markOpen != 0,
		givenUp: binary.BigEndian.Uint32(b[16:])&markGivenUp != 0,
		file:    zk.Zxid(binary.BigEndian.Uint64(b[20:])),
		offset:  int64(binary.BigEndian.Uint64(b[28:])),
		zxid:    zk.Zxid(binary.BigEndian.Uint64(b[36:])),
	}, binary.BigEndian.Uint64(b[8:]), true
}

// readMark returns the mark of a log directory. ok is false if there is none that can be read: the
// log was written by ZooKeeper, or the mark is damaged.
func readMark(fsys vfs.FS, dir string) (m mark, seq uint64, ok bool, err error) {
	f, err := fsys.Open(path.Join(dir, MarkName))
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, 0, false, nil
	}
	if err != nil {
		return mark{}, 0, false, fmt.Errorf("txlog: open mark: %w", err)
	}
	defer f.Close()
	for slot := range int64(2) {
		b, err := readAt(f, make([]byte, markBytes), slot*markSlot)
		if err != nil {
			return mark{}, 0, false, err
		}
		if got, gotSeq, valid := decodeMark(b); valid && (!ok || gotSeq > seq) {
			m, seq, ok = got, gotSeq, true
		}
	}
	return m, seq, ok, nil
}

// markWriter writes marks, each with one write and one fdatasync into allocated blocks.
type markWriter struct {
	f   vfs.File
	seq uint64
}

// openMark opens the mark file for writing, or makes it. seq is that of the mark read from it.
func openMark(fsys vfs.FS, dir string, seq uint64) (*markWriter, error) {
	name := path.Join(dir, MarkName)
	f, err := fsys.OpenReadWrite(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.Create(name)
	}
	if err != nil {
		return nil, fmt.Errorf("txlog: open mark: %w", err)
	}
	err = f.Allocate(0, 2*markSlot)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("txlog: make mark: %w", err), f.Close())
	}
	return &markWriter{f, seq}, nil
}

func (w *markWriter) write(m mark) error {
	w.seq++
	_, err := w.f.WriteAt(m.encode(w.seq), int64(w.seq%2)*markSlot)
	if err == nil {
		err = w.f.Datasync()
	}
	if err != nil {
		return fmt.Errorf("txlog: write mark: %w", err)
	}
	return nil
}
