package jute

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestPrimitivesHaveTheBytesOfTheFormat(t *testing.T) {
	for name, test := range map[string]struct {
		got  []byte
		want string
	}{
		"an int is big-endian":                  {AppendInt(nil, 0x01020304), "\x01\x02\x03\x04"},
		"a negative int is two's complement":    {AppendInt(nil, -2), "\xff\xff\xff\xfe"},
		"a long is big-endian":                  {AppendLong(nil, 0x0102030405060708), "\x01\x02\x03\x04\x05\x06\x07\x08"},
		"the least long is two's complement":    {AppendLong(nil, math.MinInt64), "\x80\x00\x00\x00\x00\x00\x00\x00"},
		"true is one":                           {AppendBool(nil, true), "\x01"},
		"false is zero":                         {AppendBool(nil, false), "\x00"},
		"a null buffer has length -1":           {AppendBuffer(nil, nil), "\xff\xff\xff\xff"},
		"an empty buffer has length 0":          {AppendBuffer(nil, []byte{}), "\x00\x00\x00\x00"},
		"a buffer follows its length":           {AppendBuffer(nil, []byte("ab")), "\x00\x00\x00\x02ab"},
		"a string follows its length in bytes":  {AppendString(nil, "ü"), "\x00\x00\x00\x02\xc3\xbc"},
		"an empty string is not null":           {AppendString(nil, ""), "\x00\x00\x00\x00"},
		"a null vector has count -1":            {AppendStrings(nil, nil), "\xff\xff\xff\xff"},
		"an empty vector has count 0":           {AppendStrings(nil, []string{}), "\x00\x00\x00\x00"},
		"a vector's items follow its count":     {AppendStrings(nil, []string{"a", ""}), "\x00\x00\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x00"},
		"an append keeps what stands before it": {AppendInt([]byte("x"), 1), "x\x00\x00\x00\x01"},
	} {
		if string(test.got) != test.want {
			t.Errorf("%s: got %x, want %x", name, test.got, test.want)
		}
	}
}

func TestDecoderReadsWhatWasAppended(t *testing.T) {
	b := AppendInt(nil, math.MinInt32)
	b = AppendLong(b, math.MaxInt64)
	b = AppendBool(b, true)
	b = AppendBuffer(b, []byte{1, 2})
	b = AppendBuffer(b, nil)
	b = AppendBuffer(b, []byte{})
	b = AppendString(b, "grün")
	b = AppendStrings(b, []string{"", "x"})
	b = AppendStrings(b, nil)
	b = AppendStrings(b, []string{})

	d := NewDecoder(b)
	if v := d.Int(); v != math.MinInt32 {
		t.Errorf("int: %d", v)
	}
	if v := d.Long(); v != math.MaxInt64 {
		t.Errorf("long: %d", v)
	}
	if !d.Bool() {
		t.Error("bool: false")
	}
	if v := d.Buffer(); !bytes.Equal(v, []byte{1, 2}) {
		t.Errorf("buffer: %v", v)
	}
	if v := d.Buffer(); v != nil {
		t.Errorf("null buffer: %v", v)
	}
	if v := d.Buffer(); v == nil || len(v) > 0 {
		t.Errorf("empty buffer: %v", v)
	}
	if v := d.String(); v != "grün" {
		t.Errorf("string: %q", v)
	}
	if v := d.Strings(); !slices.Equal(v, []string{"", "x"}) {
		t.Errorf("strings: %q", v)
	}
	if v := d.Strings(); v != nil {
		t.Errorf("null strings: %v", v)
	}
	if v := d.Strings(); v == nil || len(v) > 0 {
		t.Errorf("empty strings: %v", v)
	}
	if d.Err() != nil || d.Len() != 0 || len(d.Rest()) != 0 {
		t.Errorf("at the end: %v, %d bytes left", d.Err(), d.Len())
	}
}

