// Package echo is a server that keeps nothing: it answers every request at once with a reply made
// beforehand. It shows what the machine, the kernel and the load generator leave to a server that
// does no work at all, which is the ceiling for any server behind the same protocol.
//
// A get is answered with the same data whatever the path, any other request with a bare OK.
package echo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

const (
	bufferBytes   = 64 << 10
	headerOffset  = 4 // behind the length of the frame
	minFrameBytes = proto.RequestHeaderBytes
)

// Serve answers on all connections of listener until it is closed, and then closes them. data is
// what every get returns.
func Serve(listener net.Listener, data []byte) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	var open sync.Map
	defer open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		open.Store(conn, nil)
		wg.Go(func() {
			defer open.Delete(conn)
			defer conn.Close()
			// The error tells that the client has gone or talks nonsense; both end the connection.
			_ = Answer(conn, data)
		})
	}
}

// Answer opens a session and answers its requests until the client closes it or the connection.
func Answer(conn net.Conn, data []byte) error {
	in, out := make([]byte, 0, bufferBytes), make([]byte, 0, bufferBytes)
	stat := proto.Stat{Version: 1, DataLength: int32(len(data))}
	got := stat.Append(jute.AppendBuffer(nil, data)) // the record of every get
	connected := false
	for {
		n, err := conn.Read(in[len(in):cap(in)])
		if err != nil {
			return err
		}
		in = in[:len(in)+n]
		rest, closing := in, false
		for len(rest) >= headerOffset && !closing {
			size := int(int32(binary.BigEndian.Uint32(rest)))
			if size < minFrameBytes || headerOffset+size > cap(in) {
				return fmt.Errorf("echo: frame of %d bytes", size)
			}
			if len(rest) < headerOffset+size {
				break
			}
			frame := rest[headerOffset : headerOffset+size]
			rest = rest[headerOffset+size:]
			if !connected {
				out, connected = appendConnected(out, frame), true
				continue
			}
			out, closing = appendReply(out, frame, got)
		}
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		if closing {
			return nil
		}
		in = in[:copy(in[:cap(in)], rest)]
	}
}

// appendFrame appends what body appends, with its length in front.
func appendFrame(b []byte, body func([]byte) []byte) []byte {
	at := len(b)
	b = body(jute.AppendInt(b, 0))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-headerOffset))
	return b
}

// appendConnected answers the ConnectRequest in frame.
func appendConnected(b, frame []byte) []byte {
	var request proto.ConnectRequest
	d := jute.NewDecoder(frame)
	request.Decode(&d)
	response := proto.ConnectResponse{
		TimeoutMillis: request.TimeoutMillis, SessionID: 1,
		Password: make([]byte, proto.PasswordBytes), HasReadOnly: request.HasReadOnly,
	}
	return appendFrame(b, response.Append)
}

// appendReply answers the request in frame, which is at least minFrameBytes long; closing says that
// it was the last.
func appendReply(b, frame, got []byte) (_ []byte, closing bool) {
	d := jute.NewDecoder(frame)
	var request proto.RequestHeader
	request.Decode(&d)
	size := proto.ReplyHeaderBytes
	if request.Op == zk.OpGetData {
		size += len(got)
	}
	b = jute.AppendInt(b, int32(size))
	b = proto.ReplyHeader{Xid: request.Xid, Zxid: 1}.Append(b)
	if request.Op == zk.OpGetData {
		b = append(b, got...)
	}
	return b, request.Op == zk.OpCloseSession
}
