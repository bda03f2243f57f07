package snap

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
)

// A snappy snapshot is framed as Java's snappy library does it (SnappyOutputStream):
//
//	82 'S' 'N' 'A' 'P' 'P' 'Y' 00   int 1 (version)   int 1 (oldest version that can read it)
//	(int length, snappy block of that length) *       each of 32 KiB of plain bytes, the last of fewer
const (
	xerialMagic   = "\x82SNAPPY\x00"
	xerialVersion = 1
	xerialBlock   = 32 << 10
	// maxXerialBlock bounds a block read, compressed and plain; writers can be set to other sizes.
	maxXerialBlock = 32 << 20

	gzipMagic = "\x1f\x8b"
	// gzipLevel is the fastest: the disk and the readers wait for the writer, not for the last
	// percent.
	gzipLevel = gzip.BestSpeed
)

// compressor returns a writer that compresses into w. Closing it ends the format and leaves w open.
func compressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case Plain:
		return plainWriter{w}, nil
	case Gzip:
		return gzip.NewWriterLevel(w, gzipLevel)
	case Snappy:
		return &xerialWriter{w: w, plain: make([]byte, 0, xerialBlock)}, nil
	}
	return nil, fmt.Errorf("snap: unknown compression %q", string(c))
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// decompressor returns a reader of the plain bytes behind r, and which compression r's first bytes
// show. r is read through a buffer where the compression needs one.
func decompressor(r io.Reader) (io.Reader, Compression, error) {
	start := make([]byte, len(xerialMagic))
	got, err := io.ReadFull(r, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, Plain, err
	}
	start = start[:got]
	r = io.MultiReader(bytes.NewReader(start), r)
	switch {
	case bytes.HasPrefix(start, []byte(gzipMagic)):
		plain, err := gzip.NewReader(bufio.NewReaderSize(r, chunkBytes))
		return plain, Gzip, err
	case string(start) == xerialMagic:
		plain, err := newXerialReader(bufio.NewReaderSize(r, chunkBytes))
		return plain, Snappy, err
	}
	return r, Plain, nil // the decoder looks at the magic
}

// xerialWriter writes the framing, block by block.
type xerialWriter struct {
	w       io.Writer
	started bool
	plain   []byte // of the block to come
	out     []byte
}

func (x *xerialWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n := min(len(p)-written, xerialBlock-len(x.plain))
		x.plain = append(x.plain, p[written:written+n]...)
		written += n
		if len(x.plain) == xerialBlock {
			if err := x.block(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// block writes the header if it is the first block, and what plain holds if it is not empty.
func (x *xerialWriter) block() error {
	x.out = x.out[:0]
	if !x.started {
		x.started = true
		x.out = append(x.out, xerialMagic...)
		x.out = binary.BigEndian.AppendUint32(x.out, xerialVersion)
		x.out = binary.BigEndian.AppendUint32(x.out, xerialVersion)
	}
	if len(x.plain) > 0 {
		at := len(x.out)
		x.out = append(x.out, make([]byte, 4+snappy.MaxEncodedLen(len(x.plain)))...)
		block := snappy.Encode(x.out[at+4:], x.plain)
		binary.BigEndian.PutUint32(x.out[at:], uint32(len(block)))
		x.out = x.out[:at+4+len(block)]
		x.plain = x.plain[:0]
	}
	_, err := x.w.Write(x.out)
	return err
}

// Close writes the last block.
func (x *xerialWriter) Close() error { return x.block() }

// xerialReader reads the framing.
type xerialReader struct {
	r     io.Reader
	in    []byte // space for a compressed block
	out   []byte // space for a plain block
	plain []byte // what is left of the current block
}

func newXerialReader(r io.Reader) (*xerialReader, error) {
	header := make([]byte, len(xerialMagic)+8)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	if oldest := binary.BigEndian.Uint32(header[len(xerialMagic)+4:]); oldest > xerialVersion {
		return nil, fmt.Errorf("snappy framing needs a reader of version %d", oldest)
	}
	return &xerialReader{r: r}, nil
}

func (x *xerialReader) Read(p []byte) (int, error) {
	for len(x.plain) == 0 {
		if err := x.block(); err != nil {
			return 0, err
		}
	}
	n := copy(p, x.plain)
	x.plain = x.plain[n:]
	return n, nil
}

func (x *xerialReader) block() error {
	var prefix [4]byte
	if _, err := io.ReadFull(x.r, prefix[:]); err != nil {
		return err // io.EOF between blocks is the end
	}
	length := binary.BigEndian.Uint32(prefix[:])
	if length > maxXerialBlock {
		return fmt.Errorf("snappy block of %d bytes", length)
	}
	x.in = resize(x.in, int(length))
	if _, err := io.ReadFull(x.r, x.in); err != nil {
		return noEOF(err)
	}
	plainBytes, err := snappy.DecodedLen(x.in)
	if err != nil {
		return fmt.Errorf("snappy block: %w", err)
	}
	// A snappy copy stands for 64 bytes at most and takes 2, so a longer length is a forged one.
	if plainBytes > maxXerialBlock || plainBytes > 64*len(x.in) {
		return fmt.Errorf("snappy block of %d plain bytes in %d", plainBytes, length)
	}
	x.out = resize(x.out, plainBytes)
	// Strict, because what only this library's extensions can decode, Java could not have written.
	x.plain, err = snappy.DecodeStrict(x.out, x.in)
	if err != nil {
		return fmt.Errorf("snappy block: %w", err)
	}
	return nil
}

// resize returns a slice of n bytes, in b's memory if it is large enough.
func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
