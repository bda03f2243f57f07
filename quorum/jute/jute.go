// Package jute encodes and decodes the primitives of ZooKeeper's serialisation.
//
//	int      4 bytes, big-endian, two's complement
//	long     8 bytes, big-endian, two's complement
//	boolean  1 byte, 0 or 1
//	buffer   int length, bytes; length -1 is null
//	ustring  int length, bytes; length -1 is null
//	vector   int count, items; count -1 is null
//
// Encoding appends to a byte slice. Decoding reads a slice that holds the whole record: no length
// in it can make the decoder read or allocate beyond that slice.
package jute

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// ErrShort says that a record ends before its last field, or that a length in it is longer than
// what is left.
var ErrShort = errors.New("jute: record is shorter than its fields")

// ErrBadLength says that a length or count is negative and not the -1 of null.
var ErrBadLength = errors.New("jute: negative length")

// AppendInt appends v as an int.
func AppendInt(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

// AppendLong appends v as a long.
func AppendLong(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// AppendBool appends v as a boolean.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendBuffer appends v as a buffer; nil is null, an empty slice is not.
func AppendBuffer(b, v []byte) []byte {
	if v == nil {
		return AppendInt(b, -1)
	}
	return append(AppendInt(b, int32(len(v))), v...)
}

// AppendString appends v as a ustring, never null.
func AppendString(b []byte, v string) []byte {
	return append(AppendInt(b, int32(len(v))), v...)
}

// AppendStrings appends v as a vector of ustring; nil is null.
func AppendStrings(b []byte, v []string) []byte {
	if v == nil {
		return AppendInt(b, -1)
	}
	b = AppendInt(b, int32(len(v)))
	for _, s := range v {
		b = AppendString(b, s)
	}
	return b
}

// Decoder reads fields in order from one record. The first failure sticks: later reads return
// zero values, so a caller decodes all fields and checks Err once.
//
// What Buffer and String return are views of the record: they are valid, and may be kept, only as
// long as the record's bytes are neither changed nor reused. Keep a copy (bytes.Clone,
// strings.Clone) of whatever outlives the frame.
type Decoder struct {
	rest []byte
	err  error
}

// NewDecoder returns a Decoder over record.
func NewDecoder(record []byte) Decoder { return Decoder{rest: record} }

// Err returns the first failure: ErrShort or ErrBadLength, or nil.
func (d *Decoder) Err() error { return d.err }

// Len returns how many bytes are left.
func (d *Decoder) Len() int { return len(d.rest) }

// Rest returns a view of what is left.
func (d *Decoder) Rest() []byte { return d.rest }

// Fail makes err the decoder's failure unless there is one already.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

// Int reads an int.
func (d *Decoder) Int() int32 {
	if len(d.rest) < 4 {
		d.Fail(ErrShort)
		return 0
	}
	v := binary.BigEndian.Uint32(d.rest)
	d.rest = d.rest[4:]
	return int32(v)
}

// Long reads a long.
func (d *Decoder) Long() int64 {
	if len(d.rest) < 8 {
		d.Fail(ErrShort)
		return 0
	}
	v := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return int64(v)
}

// Bool reads a boolean: any byte but 0 is true, as in Java.
func (d *Decoder) Bool() bool {
	if len(d.rest) < 1 {
		d.Fail(ErrShort)
		return false
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v != 0
}

// Buffer reads a buffer as a view; nil is null, an empty buffer is not nil.
func (d *Decoder) Buffer() []byte {
	n := d.Int()
	if d.err != nil || n == -1 {
		return nil
	}
	if n < 0 {
		d.Fail(fmt.Errorf("%w: buffer of %d bytes", ErrBadLength, n))
		return nil
	}
	if int(n) > len(d.rest) {
		d.Fail(ErrShort)
		return nil
	}
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}

// String reads a ustring as a view; null reads as "".
func (d *Decoder) String() string {
	b := d.Buffer()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Count reads the count of a vector whose items take at least itemBytes each, so that a forged
// count cannot make the caller allocate beyond the record. null is true for -1.
func (d *Decoder) Count(itemBytes int) (count int, null bool) {
	n := d.Int()
	switch {
	case d.err != nil:
		return 0, false
	case n == -1:
		return 0, true
	case n < 0:
		d.Fail(fmt.Errorf("%w: vector of %d items", ErrBadLength, n))
		return 0, false
	case int64(n)*int64(itemBytes) > int64(len(d.rest)):
		d.Fail(ErrShort)
		return 0, false
	}
	return int(n), false
}

// Strings reads a vector of ustring as views; nil is null.
func (d *Decoder) Strings() []string {
	n, null := d.Count(4)
	if null || d.err != nil {
		return nil
	}
	v := make([]string, 0, n)
	for range n {
		v = append(v, d.String())
	}
	if d.err != nil {
		return nil
	}
	return v
}
