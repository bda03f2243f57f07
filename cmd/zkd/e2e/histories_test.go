package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// A recorder is a test whose failures are wanted.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// wantSaid wants one complaint that contains want, or none if want is empty.
func (r *recorder) wantSaid(t *testing.T, want string) {
	t.Helper()
	if want == "" && len(r.said) > 0 || want != "" && (len(r.said) != 1 || !strings.Contains(r.said[0], want)) {
		t.Errorf("the check says %q, want %q", r.said, want)
	}
}

// The check of a queue must find what the load is there to find, and nothing else.
func TestQueueHistory(t *testing.T) {
	item := func(number int) string { return fmt.Sprintf("/queue/n-%010d", number) }
	tests := map[string]struct {
		do    func(q *queueHistory)
		there map[string]string
		want  string
	}{
		"an item that is there": {func(q *queueHistory) { q.put(item(0), "a", 1, nil) }, map[string]string{item(0): "a"}, ""},
		"an item that was taken": {func(q *queueHistory) {
			q.put(item(0), "a", 1, nil)
			q.take(item(0), nil)
		}, nil, ""},
		"an acknowledged create is gone": {func(q *queueHistory) { q.put(item(0), "a", 1, nil) }, nil, "is gone"},
		"an acknowledged delete is undone": {func(q *queueHistory) {
			q.put(item(0), "a", 1, nil)
			q.take(item(0), nil)
		}, map[string]string{item(0): "a"}, "is back"},
		"a delete without an answer may have happened": {func(q *queueHistory) {
			q.put(item(0), "a", 1, nil)
			q.take(item(0), errLost)
		}, nil, ""},
		"or not": {func(q *queueHistory) {
			q.put(item(0), "a", 1, nil)
			q.take(item(0), errLost)
		}, map[string]string{item(0): "a"}, ""},
		"a create without an answer may have happened": {func(q *queueHistory) { q.put("", "a", 0, errLost) }, map[string]string{item(0): "a"}, ""},
		"but once":                             {func(q *queueHistory) { q.put("", "a", 0, errLost) }, map[string]string{item(0): "a", item(1): "a"}, "is there twice"},
		"a create that was not sent":           {func(q *queueHistory) { q.put("", "a", 0, errUnsent) }, map[string]string{item(0): "a"}, "nobody put it there"},
		"another's data":                       {func(q *queueHistory) { q.put(item(0), "a", 1, nil) }, map[string]string{item(0): "b"}, `has "b"`},
		"a number that falls with the zxid":    {func(q *queueHistory) { q.put(item(1), "a", 1, nil); q.put(item(0), "b", 2, nil) }, map[string]string{item(0): "b", item(1): "a"}, "behind number 1"},
		"a number that rises with the zxid":    {func(q *queueHistory) { q.put(item(1), "a", 2, nil); q.put(item(0), "b", 1, nil) }, map[string]string{item(0): "b", item(1): "a"}, ""},
		"an item of nobody":                    {func(*queueHistory) {}, map[string]string{item(0): "a"}, "nobody put it there"},
		"a taken item whose create was slower": {func(q *queueHistory) { q.take(item(0), nil); q.put(item(0), "a", 1, nil) }, nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			q := newQueueHistory()
			test.do(&q)
			var said recorder
			q.check(&said, test.there)
			said.wantSaid(t, test.want)
		})
	}

	q := newQueueHistory()
	if err := q.put(item(0), "a", 1, nil); err != nil {
		t.Error(err)
	}
	if err := q.put(item(0), "b", 2, nil); err == nil {
		t.Error("no error: one name is given twice")
	}
	if err := q.take(item(0), nil); err != nil {
		t.Error(err)
	}
	if err := q.take(item(0), nil); err == nil {
		t.Error("no error: one item is taken twice")
	}
}

// The check of a lock must find two live holders at a time.
func TestLockHistory(t *testing.T) {
	hold := func(session zk.SessionID, from, to time.Duration) lockHold { return lockHold{session, from, to} }
	for name, test := range map[string]struct {
		holds []lockHold
		want  string
	}{
		"nobody":                     {nil, ""},
		"one after the other":        {[]lockHold{hold(2, 5, 7), hold(1, 1, 4)}, ""},
		"the one before is silent":   {[]lockHold{hold(1, 1, 4), hold(2, 4, 7)}, ""},
		"two at a time":              {[]lockHold{hold(1, 1, 5), hold(2, 4, 7)}, "two live sessions"},
		"one while another holds it": {[]lockHold{hold(2, 2, 3), hold(1, 1, 9)}, "two live sessions"},
	} {
		t.Run(name, func(t *testing.T) {
			h := lockHistory{holds: test.holds}
			var said recorder
			h.check(&said)
			said.wantSaid(t, test.want)
		})
	}
}

// A client must complain of a change that it sees before the event of its watch.
func TestWatchesFireFirst(t *testing.T) {
	const path = "/w"
	for name, test := range map[string]struct {
		client *sessionClient
		stat   proto.Stat
		wrong  bool
	}{
		"as it was":             {&sessionClient{data: map[string]int32{path: 3}}, proto.Stat{Version: 3}, false},
		"an older server":       {&sessionClient{data: map[string]int32{path: 3}}, proto.Stat{Version: 2}, false},
		"no watch":              {&sessionClient{}, proto.Stat{Version: 4}, false},
		"a change of data":      {&sessionClient{data: map[string]int32{path: 3}}, proto.Stat{Version: 4}, true},
		"a change of children":  {&sessionClient{child: map[string]int32{path: 3}}, proto.Stat{Cversion: 4}, true},
		"a change of the other": {&sessionClient{child: map[string]int32{path: 3}}, proto.Stat{Version: 4, Cversion: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.client.seen(path, test.stat); (err != nil) != test.wrong {
				t.Errorf("got error %v, want one: %v", err, test.wrong)
			}
		})
	}
}

// The zxids of writes that did not overlap must be in the order of time.
func TestOrderOfStamps(t *testing.T) {
	for name, test := range map[string]struct {
		stamps []stamp
		want   string
	}{
		"in order":           {[]stamp{{1, 2, 11, "a"}, {3, 4, 12, "b"}}, ""},
		"overlapping":        {[]stamp{{1, 4, 12, "a"}, {2, 3, 11, "b"}}, ""},
		"against time":       {[]stamp{{1, 2, 12, "a"}, {3, 4, 11, "b"}}, "was over before"},
		"below all before":   {[]stamp{{1, 2, 10, "a"}}, "the round before"},
		"against all before": {[]stamp{{1, 2, 13, "a"}, {2, 3, 14, "b"}, {4, 5, 12, "c"}}, "was over before"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory(time.Now(), 10)
			h.stamps = test.stamps
			var said recorder
			h.checkOrder(&said)
			said.wantSaid(t, test.want)
		})
	}
}
