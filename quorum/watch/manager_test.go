package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"zkd/quorum/zk"
)

// told triggers one event and returns who heard of it, in order, with spaces between.
func told(m *Manager[string], t zk.EventType, name string) string {
	var who []string
	m.Trigger(t, name, func(w string) { who = append(who, w) })
	return strings.Join(who, " ")
}

// script runs lines of "add KIND PATH WATCHER", "remove KIND PATH WATCHER", "close WATCHER" and
// "EVENT PATH -> WATCHERS" and fails where an event reaches others.
func script(t *testing.T, text string) *Manager[string] {
	t.Helper()
	events := map[string]zk.EventType{
		"created": zk.EventNodeCreated, "deleted": zk.EventNodeDeleted,
		"changed": zk.EventNodeDataChanged, "children": zk.EventNodeChildrenChanged,
	}
	types := map[string]zk.WatcherType{
		"data": zk.WatcherData, "child": zk.WatcherChildren, "persistent": zk.WatcherPersistent,
		"recursive": zk.WatcherPersistentRecursive, "any": zk.WatcherAny,
	}
	m := NewManager[string]()
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "add":
			switch f[1] {
			case "data":
				m.AddData(f[2], f[3])
			case "child":
				m.AddChild(f[2], f[3])
			default:
				m.AddPersistent(f[2], f[3], f[1] == "recursive")
			}
		case f[0] == "remove":
			if got := m.Remove(f[2], f[3], types[f[1]]); got != (len(f) == 4) {
				t.Errorf("%s: %v", strings.TrimSpace(line), got)
			}
		case f[0] == "close":
			m.RemoveAll(f[1])
		default:
			if got, want := told(m, events[f[0]], f[1]), strings.Join(f[3:], " "); got != want {
				t.Errorf("%s: heard by %q", strings.TrimSpace(line), got)
			}
		}
		checkCounts(t, m)
	}
	return m
}

func TestDataWatchesAreOneShot(t *testing.T) {
	script(t, `
		add data /a x
		add data /a x
		add data /a y
		children /a ->
		changed /b ->
		changed /a -> x y
		changed /a ->
		add data /a x
		created /a -> x
		add data /a x
		deleted /a -> x
		deleted /a ->`)
}

func TestChildWatchesAreOneShot(t *testing.T) {
	script(t, `
		add child /a x
		changed /a ->
		created /a ->
		children /a -> x
		children /a ->
		add child /a x
		deleted /a -> x
		children /a ->`)
}

// A delete reaches the data table and then the child table, without those already told.
func TestADeleteIsHeardOnceAndConsumesBothOneShots(t *testing.T) {
	script(t, `
		add data /a x
		add child /a x
		add child /a y
		deleted /a -> x y
		deleted /a ->
		children /a ->`)
}

func TestADataEventLeavesAChildWatch(t *testing.T) {
	script(t, `
		add data /a x
		add child /a x
		changed /a -> x
		changed /a ->
		children /a -> x
		children /a ->`)
}

func TestPersistentWatchesLastAndLiveInBothTables(t *testing.T) {
	script(t, `
		add persistent /a x
		changed /a -> x
		changed /a -> x
		children /a -> x
		deleted /a -> x
		created /a -> x
		created /a/b ->
		children /a/b ->`)
}

func TestRecursiveWatchesHearOfEverythingBelowButOfNoChildrenChanged(t *testing.T) {
	script(t, `
		add recursive /a x
		created /a/b -> x
		changed /a/b/c/d -> x
		deleted /a -> x
		children /a ->
		children /a/b ->
		changed /ab ->
		changed / ->
		add recursive / y
		changed /a -> x y
		changed /z -> y
		changed / -> y`)
}

func TestWatchersJoinedInSeveralWaysHearOnce(t *testing.T) {
	script(t, `
		add recursive / x
		add recursive /a x
		add persistent /a x
		add data /a x
		add child /a x
		changed /a -> x
		deleted /a -> x
		changed /a/b -> x`)
}

// Since 3.9 the modes on one path add up; before, the last one stood.
func TestModesOnOnePathAddUp(t *testing.T) {
	script(t, `
		add data /a x
		add persistent /a x
		add recursive /a x
		changed /a -> x
		remove persistent /a x
		children /a ->
		changed /a -> x
		changed /a/b -> x
		remove recursive /a x
		changed /a ->
		changed /a/b ->`)
}

