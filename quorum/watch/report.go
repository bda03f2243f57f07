package watch

import "iter"

// Counts returns how many watches there are in both tables together (a persistent watch counts in
// each), on how many paths and by how many watchers.
func (m *Manager[W]) Counts() (watches, paths, watchers int) {
	return m.watches, m.paths.len(), m.watchers.len()
}

// DataCounts is [Manager.Counts] of the data table alone, which is what wchs reports.
func (m *Manager[W]) DataCounts() (watches, paths, watchers int) {
	return m.inData.watches, m.inData.paths, m.inData.watchers
}

// CountOf returns how many watches w has in both tables together.
func (m *Manager[W]) CountOf(w W) int {
	wi, ok := m.watcherByHandle[w]
	if !ok {
		return 0
	}
	return m.watchers.at(wi).count()
}

func (w *watcher[W]) count() int { return int(w.inData) + int(w.inChild) }

// ByPath yields each path of the data table with those who watch it, for wchp. The order is
// arbitrary but the same for the same calls. The Manager must not change meanwhile; the slices
// are the caller's.
func (m *Manager[W]) ByPath() iter.Seq2[string, []W] {
	return func(yield func(string, []W) bool) {
		for i := range m.paths.values {
			p := &m.paths.values[i]
			if p.inData == 0 {
				continue
			}
			who := make([]W, 0, p.inData)
			for ei := p.first; ei != 0; ei = m.entries.at(ei).nextOfPath {
				if e := m.entries.at(ei); e.kinds&dataTable != 0 {
					who = append(who, m.watchers.at(e.watcher).handle)
				}
			}
			if !yield(p.name, who) {
				return
			}
		}
	}
}

// ByWatcher yields each watcher of the data table with the paths it watches, for wchc. Order and
// ownership are as in [Manager.ByPath].
func (m *Manager[W]) ByWatcher() iter.Seq2[W, []string] {
	return func(yield func(W, []string) bool) {
		for i := range m.watchers.values {
			w := &m.watchers.values[i]
			if w.inData == 0 {
				continue
			}
			names := make([]string, 0, w.inData)
			for ei := w.first; ei != 0; ei = m.entries.at(ei).nextOfWatcher {
				if e := m.entries.at(ei); e.kinds&dataTable != 0 {
					names = append(names, m.paths.at(e.path).name)
				}
			}
			if !yield(w.handle, names) {
				return
			}
		}
	}
}
