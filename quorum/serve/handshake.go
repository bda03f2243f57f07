package serve

import (
	"bytes"
	"fmt"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/jute"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/replica"
	"zkd/quorum/session"
	"zkd/quorum/zk"
)

// handshake answers a four-letter word or opens a session. It returns nil once requests may follow.
func (c *conn) handshake() error {
	if err := c.nc.SetReadDeadline(c.established.Add(c.s.cfg.HandshakeTimeout)); err != nil {
		return err
	}
	frame, err := c.firstFrame()
	if err != nil {
		return err
	}
	if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	var req proto.ConnectRequest
	d := jute.NewDecoder(frame)
	req.Decode(&d)
	if d.Err() != nil {
		return fmt.Errorf("connect request of %d bytes: %w", len(frame), d.Err())
	}
	c.in.maxFrame, c.in.limit = c.s.cfg.MaxFrameBytes, "jute.maxbuffer"
	c.s.stats.ConnectionRequests.Add(1)
	c.mu.Lock()
	c.record.received++
	c.mu.Unlock()
	c.s.stats.PacketsReceived.Add(c.takeReceived())
	return c.connect(&req)
}

// maxConnectBytes bounds the frame of a ConnectRequest, which is 45 bytes and a password: who has no session yet is given no
// memory.
const maxConnectBytes = 1 << 10

// firstFrame reads until the first frame is whole. A four-letter word is answered here and ends the
// connection.
func (c *conn) firstFrame() ([]byte, error) {
	for {
		if b := c.in.buffered(); len(b) >= 4 {
			if word := string(b[:4]); c.s.cfg.Words.Known(word) {
				c.answerWord(word)
				return nil, errEnded
			}
			if other := foreign(b); other != "" {
				c.s.stats.ForeignProtocols.Add(1)
				return nil, fmt.Errorf("this is the ZooKeeper client port, but the client speaks %s", other)
			}
			if frame, err := c.in.next(); frame != nil || err != nil {
				return frame, err
			}
		}
		if err := c.in.fill(); err != nil {
			return nil, err
		}
	}
}

// foreignHellos are the first bytes of other protocols. As a frame length each is over any sensible
// limit.
var foreignHellos = [...]struct{ prefix, name string }{
	{"GET ", "HTTP"}, {"POST", "HTTP"}, {"HEAD", "HTTP"}, {"PUT ", "HTTP"}, {"OPTI", "HTTP"}, {"DELE", "HTTP"},
	{"PRI ", "HTTP/2"}, {"SSH-", "SSH"}, {"\x16\x03", "TLS"},
}

// foreign names the protocol that b begins with, "" if it may be ZooKeeper's.
func foreign(b []byte) string {
	if b[0] == 0 {
		return "" // the length of any sensible ConnectRequest
	}
	for _, hello := range foreignHellos {
		if bytes.HasPrefix(b, []byte(hello.prefix)) {
			return hello.name
		}
	}
	return ""
}

// connect opens or resumes a session and answers the request.
func (c *conn) connect(req *proto.ConnectRequest) error {
	if c.term = c.s.cfg.Replica.AwaitServing(c.s.cfg.HoldClients); c.term == 0 {
		return errEnded // it goes to the next server
	}
	var applied zk.Zxid
	c.s.cfg.Replica.Read(func(v *replica.View) { applied = v.Zxid() })
	if req.LastZxidSeen > applied {
		// No answer: the client goes to the next server. "Expired" would destroy its session.
		if say, suppressed := c.s.complain.allow("ahead"); say {
			c.s.log.Warn("client refused: it has seen a newer state than this server has; was data of this server lost?",
				zap.String("client", c.remote.String()), zap.Stringer("session", req.SessionID),
				zap.Stringer("client_zxid", req.LastZxidSeen), zap.Stringer("zxid", applied), zap.Int("suppressed", suppressed))
		}
		return errEnded
	}
	timeout := c.clamp(req.TimeoutMillis)
	sub := replica.Request{
		Request: prep.Request{Session: req.SessionID, Op: zk.OpCreateSession, TimeoutMillis: timeout},
		Origin:  c, Owner: c, Term: c.term,
	}
	if req.SessionID != 0 {
		if !session.CheckPassword(req.SessionID, req.Password) {
			return c.expired(req)
		}
		sub.Kind, sub.Op = replica.Attach, 0
	} else {
		sub.Body = jute.AppendInt(nil, timeout)
	}
	c.mu.Lock()
	c.record.timeoutMillis = timeout
	c.mu.Unlock()
	c.s.cfg.Replica.Submit([]replica.Request{sub})
	select {
	case code := <-c.ready:
		if code != zk.OK {
			return c.expired(req)
		}
	case <-c.lost:
		return errEnded
	}
	id := c.sessionID()
	password := session.Password(id)
	c.answerConnect(&proto.ConnectResponse{
		TimeoutMillis: timeout, SessionID: id, Password: password[:], HasReadOnly: req.HasReadOnly,
	})
	return nil
}

// clamp brings a session timeout that a client asked for into the allowed range.
func (c *conn) clamp(millis int32) int32 {
	return min(max(millis, int32(c.s.cfg.MinSessionTimeout.Milliseconds())), int32(c.s.cfg.MaxSessionTimeout.Milliseconds()))
}

// expired answers that there is no such session, whatever the reason, and ends the connection.
func (c *conn) expired(req *proto.ConnectRequest) error {
	c.s.stats.StaleSessions.Add(1)
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	c.answerConnect(&proto.ConnectResponse{Password: make([]byte, proto.PasswordBytes), HasReadOnly: req.HasReadOnly})
	return errEnded
}

func (c *conn) answerConnect(resp *proto.ConnectResponse) {
	c.mu.Lock()
	b := c.out.buffer()
	start := len(b)
	b = resp.Append(jute.AppendInt(b, 0))
	jute.AppendInt(b[:start], int32(len(b)-start-4))
	c.out.put(b)
	c.record.sent++
	c.record.lastResponse = time.Now()
	c.mu.Unlock()
	c.s.stats.PacketsSent.Add(1)
	c.Flush()
}
