package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Pauses between rounds of attempts at all servers.
const (
	minPause = 50 * time.Millisecond
	maxPause = time.Second
)

// run keeps the client connected until it is closed or its session has expired.
func (c *Client) run() {
	defer c.stop()
	next := 0
	var again []*call
	pause := minPause
	for {
		link, err := c.attempt(next)
		switch {
		case errors.Is(err, zk.ErrSessionExpired):
			c.end(err, Expired, again)
			return
		case c.stopped.Err() != nil:
			if link != nil {
				link.conn.Close()
			}
			c.end(ErrClosed, Closed, again)
			return
		case err == nil:
			pause = minPause
			again, err = c.serve(link, again)
			if errors.Is(err, errSessionClosed) {
				c.end(ErrClosed, Closed, again)
				return
			}
			c.lost(next, err)
		default:
			c.failed(next, err)
		}
		if next = (next + 1) % len(c.cfg.Servers); next != 0 && err != nil {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-c.stopped.Done():
			timer.Stop()
		}
		pause = min(2*pause, maxPause)
	}
}

// end makes err the client's last word and answers everything with it.
func (c *Client) end(err error, state State, again []*call) {
	for _, request := range again {
		request.done <- answer{err: err}
	}
	c.mu.Lock()
	c.connected, c.final = false, err
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	c.tell(Event{Type: zk.EventNone, State: state, Zxid: -1})
	c.events.close()
	close(c.ended)
}

// tell hands an event to the caller's function.
func (c *Client) tell(e Event) {
	if c.cfg.OnEvent != nil {
		c.events.push(e)
	}
}

// failed notes why a server did not let the client in.
func (c *Client) failed(server int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts[server] = fmt.Errorf("%s: %w", c.cfg.Servers[server], err)
	close(c.changed)
	c.changed = make(chan struct{})
}

// lost notes that the connection is gone.
func (c *Client) lost(server int, err error) {
	c.mu.Lock()
	c.connected = false
	c.mu.Unlock()
	c.failed(server, err)
	c.tell(Event{Type: zk.EventNone, State: Disconnected, Zxid: -1})
}

// attempt dials a server and opens the session there, or takes it up again.
func (c *Client) attempt(server int) (*link, error) {
	ctx, cancel := context.WithTimeout(c.stopped, c.cfg.ConnectTimeout)
	defer cancel()
	conn, err := c.cfg.Dial(ctx, c.cfg.Servers[server])
	if err != nil {
		return nil, err
	}
	undo := context.AfterFunc(ctx, func() { conn.Close() }) // ends a read that waits
	l, err := c.handshake(conn)
	if !undo() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.mu.Lock()
	c.server = c.cfg.Servers[server]
	clear(c.attempts)
	c.mu.Unlock()
	return l, nil
}

func (c *Client) handshake(conn net.Conn) (*link, error) {
	c.mu.Lock()
	request := proto.ConnectRequest{
		LastZxidSeen: c.lastZxid, TimeoutMillis: int32(c.cfg.SessionTimeout.Milliseconds()),
		SessionID: c.session, Password: c.password, HasReadOnly: true,
	}
	c.mu.Unlock()
	l := newLink(conn)
	if _, err := conn.Write(appendFrame(nil, request.Append(nil))); err != nil {
		return nil, err
	}
	body, err := l.readFrame()
	if err != nil {
		return nil, fmt.Errorf("closed the connection in the handshake: %w", err)
	}
	var response proto.ConnectResponse
	d := jute.NewDecoder(body)
	response.Decode(&d)
	switch {
	case d.Err() != nil:
		return nil, fmt.Errorf("answers the handshake with %d bytes: %w", len(body), d.Err())
	case response.SessionID == 0 || response.TimeoutMillis <= 0:
		return nil, zk.ErrSessionExpired
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.password = response.SessionID, response.Password
	c.timeout = time.Duration(response.TimeoutMillis) * time.Millisecond
	l.timeout = c.timeout
	return l, nil
}
