package watch

// link makes the entry of a pair, without kinds yet, at the end of the path's list and at the
// start of the watcher's.
func (m *Manager[W]) link(of pair) index {
	p, w := m.paths.at(of.path), m.watchers.at(of.watcher)
	ei := m.entries.take(entry{pair: of, prevOfPath: p.last, nextOfWatcher: w.first})
	if p.last != 0 {
		m.entries.at(p.last).nextOfPath = ei
	} else {
		p.first = ei
	}
	p.last = ei
	if w.first != 0 {
		m.entries.at(w.first).prevOfWatcher = ei
	}
	w.first = ei
	m.entryByPair[of] = ei
	return ei
}

// setKinds changes the kinds of an entry and keeps all counts. An entry without kinds goes, and
// with it its path or watcher if it was their last.
func (m *Manager[W]) setKinds(ei index, k kinds) {
	e := m.entries.at(ei)
	old := e.kinds
	e.kinds = k
	p, w := m.paths.at(e.path), m.watchers.at(e.watcher)

	isData, isChild := step(old, k, dataTable), step(old, k, childTable)
	m.inData.watches += isData
	m.watches += isData + isChild
	m.inData.paths += count(&p.inData, isData)
	m.inData.watchers += count(&w.inData, isData)
	count(&p.inChild, isChild)
	count(&w.inChild, isChild)

	isRecursive := step(old, k, recursive)
	count(&p.recursives, isRecursive)
	m.recursives += isRecursive

	if k == 0 {
		m.unlink(ei)
	}
}

// step returns how a change from old to k changes whether the entry has one of the kinds in set:
// 1, 0 or -1.
func step(old, k, set kinds) int {
	switch had, has := old&set != 0, k&set != 0; {
	case has && !had:
		return 1
	case had && !has:
		return -1
	}
	return 0
}

// count adds a step to n and returns how that changes whether n is above 0: 1, 0 or -1.
func count(n *uint32, step int) int {
	before := *n
	*n = uint32(int(*n) + step)
	switch {
	case before == 0 && *n > 0:
		return 1
	case before > 0 && *n == 0:
		return -1
	}
	return 0
}

// unlink removes an entry.
func (m *Manager[W]) unlink(ei index) {
	e := *m.entries.at(ei)
	p, w := m.paths.at(e.path), m.watchers.at(e.watcher)

	if e.prevOfPath != 0 {
		m.entries.at(e.prevOfPath).nextOfPath = e.nextOfPath
	} else {
		p.first = e.nextOfPath
	}
	if e.nextOfPath != 0 {
		m.entries.at(e.nextOfPath).prevOfPath = e.prevOfPath
	} else {
		p.last = e.prevOfPath
	}
	if e.prevOfWatcher != 0 {
		m.entries.at(e.prevOfWatcher).nextOfWatcher = e.nextOfWatcher
	} else {
		w.first = e.nextOfWatcher
	}
	if e.nextOfWatcher != 0 {
		m.entries.at(e.nextOfWatcher).prevOfWatcher = e.prevOfWatcher
	}

	delete(m.entryByPair, e.pair)
	m.entries.give(ei)
	if p.first == 0 {
		delete(m.pathByName, p.name)
		m.paths.give(e.path)
	}
	if w.first == 0 {
		delete(m.watcherByHandle, w.handle)
		m.watchers.give(e.watcher)
	}
}