func TestDecoderAnyByteButZeroIsTrue(t *testing.T) {
	d := NewDecoder([]byte{0, 1, 2, 0xff})
	for _, want := range []bool{false, true, true, true} {
		if got := d.Bool(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestDecoderReadsANullStringAsEmpty(t *testing.T) {
	d := NewDecoder([]byte{0xff, 0xff, 0xff, 0xff})
	if v := d.String(); v != "" || d.Err() != nil {
		t.Errorf("got %q, %v", v, d.Err())
	}
}

func TestDecoderRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		record string
		read   func(*Decoder)
		want   error
	}{
		"an int of three bytes":               {"\x00\x00\x01", func(d *Decoder) { d.Int() }, ErrShort},
		"a long of seven bytes":               {"\x00\x00\x00\x00\x00\x00\x01", func(d *Decoder) { d.Long() }, ErrShort},
		"a boolean of no byte":                {"", func(d *Decoder) { d.Bool() }, ErrShort},
		"a buffer longer than the record":     {"\x00\x00\x00\x03ab", func(d *Decoder) { d.Buffer() }, ErrShort},
		"a buffer of the greatest length":     {"\x7f\xff\xff\xffab", func(d *Decoder) { d.Buffer() }, ErrShort},
		"a buffer of length -2":               {"\xff\xff\xff\xfe", func(d *Decoder) { d.Buffer() }, ErrBadLength},
		"a string of the least length":        {"\x80\x00\x00\x00", func(d *Decoder) { _ = d.String() }, ErrBadLength},
		"a string without its length":         {"\x00", func(d *Decoder) { _ = d.String() }, ErrShort},
		"a vector longer than the record":     {"\x00\x00\x00\x02\x00\x00\x00\x00", func(d *Decoder) { d.Strings() }, ErrShort},
		"a vector of the greatest count":      {"\x7f\xff\xff\xff\x00\x00\x00\x00", func(d *Decoder) { d.Strings() }, ErrShort},
		"a vector of count -2":                {"\xff\xff\xff\xfe", func(d *Decoder) { d.Strings() }, ErrBadLength},
		"a vector whose last item is cut":     {"\x00\x00\x00\x01\x00\x00\x00\x01", func(d *Decoder) { d.Strings() }, ErrShort},
		"a vector whose item is negative":     {"\x00\x00\x00\x01\xff\xff\xff\xf0", func(d *Decoder) { d.Strings() }, ErrBadLength},
		"a count whose product is over int32": {"\x7f\xff\xff\xffxx", func(d *Decoder) { d.Count(1 << 20) }, ErrShort},
	} {
		d := NewDecoder([]byte(test.record))
		test.read(&d)
		if !errors.Is(d.Err(), test.want) {
			t.Errorf("%s: got %v, want %v", name, d.Err(), test.want)
		}
	}
}

func TestDecoderKeepsItsFirstFailure(t *testing.T) {
	d := NewDecoder(AppendInt([]byte{0xff, 0xff, 0xff, 0xfe}, 7))
	d.Buffer()
	first := d.Err()
	if v := d.Int(); v != 0 || d.Err() != first {
		t.Errorf("read %d behind the failure, error %v, want 0 and %v", v, d.Err(), first)
	}
	d.Fail(errors.New("later"))
	if d.Err() != first || d.Len() != 0 {
		t.Errorf("error %v, %d bytes left", d.Err(), d.Len())
	}
}

func TestDecoderBufferCannotBeAppendedIntoTheRecord(t *testing.T) {
	record := AppendInt(AppendBuffer(nil, []byte("ab")), 7)
	d := NewDecoder(record)
	_ = append(d.Buffer(), 0xee)
	if v := d.Int(); v != 7 {
		t.Errorf("an append to the view changed the next field to %x", v)
	}
}

// FuzzDecoder reads fields of kinds that the fuzzer chooses from bytes that the fuzzer chooses.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5}, AppendStrings(AppendString(nil, "x"), []string{"a"}))
	f.Add([]byte{5}, []byte{0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, kinds, record []byte) {
		d := NewDecoder(record)
		var again []byte
		exact := true // until a field has more than one encoding
		for _, kind := range kinds {
			before := d.Len()
			switch kind % 6 {
			case 0:
				again = AppendInt(again, d.Int())
			case 1:
				again = AppendLong(again, d.Long())
			case 2:
				exact = exact && (before == 0 || d.Rest()[0] < 2)
				again = AppendBool(again, d.Bool())
			case 3:
				again = AppendBuffer(again, d.Buffer())
			case 4:
				exact = exact && !bytes.HasPrefix(d.Rest(), []byte{0xff, 0xff, 0xff, 0xff})
				again = AppendString(again, d.String())
			case 5:
				v := d.Strings()
				if cap(v) > len(record)/4 {
					t.Fatalf("a vector of %d items from %d bytes", cap(v), len(record))
				}
				exact = exact && !slices.Contains(v, "") // an item may have been null
				again = AppendStrings(again, v)
			}
			if d.Len() > before {
				t.Fatalf("%d bytes left after %d", d.Len(), before)
			}
			if d.Err() != nil {
				if d.Len() != 0 {
					t.Fatalf("%d bytes left behind %v", d.Len(), d.Err())
				}
				return
			}
		}
		if read := record[:len(record)-d.Len()]; exact && !bytes.Equal(again, read) {
			t.Fatalf("read %x, encoded it as %x", read, again)
		}
	})
}
