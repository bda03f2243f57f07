package watch

// slab holds values of one type side by side and re-uses the places of those that are gone.
type slab[T any] struct {
	values []T
	free   []index
}

// newSlab returns a slab whose place 0 is taken, so that 0 can mean none.
func newSlab[T any]() slab[T] { return slab[T]{values: make([]T, 1)} }

// take stores v and returns its place.
func (s *slab[T]) take(v T) index {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.values[i] = v
		return i
	}
	s.values = append(s.values, v)
	return index(len(s.values) - 1)
}

// at returns the value in place i. The pointer is valid until the next take.
func (s *slab[T]) at(i index) *T { return &s.values[i] }

// give frees place i.
func (s *slab[T]) give(i index) {
	var zero T
	s.values[i] = zero
	s.free = append(s.free, i)
}

// len returns how many values there are.
func (s *slab[T]) len() int { return len(s.values) - 1 - len(s.free) }
