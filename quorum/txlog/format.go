package txlog

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"path"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// The format, frozen by ZooKeeper.
const (
	fileMagic   = 0x5A4B4C47 // "ZKLG"
	fileVersion = 2
	headerBytes = 16

	frameHead = 12 // checksum and length
	frameSize = 13 // with the trailer
	trailer   = 'B'

	minPayload = 32 // a TxnHeader
	zxidOffset = 12 // in the payload
)

const filePrefix = "log."

// fileHeader returns the first 16 bytes of a log file.
func fileHeader() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, headerBytes), fileMagic)
	b = binary.BigEndian.AppendUint32(b, fileVersion)
	return binary.BigEndian.AppendUint64(b, 0)
}

// appendFrame appends payload as one record.
func appendFrame(b, payload []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(adler32.Checksum(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	return append(b, trailer)
}

// payloadZxid returns the zxid of a payload of at least minPayload bytes.
func payloadZxid(payload []byte) zk.Zxid {
	return zk.Zxid(binary.BigEndian.Uint64(payload[zxidOffset:]))
}

// fileName returns the name of the log file that begins with zxid.
func fileName(zxid zk.Zxid) string { return fmt.Sprintf("%s%x", filePrefix, uint64(zxid)) }

// parseName returns the zxid in the name of a log file. ok is false for every other name.
func parseName(name string) (zxid zk.Zxid, ok bool) {
	v, err := strconv.ParseInt(strings.TrimPrefix(name, filePrefix), 16, 64)
	if err != nil || fileName(zk.Zxid(v)) != name {
		return 0, false
	}
	return zk.Zxid(v), true
}

// logFile is one file of the log.
type logFile struct {
	first zk.Zxid // by its name
	// end is where the records of the file end, as far as they are synced; -1 is not known: the
	// file was found by Open, is not the last, and was not scanned.
	end int64
}

func (f logFile) path(dir string) string { return path.Join(dir, fileName(f.first)) }

// listFiles returns the log files of dir in the order of their zxids, and names that look like log
// files to ZooKeeper but not to zkd ("log.5.bak").
func listFiles(fsys vfs.FS, dir string) (files []logFile, strange []string, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("txlog: list %s: %w", dir, err)
	}
	for _, name := range names {
		if first, ok := parseName(name); ok {
			files = append(files, logFile{first: first, end: -1})
		} else if strings.HasPrefix(name, filePrefix) {
			strange = append(strange, name)
		}
	}
	slices.SortFunc(files, func(a, b logFile) int { return cmp.Compare(a.first, b.first) })
	return files, strange, nil
}

// compareFirst orders a file against a zxid, for binary searches by name.
func compareFirst(f logFile, zxid zk.Zxid) int { return cmp.Compare(f.first, zxid) }

// startFile returns the index of the file in which to look for zxid: the last whose name is not
// above it, else the first. -1 if there are no files.
func startFile(files []logFile, zxid zk.Zxid) int {
	i, found := slices.BinarySearchFunc(files, zxid, compareFirst)
	if found || len(files) == 0 {
		return min(i, len(files)-1)
	}
	return max(i-1, 0)
}
