// Package archive is the file that an export of a subtree is: lines of JSON, so that it can be read, compared and
// cut with any tool, and with an end that says whether it is whole.
//
//	{"zkctl_export":1,"root":"/app","zxid":"0x100000007"}        first line
//	{"path":"","data":"text","acl":["world:anyone:cdrwa"]}       a line for each node, parents before children
//	{"path":"/conf","data_base64":"//4=","acl":[...]}            data that is not UTF-8
//	{"path":"/empty","acl":[...]}                                no data, which is not the same as ""
//	{"end":true,"nodes":3,"sha256":"hexadecimal"}                last line; the sum is of all lines before it
//
// Paths are below the root, "" for the root itself. The package reads and writes; it knows no server.
package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"unicode/utf8"

	"zkd/cmd/zkctl/text"
	"zkd/quorum/proto"
)

// formatVersion is the number in the first line.
const formatVersion = 1

// Header is the first line.
type Header struct {
	Format int    `json:"zkctl_export"`
	Root   string `json:"root"`           // path of the exported node
	Zxid   string `json:"zxid,omitempty"` // what the server had seen when the export began
}

// Node is one znode.
type Node struct {
	Path string // below the root; "" is the root
	Data []byte // nil is no data
	ACL  []proto.ACL
}

type nodeLine struct {
	Path   *string  `json:"path,omitempty"`
	Data   *string  `json:"data,omitempty"`
	Base64 *[]byte  `json:"data_base64,omitempty"`
	ACL    []string `json:"acl,omitempty"`

	End    bool   `json:"end,omitempty"`
	Nodes  int    `json:"nodes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Writer writes an archive.
type Writer struct {
	out   *bufio.Writer
	sum   hash.Hash
	nodes int
}

// NewWriter writes the first line. Root and Zxid of h count.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: bufio.NewWriterSize(out, 64<<10), sum: sha256.New()}
	h.Format = formatVersion
	return w, w.line(h)
}

func (w *Writer) line(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	w.sum.Write(line)
	_, err = w.out.Write(line)
	return err
}

// Add writes a node. Names that are not UTF-8, which no server takes, would not come back from JSON: they are an
// error.
func (w *Writer) Add(n Node) error {
	line := nodeLine{Path: &n.Path}
	valid := utf8.ValidString(n.Path)
	for _, a := range n.ACL {
		entry := a.ID.Scheme + ":" + a.ID.ID + ":" + text.Perms(a.Perms)
		line.ACL = append(line.ACL, entry)
		valid = valid && utf8.ValidString(entry)
	}
	if !valid {
		return fmt.Errorf("archive: %q, or its ACL, is not UTF-8", n.Path)
	}
	switch {
	case n.Data == nil:
	case utf8.Valid(n.Data):
		s := string(n.Data)
		line.Data = &s
	default:
		line.Base64 = &n.Data
	}
	w.nodes++
	return w.line(line)
}

// Close writes the last line. Without it the archive counts as cut off.
func (w *Writer) Close() error {
	sum := hex.EncodeToString(w.sum.Sum(nil))
	if err := w.line(nodeLine{End: true, Nodes: w.nodes, SHA256: sum}); err != nil {
		return err
	}
	return w.out.Flush()
}

// DamagedError says what is wrong with an archive.
type DamagedError struct {
	Line int // from 1
	Err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the reason.
func (e *DamagedError) Unwrap() error { return e.Err }

// maxLineBytes bounds a line: a node of 64 MiB, in base64, with its ACL.
const maxLineBytes = 96 << 20

// Reader reads an archive.
type Reader struct {
	Header Header
	in     *bufio.Scanner
	sum    hash.Hash
	line   int
	nodes  int
	seen   map[string]bool
}

// NewReader reads the first line. An error of it, or of Next, is a [DamagedError] unless in failed.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewScanner(in), sum: sha256.New(), seen: make(map[string]bool)}
	r.in.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
	line, err := r.next()
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(line, &r.Header) != nil || r.Header.Format == 0 {
		return nil, r.damaged("this is no export of zkctl")
	}
	if r.Header.Format != formatVersion {
		return nil, r.damaged("format %d is newer than this program", r.Header.Format)
	}
	if err := text.CheckPath(r.Header.Root); err != nil {
		return nil, r.damaged("root: %w", err)
	}
	r.add(line)
	return r, nil
}

func (r *Reader) damaged(format string, args ...any) error {
	return &DamagedError{r.line, fmt.Errorf(format, args...)}
}

// next returns the next line without its end, valid until the next call.
func (r *Reader) next() ([]byte, error) {
	r.line++
	if r.in.Scan() {
		return r.in.Bytes(), nil
	}
	switch err := r.in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, r.damaged("longer than %d bytes", maxLineBytes)
	case err != nil:
		return nil, err
	}
	return nil, r.damaged("the export is cut off")
}

func (r *Reader) add(line []byte) {
	r.sum.Write(line)
	r.sum.Write([]byte("\n"))
}

// Next returns the next node. io.EOF says that the archive was read to its end and is whole.
func (r *Reader) Next() (Node, error) {
	raw, err := r.next()
	if err != nil {
		return Node{}, err
	}
	var line nodeLine
	if err := json.Unmarshal(raw, &line); err != nil {
		return Node{}, r.damaged("%w", err)
	}
	if line.End {
		return Node{}, r.end(line)
	}
	r.add(raw)
	if line.Path == nil {
		return Node{}, r.damaged("neither a node nor the end")
	}
	n := Node{Path: *line.Path}
	if err := r.place(n.Path); err != nil {
		return Node{}, err
	}
	switch {
	case line.Data != nil:
		n.Data = []byte(*line.Data)
	case line.Base64 != nil:
		n.Data = *line.Base64
	}
	for _, entry := range line.ACL {
		acl, err := parseEntry(entry)
		if err != nil {
			return Node{}, r.damaged("%w", err)
		}
		n.ACL = append(n.ACL, acl)
	}
	r.nodes++
	return n, nil
}

// parseEntry reads one entry of an ACL, whose id may have commas: distinguished names have.
func parseEntry(entry string) (proto.ACL, error) {
	first, last := strings.IndexByte(entry, ':'), strings.LastIndexByte(entry, ':')
	if first == last {
		return proto.ACL{}, fmt.Errorf("%q does not have the form scheme:id:perms", entry)
	}
	perms, err := text.ParsePerms(entry[last+1:])
	return proto.ACL{Perms: perms, ID: proto.ID{Scheme: entry[:first], ID: entry[first+1 : last]}}, err
}

// place checks that a node comes once, and behind its parent.
func (r *Reader) place(path string) error {
	if path != "" {
		if err := text.CheckPath(path); err != nil || path == "/" {
			return r.damaged("%q is no path below the root", path)
		}
		if parent := path[:strings.LastIndexByte(path, '/')]; !r.seen[parent] {
			return r.damaged("%s comes before its parent", path)
		}
	}
	if r.seen[path] {
		return r.damaged("%q comes twice", path)
	}
	r.seen[path] = true
	return nil
}

func (r *Reader) end(line nodeLine) error {
	if sum := hex.EncodeToString(r.sum.Sum(nil)); line.Nodes != r.nodes || line.SHA256 != sum {
		return r.damaged("the end tells of %d nodes with sum %s, there were %d with %s", line.Nodes, line.SHA256, r.nodes, sum)
	}
	r.line++
	if r.in.Scan() {
		return r.damaged("there is something behind the end")
	}
	if err := r.in.Err(); err != nil {
		return err
	}
	return io.EOF
}
