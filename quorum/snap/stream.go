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

// ReadStream reads into sink what WriteStream or a ZooKeeper leader wrote, to the signature and
// not a byte further: packets follow on the same connection. It makes a small read per node, so r
// should be buffered. The zxid is in the SNAP packet: it is -1 in Info.
//
// Errors: *CorruptError, also where sink refuses an item or r fails; or that of progress.
func ReadStream(r io.Reader, sink Sink, p Progress) (Info, error) {
	return readStream(r, true, sink, p)
}

// ReadStreamToEnd is ReadStream for an r that ends where the stream does: it is read in large pieces.
func ReadStreamToEnd(r io.Reader, sink Sink, p Progress) (Info, error) {
	return readStream(r, false, sink, p)
}

func readStream(r io.Reader, exact bool, sink Sink, p Progress) (Info, error) {
	info := Info{Zxid: -1}
	d := newDecoder(r, "", sink, nil, p, &info)
	d.exact = exact
	d.body()
	if d.err == nil && d.need(4+len(signature)) {
		if d.intAt(0) != len(signature) || string(d.buf[d.pos+4:d.pos+4+len(signature)]) != signature {
			d.corruptf("the signature %s is missing", signature)
		}
		d.pos += 4 + len(signature)
	}
	info.PlainBytes = d.offset()
	return info, d.err
}
