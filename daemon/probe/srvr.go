package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"zkd/quorum"
	"zkd/quorum/zk"
)

const maxSrvrBytes = 64 << 10

// said is what a server answered to srvr.
type said struct {
	role quorum.Role // Looking for one that does not serve
	zxid zk.Zxid     // -1 if it did not say
}

// Why a client port that took the question gave no answer to it.
var (
	errMute     = errors.New("closed the connection without a word")
	errNotAsked = errors.New("may not answer srvr (words.allow, 4lw.commands.whitelist)")
)

// strangeError says that what answers is no server.
type strangeError struct{ text string }

func (e *strangeError) Error() string {
	return fmt.Sprintf("answered what no server does: %d bytes: %.40q", len(e.text), e.text)
}

// dialError is an error of connecting, not of what followed.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// srvr asks one client port; ZooKeeper's answer too.
func srvr(ctx context.Context, addr string, timeout time.Duration) (said, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, addr)
	if err != nil {
		return said{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return said{}, err
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return said{}, err
	}
	body, err := io.ReadAll(io.LimitReader(conn, maxSrvrBytes))
	return parseSrvr(string(body), err)
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, dialError{err}
	}
	return conn, nil
}

// parseSrvr reads an answer; err is what ended it.
func parseSrvr(text string, err error) (said, error) {
	s := said{zxid: -1}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Mode":
			s.role = quorum.Role(value)
		case "Zxid":
			if z, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 64); err == nil {
				s.zxid = zk.Zxid(z)
			}
		}
	}
	switch {
	case s.role != "":
		return s, nil
	case strings.Contains(text, "not currently serving requests"):
		return said{role: quorum.Looking, zxid: -1}, nil
	case strings.Contains(text, "is not in the whitelist"):
		return said{}, errNotAsked
	case text != "":
		return said{}, &strangeError{text}
	case err != nil:
		return said{}, err
	default:
		return said{}, errMute
	}
}