func TestRemoveTakesOnlyTheNamedType(t *testing.T) {
	script(t, `
		add data /a x
		add child /a x
		remove persistent /a x no
		remove recursive /a x no
		remove child /a y no
		remove child /b x no
		remove child /a x
		remove child /a x no
		children /a ->
		changed /a -> x
		add persistent /a x
		remove data /a x no
		remove any /a x
		remove any /a x no
		changed /a ->`)
}

func TestCloseForgetsAllWatchesOfAWatcher(t *testing.T) {
	m := script(t, `
		add data /a x
		add child /b x
		add persistent /c x
		add recursive /d x
		add data /a y
		close x
		close nobody
		changed /a -> y
		children /b ->
		changed /c ->
		changed /d/e ->`)
	if len(m.pathByName)+len(m.watcherByHandle)+len(m.entryByPair)+m.recursives != 0 {
		t.Error("something is left")
	}
}

func TestHasAnswersByType(t *testing.T) {
	m := NewManager[string]()
	m.AddData("/a", "data")
	m.AddChild("/a", "child")
	m.AddPersistent("/a", "persistent", false)
	m.AddPersistent("/a", "recursive", true)
	types := map[string]zk.WatcherType{
		"data": zk.WatcherData, "child": zk.WatcherChildren,
		"persistent": zk.WatcherPersistent, "recursive": zk.WatcherPersistentRecursive,
	}
	for who := range types {
		for name, typ := range types {
			if got := m.Has("/a", who, typ); got != (who == name) {
				t.Errorf("Has(%s, %s) = %v", who, name, got)
			}
		}
		if !m.Has("/a", who, zk.WatcherAny) || m.Has("/a", who, 9) || m.Has("/b", who, zk.WatcherAny) {
			t.Errorf("%s: any, an unknown type or another path", who)
		}
	}
	if m.Has("/a", "nobody", zk.WatcherAny) {
		t.Error("nobody has a watch")
	}
}

func TestTheNameOfAKeptWatchIsACopy(t *testing.T) {
	frame := []byte("/a")
	m := NewManager[string]()
	m.AddData(unsafe.String(&frame[0], len(frame)), "x")
	copy(frame, "/b")
	if got := told(m, zk.EventNodeDataChanged, "/a"); got != "x" {
		t.Errorf("heard by %q once the frame was reused", got)
	}
}

func TestFireMayChangeTheManager(t *testing.T) {
	m := NewManager[string]()
	for _, w := range []string{"x", "y", "z"} {
		m.AddData("/a", w)
		m.AddPersistent("/a", w, true)
	}
	var got []string
	m.Trigger(zk.EventNodeDataChanged, "/a", func(w string) {
		got = append(got, w)
		m.RemoveAll(w)
		m.AddData("/a", w+"'")
		m.Trigger(zk.EventNodeDeleted, "/other", func(string) { t.Error("nobody watches /other") })
	})
	if !slices.Equal(got, []string{"x", "y", "z"}) {
		t.Errorf("heard by %v", got)
	}
	if got := told(m, zk.EventNodeDataChanged, "/a"); got != "x' y' z'" {
		t.Errorf("then heard by %v", got)
	}
}

func TestReports(t *testing.T) {
	m := NewManager[string]()
	m.AddData("/a", "x")
	m.AddData("/a", "y")
	m.AddChild("/b", "x")
	m.AddPersistent("/c", "x", false)
	m.AddPersistent("/d", "z", true)
	if w, p, c := m.Counts(); w != 6 || p != 4 || c != 3 {
		t.Errorf("Counts = %d %d %d", w, p, c)
	}
	if w, p, c := m.DataCounts(); w != 4 || p != 3 || c != 3 {
		t.Errorf("DataCounts = %d %d %d", w, p, c)
	}
	if got := m.CountOf("x"); got != 4 {
		t.Errorf("CountOf(x) = %d", got)
	}
	if got := m.CountOf("nobody"); got != 0 {
		t.Errorf("CountOf(nobody) = %d", got)
	}
	byPath := maps.Collect(m.ByPath())
	if fmt.Sprint(byPath) != "map[/a:[x y] /c:[x] /d:[z]]" {
		t.Errorf("ByPath = %v", byPath)
	}
	byWatcher := maps.Collect(m.ByWatcher())
	for _, names := range byWatcher {
		slices.Sort(names)
	}
	if fmt.Sprint(byWatcher) != "map[x:[/a /c] y:[/a] z:[/d]]" {
		t.Errorf("ByWatcher = %v", byWatcher)
	}
	for range m.ByPath() {
		break
	}
	for range m.ByWatcher() {
		break
	}
}
