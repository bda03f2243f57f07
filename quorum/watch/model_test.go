package watch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/zk"
)

// checkCounts compares every count with one made by looking at all entries.
func checkCounts(t *testing.T, m *Manager[string]) {
	t.Helper()
	var watches, recursives int
	var inData totals
	paths, watchers := map[string]int{}, map[string]int{}
	for name, pi := range m.pathByName {
		for ei := m.paths.at(pi).first; ei != 0; ei = m.entries.at(ei).nextOfPath {
			e := m.entries.at(ei)
			if e.kinds == 0 || e.path != pi || m.entryByPair[e.pair] != ei {
				t.Fatalf("entry %+v of %s is out of place", e, name)
			}
			if e.kinds&dataTable != 0 {
				watches++
				inData.watches++
				paths[name]++
				watchers[m.watchers.at(e.watcher).handle]++
			}
			if e.kinds&childTable != 0 {
				watches++
			}
			if e.kinds&recursive != 0 {
				recursives++
			}
		}
	}
	inData.paths, inData.watchers = len(paths), len(watchers)
	if watches != m.watches || inData != m.inData || recursives != m.recursives {
		t.Fatalf("counts %d %+v %d, want %d %+v %d", m.watches, m.inData, m.recursives, watches, inData, recursives)
	}
	if m.paths.len() != len(m.pathByName) || m.watchers.len() != len(m.watcherByHandle) || m.entries.len() != len(m.entryByPair) {
		t.Fatal("a slab and its map differ")
	}
}

// model is ZooKeeper's own shape: two tables of path -> watcher -> set of modes.
type model struct{ data, child map[string]map[string]string }

func add(table map[string]map[string]string, name, w, mode string) {
	if table[name] == nil {
		table[name] = map[string]string{}
	}
	if !strings.Contains(table[name][w], mode) {
		table[name][w] += mode
	}
}

// trigger returns who hears of an event through one table, consuming standard watches.
func trigger(table map[string]map[string]string, name string) map[string]bool {
	told := map[string]bool{}
	for at, own := name, true; ; own = false {
		for w, modes := range table[at] {
			if own || strings.Contains(modes, "R") {
				told[w] = true
			}
			if own {
				table[at][w] = strings.ReplaceAll(modes, "S", "")
				if table[at][w] == "" {
					delete(table[at], w)
				}
			}
		}
		parent, ok := parentOf(at)
		if !ok {
			return told
		}
		at = parent
	}
}

func TestTriggerEqualsTheTwoTableModel(t *testing.T) {
	names := []string{"/", "/a", "/a/b", "/a/b/c", "/a/bc", "/d"}
	watchers := []string{"u", "v", "w", "x"}
	rng := rand.New(rand.NewPCG(3, 4))
	m := NewManager[string]()
	ref := model{map[string]map[string]string{}, map[string]map[string]string{}}
	for step := range 30000 {
		name, w := names[rng.IntN(len(names))], watchers[rng.IntN(len(watchers))]
		switch op := rng.IntN(12); op {
		case 0, 1:
			m.AddData(name, w)
			add(ref.data, name, w, "S")
		case 2, 3:
			m.AddChild(name, w)
			add(ref.child, name, w, "S")
		case 4:
			m.AddPersistent(name, w, false)
			add(ref.data, name, w, "P")
			add(ref.child, name, w, "P")
		case 5:
			m.AddPersistent(name, w, true)
			add(ref.data, name, w, "R")
		case 6:
			m.RemoveAll(w)
			for _, table := range []map[string]map[string]string{ref.data, ref.child} {
				for name := range table {
					delete(table[name], w)
				}
			}
		default:
			event := []zk.EventType{zk.EventNodeCreated, zk.EventNodeDeleted, zk.EventNodeDataChanged, zk.EventNodeChildrenChanged}[op%4]
			want := map[string]bool{}
			if event != zk.EventNodeChildrenChanged {
				want = trigger(ref.data, name)
			}
			if event == zk.EventNodeChildrenChanged || event == zk.EventNodeDeleted {
				maps.Copy(want, trigger(ref.child, name))
			}
			got := strings.Fields(told(m, event, name))
			slices.Sort(got)
			if wanted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, wanted) {
				t.Fatalf("step %d: event %d on %s heard by %v, want %v", step, event, name, got, wanted)
			}
		}
		if step%50 == 0 {
			checkCounts(t, m)
		}
	}
}

func BenchmarkTriggerHundredWatchers(b *testing.B) {
	m := NewManager[int]()
	heard := 0
	b.ReportAllocs()
	for b.Loop() {
		for w := range 100 {
			m.AddData("/some/path/of/usual/length", w)
		}
		m.Trigger(zk.EventNodeDataChanged, "/some/path/of/usual/length", func(int) { heard++ })
	}
}

func BenchmarkTriggerNobody(b *testing.B) {
	m := NewManager[int]()
	m.AddData("/some/other/path", 1)
	b.ReportAllocs()
	for b.Loop() {
		m.Trigger(zk.EventNodeDataChanged, "/some/path/of/usual/length", func(int) {})
	}
}

func BenchmarkHundredThousandWatches(b *testing.B) {
	names := make([]string, 100000)
	for i := range names {
		names[i] = fmt.Sprintf("/services/instance-%06d", i)
	}
	b.Run("of one watcher", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := NewManager[int]()
			for _, name := range names {
				m.AddData(name, 1)
			}
		}
	})
	b.Run("on one path", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := NewManager[int]()
			for w := range names {
				m.AddData("/a", w)
			}
		}
	})
}
