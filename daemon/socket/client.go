package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAnswerBytes bounds a JSON answer: some hundred bytes for each of a million sessions.
const maxAnswerBytes = 1 << 30

// Client asks a server over its socket.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a Client of the socket at path. Its errors are *[Error] where the server answered, else those
// of the connection: fs.ErrNotExist or syscall.ECONNREFUSED without a server, fs.ErrPermission for a stranger.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path, http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Sessions lists all sessions.
func (c *Client) Sessions(ctx context.Context) (list Sessions, err error) {
	err = c.call(ctx, "/sessions/list", none{}, &list)
	return list, err
}

// KillSessions ends sessions and waits for their end.
func (c *Client) KillSessions(ctx context.Context, ids ...string) (done Killed, err error) {
	err = c.call(ctx, "/sessions/kill", Kill{ids}, &done)
	return done, err
}

// Connections lists the client connections of the server.
func (c *Client) Connections(ctx context.Context) (list Connections, err error) {
	err = c.call(ctx, "/connections/list", none{}, &list)
	return list, err
}

// ShedConnections closes a share of them, from 1 to 100 percent.
func (c *Client) ShedConnections(ctx context.Context, percent int) (closed int, err error) {
	var done HasShed
	err = c.call(ctx, "/connections/shed", Shed{percent}, &done)
	return done.Closed, err
}

// HandOver makes the server, a leader, give way to another.
func (c *Client) HandOver(ctx context.Context) (leader int64, err error) {
	var done HandedOver
	err = c.call(ctx, "/leader/hand-over", none{}, &done)
	return done.Leader, err
}

// SaveSnapshot has the server write a snapshot. name is that of its file, size its length in bytes, and content its
// bytes, to be closed.
func (c *Client) SaveSnapshot(ctx context.Context) (name string, size int64, content io.ReadCloser, err error) {
	resp, err := c.post(ctx, "/snapshot/save", none{})
	if err != nil {
		return "", 0, nil, err
	}
	return resp.Header.Get(snapshotHeader), resp.ContentLength, resp.Body, nil
}

func (c *Client) call(ctx context.Context, path string, request, response any) error {
	resp, err := c.post(ctx, path, request)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(response); err != nil {
		return fmt.Errorf("%s: what answers on it is no server of this version: %w", c.path, err)
	}
	return nil
}

// post returns an answer that is none of an error.
func (c *Client) post(ctx context.Context, path string, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // without the address, which is none
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var f failure
	if json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(&f) != nil || f.Error == "" {
		return nil, fmt.Errorf("%s: what answers on it is no server of this version: %s", c.path, resp.Status)
	}
	return nil, &Error{resp.StatusCode, f.Error}
}
