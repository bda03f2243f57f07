package snap

import (
	"io"

	"zkd/quorum/jute"
)

// WriteStream writes src to w as a leader sends it behind a SNAP packet: sections B, C and D and
// the signature, without header, checksums or digest.
func WriteStream(w io.Writer, src Source, p Progress) error {
	e := newEncoder(w, nil, p)
	if err := e.body(src); err != nil {
		return err
	}
	e.chunk = jute.AppendString(e.chunk, signature)
	return e.flush()
}

// ReadStream reads into sink what WriteStream or a ZooKeeper leader wrote. It reads r in large pieces,
// to its end, which must be that of the stream: quorum/peer sees to that. The zxid is in the SNAP
// packet: it is -1 in Info.
//
// Errors: *CorruptError, also where sink refuses an item or r fails; or that of progress.
func ReadStream(r io.Reader, sink Sink, p Progress) (Info, error) {
	info := Info{Zxid: -1}
	d := newDecoder(r, "", sink, nil, p, &info)
	d.body()
	if d.err == nil && d.need(4+len(signature)) {
		if d.intAt(0) != len(signature) || string(d.buf[d.pos+4:d.pos+4+len(signature)]) != signature {
			d.corruptf("the signature %s is missing", signature)
		}
		d.pos += 4 + len(signature)
	}
	if d.err == nil && d.rest() > 0 {
		d.corruptf("%d bytes and perhaps more behind the signature", d.end-d.pos)
	}
	info.PlainBytes = d.offset()
	return info, d.err
}
